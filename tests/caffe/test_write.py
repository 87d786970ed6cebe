"""What is written is what Caffe writes, byte for byte, and a failed write changes nothing."""

import resource
import tracemalloc

import numpy as np
import pytest
from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import NetParameter, SolverParameter
from zoo.caffe.weights import read_weights
from zoo.caffe.write import prototxt_text, write_caffemodel, write_prototxt
from zoo.errors import NetError, UnavailableError, UsageError, WeightsError


@pytest.fixture
def net():
    """A definition with fields on both sides of the blobs."""
    net = NetParameter(name="small")
    conv = net.layer.add(name="conv1", type="Convolution", bottom=["data"], top=["conv1"], phase=1)
    conv.param.add(lr_mult=1)
    conv.param.add(lr_mult=2, decay_mult=0)
    conv.convolution_param.num_output = 2
    conv.convolution_param.kernel_size.append(3)
    conv.include.add(phase=1)
    net.layer.add(name="relu1", type="ReLU", bottom=["conv1"], top=["conv1"])
    return net


@pytest.fixture
def weights():
    return {"conv1": [np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3), np.float32([0.5, -1])]}


def test_every_current_caffemodel_comes_out_the_same_to_the_byte(shared, tmp_path):
    written = 0
    for path in sorted(shared.rglob("*.caffemodel")):
        content = path.read_bytes()
        net = NetParameter.FromString(content)
        if net.layers:
            continue
        write_caffemodel(tmp_path / "again.caffemodel", net, read_weights(path))
        again = (tmp_path / "again.caffemodel").read_bytes()
        assert NetParameter.FromString(again) == net
        assert again == content, path
        written += 1
    assert written >= 100


def test_squeezenet_goes_round_as_an_equal_message(shared, tmp_path):
    path = shared / "models" / "squeezenet_v1.0" / "squeezenet_v1.0.caffemodel"
    write_caffemodel(
        tmp_path / "again", NetParameter.FromString(path.read_bytes()), read_weights(path)
    )
    again = NetParameter.FromString((tmp_path / "again").read_bytes())
    assert again == NetParameter.FromString(path.read_bytes())
    assert len(again.layer) == 74


def test_protobuf_reads_definition_and_weights_back(net, weights, tmp_path):
    write_caffemodel(tmp_path / "a.caffemodel", net, weights)
    read = NetParameter.FromString((tmp_path / "a.caffemodel").read_bytes())
    blobs = read.layer[0].blobs
    assert [list(blob.shape.dim) for blob in blobs] == [[2, 3, 3, 3], [2]]
    assert list(blobs[0].data) == list(range(54))
    for layer in read.layer:
        del layer.blobs[:]
    assert read == net


def test_own_reader_gets_what_was_written(net, weights, tmp_path):
    write_caffemodel(tmp_path / "a.caffemodel", net, weights)
    read = read_weights(tmp_path / "a.caffemodel")
    assert read.types == {"conv1": "Convolution", "relu1": "ReLU"}
    assert list(read) == ["conv1"]
    for got, expected in zip(read["conv1"], weights["conv1"], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_same_content_gives_the_same_bytes(net, weights, tmp_path):
    copy = NetParameter()
    copy.MergeFrom(net)
    for name, one in (("a", net), ("b", copy)):
        write_caffemodel(tmp_path / name, one, dict(reversed(weights.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3.5),
        np.zeros((0, 3), np.float32),
        np.arange(6, dtype=np.float64).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::2, ::-1],
        np.array([np.nan, np.inf, -0.0], np.float32),
        np.arange(3, dtype=">f4"),
        [[1, 2], [3, 4]],
    ],
)
def test_any_numeric_array_is_stored_as_float32_in_its_order(net, tmp_path, array):
    write_caffemodel(tmp_path / "a", net, {"conv1": [array]})
    (got,) = read_weights(tmp_path / "a")["conv1"]
    np.testing.assert_array_equal(got, np.asarray(array, np.float32))
    assert got.shape == np.shape(array)


def test_fields_of_a_forks_schema_are_kept(net, weights, tmp_path):
    foreign = net.layer[0].SerializeToString() + b"\xaa\x3e\x03abc"  # field 997, a string
    net.layer[0].CopyFrom(type(net.layer[0]).FromString(foreign))
    write_caffemodel(tmp_path / "a", net, weights)
    layer = NetParameter.FromString((tmp_path / "a").read_bytes()).layer[0]
    assert len(layer.blobs) == 2
    del layer.blobs[:]
    assert layer == net.layer[0]
    assert layer.SerializeToString().endswith(b"\xaa\x3e\x03abc")


