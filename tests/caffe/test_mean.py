"""Mean files of both formats are the picture that Caffe subtracts."""

from contextlib import suppress

import numpy as np
import pytest
from mutations import COUNTS, mutations

from zoo.caffe.mean import channel_mean, read_mean, write_mean
from zoo.caffe.schema.caffe_pb2 import BlobProto
from zoo.errors import ParseError, UsageError, ZooError


def test_both_formats_hold_the_same_picture(shared):
    formats = shared / "golden/formats"
    binary, array = read_mean(formats / "mean.binaryproto"), read_mean(formats / "mean.npy")
    assert binary.shape == (3, 24, 32)
    assert binary.dtype == array.dtype == np.float32
    np.testing.assert_array_equal(binary, array)
    np.testing.assert_allclose(
        channel_mean(binary), np.load(formats / "mean.npy").mean(1).mean(1), rtol=1e-6
    )


def test_a_mean_file_of_caffe_comes_out_the_same_to_the_byte(shared, tmp_path):
    path = shared / "golden/formats/mean.binaryproto"
    write_mean(tmp_path / "again.binaryproto", read_mean(path))
    assert (tmp_path / "again.binaryproto").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["mean.npy", "mean.binaryproto", "mean"])
def test_content_decides_not_the_name(tmp_path, name):
    picture = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    for other in ("source.npy", "source.binaryproto"):
        write_mean(tmp_path / other, picture)
        (tmp_path / name).write_bytes((tmp_path / other).read_bytes())
        np.testing.assert_array_equal(read_mean(tmp_path / name), picture)


def test_blobs_of_the_current_kind_and_of_doubles_are_read(tmp_path):
    blob = BlobProto(double_data=range(6))
    blob.shape.dim[:] = [3, 1, 2]
    (tmp_path / "mean").write_bytes(blob.SerializeToString())
    assert read_mean(tmp_path / "mean").tolist() == [[[0, 1]], [[2, 3]], [[4, 5]]]


def test_arrays_with_a_leading_one_or_of_channels_alone_are_read(tmp_path):
    np.save(tmp_path / "four.npy", np.ones((1, 3, 2, 2)))
    np.save(tmp_path / "one.npy", np.array([104, 117, 123]))
    assert read_mean(tmp_path / "four.npy").shape == (3, 2, 2)
    assert read_mean(tmp_path / "one.npy").shape == (3, 1, 1)
    assert channel_mean(read_mean(tmp_path / "one.npy")) == [104, 117, 123]


@pytest.mark.parametrize("array", [np.ones((2, 2)), np.ones((2, 3, 4, 4)), np.array(["x"]), 3.0])
@pytest.mark.parametrize("name", ["a.npy", "a.binaryproto"])
def test_what_is_no_picture_is_neither_written_nor_read(tmp_path, array, name):
    with pytest.raises(UsageError, match=f"{name}: no mean picture"):
        write_mean(tmp_path / name, array)
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ParseError, match=r"no mean picture: .*expected"):
        read_mean(tmp_path / "other.npy")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("snap_SGD_iter_5.caffemodel", "this is weights"),
        ("snap_SGD_iter_5.solverstate", "this is a solver state"),
        ("snap_SGD_iter_5.solverstate.h5", "this is a solver state"),
        ("legacy_v1.caffemodel", "this is weights"),
        ("legacy_v0.prototxt", "this is the text of a network"),
        ("transforms.json", "byte"),
    ],
)
def test_other_files_are_named(shared, name, words):
    with pytest.raises(ParseError, match=words):
        read_mean(shared / "golden/formats" / name)


def test_a_shape_of_more_values_than_the_file_has_takes_no_memory(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4, 4)))
    content = (tmp_path / "a.npy").read_bytes().replace(b"(3, 4, 4), }  ", b"(3,2**30,4),}", 1)
    (tmp_path / "a.npy").write_bytes(content.replace(b"(3,2**30,4),}", b"(3,999999999,9)}", 1))
    with pytest.raises(ParseError, match="no mean picture"):
        read_mean(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["mean.binaryproto", "mean.npy"])
@pytest.mark.parametrize("count", COUNTS)
def test_mutated_files_end_in_our_own_errors(shared, tmp_path, name, count):
    content = (shared / "golden/formats" / name).read_bytes()
    path = tmp_path / "mutated"
    for mutated in mutations(content, count, within=130):
        path.write_bytes(mutated)
        with suppress(ZooError):
            read_mean(path)
