"""Caffe's HDF5 weights: read as Caffe wrote them, and written so that Caffe reads them."""

import time
import tracemalloc
from contextlib import suppress

import h5py
import numpy as np
import pytest
from mutations import COUNTS, mutations

import zoo
from zoo.caffe.hdf5 import write_hdf5_weights
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.weights import read_weights
from zoo.errors import ParseError, WeightsError, ZooError

RULES = ["SGD", "Adam", "AdaDelta"]


def net_of(*names):
    net = NetParameter()
    for name in names:
        net.layer.add(name=name, type="InnerProduct")
    return net


@pytest.fixture
def write(tmp_path):
    """Makes an HDF5 file with h5py by `write(fill)`, which gets the open file; gives its path."""

    def make(fill, **options):
        path = tmp_path / "some.caffemodel.h5"
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    return make


@pytest.mark.parametrize("rule", RULES)
def test_hdf5_snapshots_hold_what_the_binary_ones_hold(shared, rule):
    formats = shared / "golden/formats"
    binary = read_weights(formats / f"snap_{rule}_iter_5.caffemodel")
    weights = read_weights(formats / f"snap_{rule}_iter_5.caffemodel.h5")
    assert weights.format == "hdf5"
    assert set(weights.layer_names) == set(binary.layer_names)
    assert set(binary) - set(weights) == {"ipB"}  # its params are those of ipA
    for name, blobs in weights.items():
        for blob, expected in zip(blobs, binary[name], strict=True):
            assert blob.shape == expected.shape
            np.testing.assert_array_equal(blob, expected)
            assert not blob.flags.owndata
            assert not blob.flags.writeable


@pytest.mark.parametrize("rule", RULES)
def test_net_gets_the_params_that_caffe_had(shared, rule):
    formats = shared / "golden/formats"
    expected = np.load(formats / f"expected/snap_{rule}.npz")
    net = zoo.Net.read(formats / "snap_net.prototxt", formats / f"snap_{rule}_iter_5.caffemodel.h5")
    received = {
        f"param:{name}/{index}": blob
        for name, blobs in net.params.items()
        for index, blob in enumerate(blobs)
    }
    assert set(received) == {key for key in expected.files if key.startswith("param:")}
    for key, blob in received.items():
        np.testing.assert_array_equal(blob, expected[key])


def test_content_decides_not_the_name(shared, tmp_path):
    formats = shared / "golden/formats"
    for suffix, name in ((".h5", "a.caffemodel"), ("", "b.caffemodel.h5")):
        content = (formats / f"snap_SGD_iter_5.caffemodel{suffix}").read_bytes()
        (tmp_path / name).write_bytes(content)
    assert read_weights(tmp_path / "a.caffemodel").format == "hdf5"
    assert read_weights(tmp_path / "b.caffemodel.h5").format == "current"


def test_what_is_written_is_laid_out_as_caffe_lays_it_out(shared, tmp_path):
    formats = shared / "golden/formats"
    theirs = formats / "snap_SGD_iter_5.caffemodel.h5"
    zoo.Net.read(formats / "snap_net.prototxt", theirs).save(weights=tmp_path / "ours.h5")

    def members(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.update({name: item}))
            return {
                name: (item.dtype, item.shape, item[()].tobytes())
                if isinstance(item, h5py.Dataset)
                else len(item)
                for name, item in found.items()
            }

    caffe, ours = members(theirs), members(tmp_path / "ours.h5")
    splits = {name for name in caffe if name.endswith("_split")}  # layers that Caffe inserts
    assert ours.pop("data") == caffe.pop("data") - len(splits)
    assert ours == {name: value for name, value in caffe.items() if name not in splits}


def test_the_same_weights_are_the_same_bytes_at_any_time(tmp_path):
    weights = {"a": [np.ones((2, 3)), np.zeros(2)]}
    write_hdf5_weights(tmp_path / "one.h5", net_of("a"), weights)
    time.sleep(1.1)  # HDF5 keeps times in seconds
    write_hdf5_weights(tmp_path / "two.h5", net_of("a"), weights)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_any_numeric_array_goes_round(tmp_path):
    arrays = [np.float32(3.5), np.zeros((0, 3)), np.arange(6).reshape(2, 3).T, np.float64([1e-3])]
    write_hdf5_weights(tmp_path / "a.h5", net_of("ip", "relu"), {"ip": arrays})
    weights = read_weights(tmp_path / "a.h5")
    assert weights.layer_names == ("ip", "relu")
    for got, array in zip(weights["ip"], arrays, strict=True):
        np.testing.assert_array_equal(got, np.asarray(array, np.float32))