def test_writing_makes_no_second_copy_of_the_weights(tmp_path):
    net = NetParameter(name="big")
    net.layer.add(name="fc", type="InnerProduct")
    array = np.ones((5000, 1000), np.float32)
    tracemalloc.start()
    write_caffemodel(tmp_path / "a", net, {"fc": [array]})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


def test_file_can_be_rewritten_from_its_own_map(net, weights, tmp_path):
    path = tmp_path / "a.caffemodel"
    write_caffemodel(path, net, weights)
    before = path.read_bytes()
    write_caffemodel(path, net, read_weights(path))
    assert path.read_bytes() == before


# What it refuses


def test_weights_of_an_unknown_layer_are_refused(net, weights, tmp_path):
    with pytest.raises(WeightsError, match="1 layer.s. that the network has not: conv2. Did you m"):
        write_caffemodel(tmp_path / "a", net, {**weights, "conv2": weights["conv1"]})
    assert not list(tmp_path.iterdir())


def test_arrays_of_no_numbers_are_refused(net, tmp_path):
    with pytest.raises(WeightsError, match="layer 'conv1', blob 0: <U1 are no weights"):
        write_caffemodel(tmp_path / "a", net, {"conv1": [np.array(["x"])]})


def test_definition_in_an_old_format_is_refused(tmp_path):
    net = NetParameter()
    net.layers.add(name="conv1")
    with pytest.raises(NetError, match="old format"):
        write_caffemodel(tmp_path / "a", net, {})


def test_definition_that_lacks_a_required_field_is_refused(net, tmp_path):
    net.layer.add(name="clip", type="Clip").clip_param.min = 0
    with pytest.raises(NetError, match="layer 'clip'.*clip_param.max"):
        write_caffemodel(tmp_path / "a", net, {})


def test_more_than_two_gibibytes_are_refused_before_a_file_is_made(net, tmp_path):
    huge = np.broadcast_to(np.float32(1), (2**29,))  # takes four bytes here
    with pytest.raises(WeightsError, match=r"reads no message of more than 2147483647 \(2 GiB\)"):
        write_caffemodel(tmp_path / "a", net, {"conv1": [huge]})
    assert not list(tmp_path.iterdir())


def test_failure_half_way_leaves_the_old_file_and_nothing_else(net, weights, tmp_path):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(UnavailableError, match="a.caffemodel cannot be written: File too larg"):
            write_caffemodel(path, net, weights)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.caffemodel"]


def test_folder_that_is_not_there_or_is_a_file_is_named(net, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "none" / "a", tmp_path / "file" / "a", tmp_path):
        with pytest.raises(UsageError, match="Name a file in a folder that exists"):
            write_prototxt(path, net)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_new_file_may_be_read_by_whom_the_umask_allows(net, tmp_path):
    write_prototxt(tmp_path / "a", net)
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


# Text


def test_floats_have_the_fewest_digits_that_give_them_again():
    solver = SolverParameter(base_lr=0.9, gamma=1e-8, power=0.1, momentum=1 / 3)
    text = prototxt_text(solver)
    assert text == "base_lr: 0.9\ngamma: 1e-08\npower: 0.1\nmomentum: 0.33333334\n"
    assert text_format.Parse(text, SolverParameter()) == solver


def test_text_is_parsed_back_to_an_equal_message(net, tmp_path):
    net.layer[0].name = 'con"v\n1é'
    write_prototxt(tmp_path / "net.prototxt", net)
    text = (tmp_path / "net.prototxt").read_text("utf-8")
    assert text_format.Parse(text, NetParameter()) == net
    assert text == prototxt_text(net)
    assert "é" in text
    assert text.index("name:") < text.index("type:") < text.index("convolution_param")


def test_every_definition_of_the_reference_goes_round_as_text(shared):
    paths = sorted((shared / "golden" / "layers").glob("*.prototxt"))
    assert len(paths) > 100
    for path in paths:
        net = text_format.Parse(path.read_text(), NetParameter())
        assert text_format.Parse(prototxt_text(net), NetParameter()) == net
