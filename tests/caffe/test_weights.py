"""Weights of every format of caffemodel are what protobuf's parser reads, without a copy."""

import gc
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from caffemodel_bytes import (
    assert_equal,
    by_protobuf,
    field,
    layer,
    packed,
    resident_bytes,
    shape,
    unpacked,
)

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.weights import read_weights
from zoo.caffe.wire import FIXED32, FIXED64, LENGTH, VARINT, varint_bytes
from zoo.caffe.write import write_caffemodel
from zoo.errors import ParseError

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads memory use from /proc"
)


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a file."""

    def read_bytes(content):
        path = tmp_path / "some.caffemodel"
        path.write_bytes(content)
        return read_weights(path)

    return read_bytes


def test_every_caffemodel_of_the_reference_reads_as_protobuf_reads_it(shared):
    paths = sorted(shared.rglob("*.caffemodel"))
    assert len(paths) >= 100
    for path in paths:
        expected, names = by_protobuf(path.read_bytes())
        weights = read_weights(path)
        assert_equal(weights, expected)
        assert list(weights.layer_names) == names


def test_all_three_formats_are_told_apart(shared):
    formats = shared / "golden" / "formats"
    current = read_weights(formats / "snap_Adam_iter_5.caffemodel")
    v1 = read_weights(formats / "legacy_v1.caffemodel")
    v0 = read_weights(formats / "legacy_v0.caffemodel")
    assert (current.format, v1.format, v0.format) == ("current", "v1", "v0")
    assert (v1.types["conv1"], v0.types["conv1"]) == ("CONVOLUTION", "conv")
    assert set(current.types.values()) >= {"Convolution", "InnerProduct"}
    assert v0["conv1"][0].shape == (4, 3, 3, 3)
    np.testing.assert_array_equal(v0["conv1"][0], v1["conv1"][0])


def test_snapshot_holds_the_parameters_that_caffe_had(shared):
    formats = shared / "golden" / "formats"
    expected = np.load(formats / "expected" / "snap_SGD.npz")
    weights = read_weights(formats / "snap_SGD_iter_5.caffemodel")
    arrays = {key[6:]: expected[key] for key in expected.files if key.startswith("param:")}
    assert arrays
    for key, array in arrays.items():
        name, index = key.rsplit("/", 1)
        np.testing.assert_array_equal(weights[name][int(index)], array)


def test_packed_weights_are_views_into_the_file(shared):
    path = shared / "models" / "squeezenet_v1.0" / "squeezenet_v1.0.caffemodel"
    tracemalloc.start()
    weights = read_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert weights.nbytes == 4 * 1_248_424
    assert peak < 200_000
    assert not any(blob.flags.owndata for blobs in weights.values() for blob in blobs)
    with pytest.raises(ValueError, match="read-only"):
        weights["conv1"][0][0] = 0


def test_views_outlive_the_file_object_and_a_replaced_file(tmp_path, read):
    array = read(layer("a", shape(2) + packed(1, 2)))["a"][0]
    gc.collect()
    (tmp_path / "new").write_bytes(b"other")
    (tmp_path / "new").replace(tmp_path / "some.caffemodel")
    np.testing.assert_array_equal(array, [1, 2])


def test_layers_without_blobs_are_named_but_no_keys(read):
    weights = read(layer("data") + layer("a", shape(1) + packed(1)) + layer("relu"))
    assert list(weights) == ["a"]
    assert weights.layer_names == ("data", "a", "relu")
    assert "3 layers, 1 with weights, 1 values" in repr(weights)


def test_of_layers_with_one_name_the_last_with_blobs_counts(read):
    twice = layer("a", shape(1) + packed(1)) + layer("a", shape(1) + packed(2)) + layer("a")
    np.testing.assert_array_equal(read(twice)["a"][0], [2])


def test_unpacked_and_mixed_floats_are_joined_in_order(read):
    values = np.arange(1, 200_001, dtype=np.float32)
    parts = packed(*values[:3]) + unpacked(*values[3:1000]) + packed() + packed(*values[1000:1001])
    parts += shape(*[len(values)]) + unpacked(*values[1001:])
    content = layer("a", parts, unpacked(7))
    assert_equal(read(content), by_protobuf(content)[0])
    np.testing.assert_array_equal(read(content)["a"][0], values)


def test_a_million_unpacked_floats_are_not_read_one_by_one(read):
    record = np.zeros(1_000_000, [("tag", "u1"), ("value", "<f4")])
    record["tag"], record["value"] = 5 << 3 | FIXED32, np.arange(1_000_000)
    content = layer("a", shape(1000, 1000) + record.tobytes())
    calls = []
    sys.setprofile(lambda *call: calls.append(call[1]))
    try:
        array = read(content)["a"][0]
    finally:
        sys.setprofile(None)
    assert len(calls) < 10_000
    np.testing.assert_array_equal(array.ravel(), record["value"])


def test_double_data_is_cast_and_wins_over_data(read):
    doubles = np.array([0.1, 1e300, -3])
    together = field(8, doubles.tobytes())
    apart = b"".join(field(8, value.tobytes(), FIXED64) for value in doubles)
    weights = read(layer("a", shape(3) + packed(9) + together, shape(3) + apart))
    expected = np.array([0.1, np.inf, -3], np.float32)
    for array in weights["a"]:
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == np.float32


def test_legacy_sizes_win_over_shape_as_in_caffe(read):
    legacy = b"".join(field(axis, size, VARINT) for axis, size in enumerate((1, 2, 1, 3), start=1))
    assert read(layer("a", legacy + shape(6) + packed(*range(6))))["a"][0].shape == (1, 2, 1, 3)


def test_dims_may_be_unpacked_and_spread_over_two_shapes(read):
    dims = field(7, field(1, 2, VARINT)) + field(7, field(1, 3, VARINT))
    content = layer("a", dims + packed(*range(6)))
    assert read(content)["a"][0].shape == (2, 3)
    assert_equal(read(content), by_protobuf(content)[0])


def test_scalars_and_blobs_without_values_are_read(read):
    first, second, third = read(layer("a", packed(5), b"", shape(0, 3)))["a"]
    assert (first.shape, float(first)) == ((), 5)
    assert (second.shape, third.shape) == ((0,), (0, 3))


def test_fields_of_other_schemas_are_passed_over(read):
    other = field(999, b"x") + field(998, 2**63, VARINT) + field(997, b"12345678", FIXED64)
    other += field(996, b"1234", FIXED32)
    # known numbers with a wire type that they cannot have are unknown fields too
    other_blob = other + field(5, 1, VARINT) + field(7, 1, VARINT) + field(1, b"1")
    blob = other_blob + shape(1) + packed(3)
    content = other + field(100, other + field(1, b"a") + field(7, blob)) + field(100, 5, VARINT)
    np.testing.assert_array_equal(read(content)["a"][0], [3])
    assert_equal(read(content), by_protobuf(content)[0])


def test_names_need_not_be_utf8(read):
    weights = read(
        field(100, field(1, b"\xb7\xd6") + field(7, packed(1)))
        + field(100, field(1, "conv_é".encode()) + field(7, packed(1)))
    )
    assert list(weights) == ["·Ö", "conv_é"]


def test_an_unknown_v1_type_is_a_number(read):
    weights = read(field(2, field(4, b"a") + field(5, 77, VARINT) + field(6, packed(1))))
    assert weights.types == {"a": "77"}


def test_offsets_beyond_two_gibibytes_are_read(tmp_path):
    """A sparse file: 3 GiB of zeros that take no room, then a layer with values."""
    path = tmp_path / "big.caffemodel"
    count = 2**28
    head = field(1, b"big")
    for name in ("a", "b", "c"):
        values = varint_bytes(5 << 3 | LENGTH) + varint_bytes(4 * count)
        blob = shape(count) + values
        blob = varint_bytes(7 << 3 | LENGTH) + varint_bytes(len(blob) + 4 * count) + blob
        body = field(1, name.encode()) + blob
        head = varint_bytes(100 << 3 | LENGTH) + varint_bytes(len(body) + 4 * count) + body
        with path.open("ab") as file:
            file.write(head)
        os.truncate(path, path.stat().st_size + 4 * count)
    with path.open("ab") as file:
        file.write(layer("last", shape(2) + packed(1, 2)))
    weights = read_weights(path)
    assert [blobs[0].size for blobs in weights.values()] == [count, count, count, 2]
    assert weights["c"][0][-1] == 0
    np.testing.assert_array_equal(weights["last"][0], [1, 2])
    os.truncate(path, path.stat().st_size - 3)
    with pytest.raises(ParseError, match="needs 3 more. The download was probably cut"):
        read_weights(path)


@needs_proc
def test_dropped_pages_give_memory_back_and_read_the_same_again(tmp_path):
    count = 8_000_000
    values = np.arange(count, dtype=np.float32)
    net = NetParameter(name="big")
    for name in ("a", "b"):
        net.layer.add(name=name, type="InnerProduct")
    write_caffemodel(tmp_path / "big.caffemodel", net, {"a": [values], "b": [values]})
    weights = read_weights(tmp_path / "big.caffemodel")
    before = resident_bytes("RssFile")
    for (blob,) in weights.values():
        np.testing.assert_array_equal(blob, values)
    touched = resident_bytes("RssFile") - before
    weights.drop_pages(weights["a"][0])
    one_dropped = resident_bytes("RssFile") - before
    weights.drop_pages()
    assert touched > 1.8 * values.nbytes
    assert one_dropped < 1.2 * values.nbytes
    assert resident_bytes("RssFile") - before < 0.2 * values.nbytes
    np.testing.assert_array_equal(weights["b"][0], values)
    weights.drop_pages(values)  # not of this file: nothing happens
    weights.drop_pages(np.zeros(0, np.float32))


@pytest.mark.slow
@needs_proc
def test_half_a_gigabyte_is_read_without_filling_memory(tmp_path):
    path = tmp_path / "vgg.caffemodel"
    values = np.random.default_rng(0).standard_normal(14_000_000, np.float32)
    net = NetParameter(name="vgg")
    for index in range(10):
        net.layer.add(name=f"fc{index}", type="InnerProduct")
    write_caffemodel(path, net, {one.name: [values.reshape(1000, -1)] for one in net.layer})
    assert path.stat().st_size > 500_000_000

    before, peak_before = resident_bytes(), resident_bytes("VmHWM")
    tracemalloc.start()
    weights = read_weights(path)
    allocated = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert allocated < 1_000_000
    assert resident_bytes() - before < 10_000_000
    for blobs in weights.values():
        assert np.array_equal(blobs[0].ravel(), values)
        weights.drop_pages(blobs[0])
    assert resident_bytes() - before < 30_000_000
    assert resident_bytes("VmHWM") - peak_before < 100_000_000  # one layer, and its comparison