@pytest.mark.parametrize("dtype", [">f4", "<f8", "<f2", "u1", "<i4", ">i8"])
def test_other_types_of_numbers_are_converted(write, dtype):
    values = np.array([[1, 2], [3, 4]], dtype)
    blob = read_weights(write(lambda file: file.create_dataset("data/ip/0", data=values)))["ip"][0]
    assert blob.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(blob, values)


def test_weights_are_views_and_take_no_memory(tmp_path):
    values = np.ones((2000, 1000), np.float32)
    write_hdf5_weights(tmp_path / "a.h5", net_of("ip"), {"ip": [values]})
    tracemalloc.start()
    weights = read_weights(tmp_path / "a.h5")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    weights.drop_pages()
    np.testing.assert_array_equal(weights["ip"][0], values)


TIED = """
input: "data" input_shape { dim: 1 dim: 4 }
layer { name: "one" type: "InnerProduct" bottom: "data" top: "one" param { name: "w" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "two" type: "InnerProduct" bottom: "one" top: "two" param { name: "w" }
  inner_product_param { num_output: 4 bias_filler { type: "constant" value: 2 } } }
layer { name: "three" type: "InnerProduct" bottom: "two" top: "three" param { name: "w" }
  inner_product_param { num_output: 4 bias_term: false } }
"""


def test_a_layer_that_owns_only_its_bias_goes_round(tmp_path):
    (tmp_path / "tied.prototxt").write_text(TIED)
    net = zoo.Net.read(tmp_path / "tied.prototxt").initialized()
    net.save(weights=tmp_path / "tied.caffemodel.h5")
    weights = read_weights(tmp_path / "tied.caffemodel.h5")
    assert list(weights) == ["one", "two"]
    assert weights["two"][0] is None
    assert weights.nbytes == 4 * (16 + 4 + 4)
    again = net.load_weights(tmp_path / "tied.caffemodel.h5")
    assert again.report.fresh == []
    for name, blobs in net.params.items():
        for blob, expected in zip(again.params[name], blobs, strict=True):
            np.testing.assert_array_equal(blob, expected)


def test_a_missing_blob_that_nobody_owns_is_told(tmp_path, write):
    (tmp_path / "tied.prototxt").write_text(TIED)

    def without_bias(file):
        file["data/one/0"] = np.zeros((4, 4))
        file["data/two/1"] = np.zeros(4)

    with pytest.raises(WeightsError, match=r"one: needs \[\(4, 4\), \(4,\)\], the file has"):
        zoo.Net.read(tmp_path / "tied.prototxt", write(without_bias))


# What it refuses


def test_layers_whose_names_hold_a_slash_are_refused_as_caffe_aborts(shared, tmp_path):
    folder = shared / "models/squeezenet_v1.0"
    net = zoo.Net.read(folder / "deploy.prototxt", folder / "squeezenet_v1.0.caffemodel")
    with pytest.raises(WeightsError, match=r"(?s)cannot name 56.*'fire2/.*binary .caffemodel"):
        net.save(weights=tmp_path / "squeezenet.caffemodel.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", ".", "a/b", "/a", "a\0b"])
def test_names_that_hdf5_has_not_are_refused(tmp_path, name):
    with pytest.raises(WeightsError, match="HDF5 cannot name 1 layer"):
        write_hdf5_weights(tmp_path / "a.h5", net_of("fine", name), {})


@pytest.mark.parametrize("name", ["größe", "卷积 1", ".."])
def test_names_of_any_language_go_round(tmp_path, name):
    write_hdf5_weights(tmp_path / "a.h5", net_of(name, "plain"), {name: [np.ones((2, 3))]})
    weights = read_weights(tmp_path / "a.h5")
    assert set(weights.layer_names) == {name, "plain"}
    np.testing.assert_array_equal(weights[name][0], np.ones((2, 3)))


def test_two_layers_of_one_name_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="'twin'; HDF5 keeps one group for each name"):
        write_hdf5_weights(tmp_path / "a.h5", net_of("twin", "other", "twin"), {})


def test_arrays_of_no_numbers_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="layer 'a', blob 1: <U1 are no weights"):
        write_hdf5_weights(tmp_path / "a.h5", net_of("a"), {"a": [np.ones(1), np.array(["x"])]})
    assert not list(tmp_path.iterdir())


def test_other_hdf5_files_are_named(shared, write):
    formats = shared / "golden/formats"
    with pytest.raises(ParseError, match="solver state"):
        read_weights(formats / "snap_SGD_iter_5.solverstate.h5")
    with pytest.raises(ParseError, match="HDF5Data"):
        read_weights(formats / "h5_a.h5")
    with pytest.raises(ParseError, match="weights of Keras"):
        read_weights(write(lambda file: file.create_group("model_weights/dense")))
    with pytest.raises(ParseError, match="no group `data`"):
        read_weights(write(lambda file: file.create_group("other")))


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda file: file.create_dataset("data/a/0", data=["x"]), "layer 'a', blob 0: no dataset"),
        (lambda file: file.create_group("data/a/0"), "layer 'a', blob 0: no dataset of numbers"),
        (lambda file: file.create_dataset("data/a/weights", data=[1.0]), "data/a/weights is in no"),
        (lambda file: file.create_dataset("data/a/01", data=[1.0]), "data/a/01 is in no"),
        (lambda file: file.create_dataset("data/a/99999", data=[1.0]), "data/a/99999 is in no"),
        (lambda file: file.create_dataset("data/a", data=[1.0]), "data/a is not a group"),
        (lambda file: file.create_dataset("data/a/0", (1 << 40,)), "more values than a blob"),
        (lambda file: file.create_dataset("data/a/0", (1000,)), "of 1000 values, but 0 bytes"),
        (
            lambda file: file.create_dataset("data/a/0", data=np.ones(99), compression="gzip"),
            "values in chunks",
        ),
        (
            lambda file: file.create_dataset("data/a/0", (9,), external=[("/etc/passwd", 0, 36)]),
            "values in other files",
        ),
        (
            lambda file: file.create_group("data").update({"a": h5py.SoftLink("/data")}),
            "symbolic links",
        ),
        (
            lambda file: file.create_group("data").update({"a": h5py.ExternalLink("b.h5", "/")}),
            "layout that Caffe does not write",
        ),
    ],
)
def test_what_caffe_does_not_write_is_refused_with_the_place(write, fill, words):
    with pytest.raises((ParseError, WeightsError), match=words) as caught:
        read_weights(write(fill))
    assert "some.caffemodel.h5" in str(caught.value)


def test_the_newest_layout_is_refused_with_what_to_do(write):
    path = write(lambda file: file.create_dataset("data/a/0", data=[1.0]), libver="latest")
    with pytest.raises(ParseError, match=r"superblock 3. Write it again with h5py.*earliest"):
        read_weights(path)


def test_a_cut_file_says_so(shared, tmp_path):
    content = (shared / "golden/formats/snap_SGD_iter_5.caffemodel.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[:-100])
    with pytest.raises(ParseError, match="says that it has .* probably cut: fetch it again"):
        read_weights(tmp_path / "cut.h5")


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_files_end_in_our_own_errors_or_not_at_all(shared, tmp_path, count):
    """HDF5's own library asks for memory without end when a list in a heap becomes a ring."""
    content = (shared / "golden/formats/snap_SGD_iter_5.caffemodel.h5").read_bytes()
    path = tmp_path / "mutated.h5"
    for mutated in mutations(content, count):
        path.write_bytes(mutated)
        started = time.process_time()
        with suppress(ZooError):
            for blobs in read_weights(path).values():
                [None if blob is None else blob.tobytes() for blob in blobs]
        assert time.process_time() - started < 1


def test_a_ring_of_nodes_ends(shared, tmp_path):
    content = bytearray((shared / "golden/formats/snap_SGD_iter_5.caffemodel.h5").read_bytes())
    tree = content.index(b"TREE")
    content[tree + 5] = 1  # a level above the leaves
    content[tree + 6 : tree + 8] = (2).to_bytes(2, "little")
    for child in (32, 48):
        content[tree + child : tree + child + 8] = tree.to_bytes(8, "little")
    (tmp_path / "ring.h5").write_bytes(content)
    with pytest.raises(ParseError):
        read_weights(tmp_path / "ring.h5")
