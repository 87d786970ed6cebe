"""Networks written in Caffe's formats come back equal, to the byte when they are written again."""

import numpy as np
import pytest
from reference import load_fill, read_case, recipe_params

import zoo
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.weights import read_weights
from zoo.conversion import FORMATS, convert, format_of
from zoo.errors import (
    UnsupportedLayersError,
    UsageError,
    VerificationError,
    WeightsError,
)

SHARED_PARAMS = """
name: "shared"
input: "data" input_shape { dim: 2 dim: 3 dim: 6 dim: 5 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "left" type: "InnerProduct" bottom: "conv" top: "left" param { name: "w" }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "right" type: "InnerProduct" bottom: "conv" top: "right" param { name: "w" }
  inner_product_param { num_output: 3 bias_filler { type: "constant" value: 1 } } }
layer { name: "sum" type: "Eltwise" bottom: "left" bottom: "right" top: "sum" }
"""
DIALECT = """
name: "fork"
input: "data" input_shape { dim: 1 dim: 4 dim: 5 dim: 5 }
layer { name: "norm" type: "Normalize" bottom: "data" top: "norm"
  norm_param { across_spatial: false scale_filler { type: "constant" value: 20 } } }
layer { name: "perm" type: "Permute" bottom: "norm" top: "perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
"""


@pytest.fixture
def net_of(tmp_path):
    def read(text, **options):
        (tmp_path / "source.prototxt").write_text(text)
        return zoo.Net.read(tmp_path / "source.prototxt", **options).initialized(seed=1)

    return read


def assert_same_net(one, other):
    assert one.definition == other.definition
    assert list(one.params) == list(other.params)
    for name, blobs in one.params.items():
        for blob, expected in zip(other.params[name], blobs, strict=True):
            np.testing.assert_array_equal(blob, expected)


@pytest.mark.parametrize("text", [SHARED_PARAMS, DIALECT], ids=["shared params", "a fork's layers"])
@pytest.mark.parametrize("name", ["out.caffemodel", "out.caffemodel.h5"])
def test_an_equal_net_is_read_and_written_to_equal_bytes(net_of, tmp_path, text, name):
    net = net_of(text)
    convert(net, tmp_path / "out.prototxt")
    done = convert(net, tmp_path / name, force=True)
    assert done.difference.absolute == 0
    assert done.difference.largest > 0
    again = zoo.Net.read(tmp_path / "out.prototxt", tmp_path / name)
    assert_same_net(net, again)
    before = {path: path.read_bytes() for path in (tmp_path / "out.prototxt", tmp_path / name)}
    convert(again, tmp_path / "out.prototxt", force=True)
    convert(again, tmp_path / name, force=True)
    for path, content in before.items():
        assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["lenet", "cifar10_full", "cifar10_full_sigmoid_bn"])
def test_golden_nets_go_through_both_formats(shared, tmp_path, name):
    case, _ = read_case(shared, name)
    net = zoo.Net.read(shared / "golden/nets" / f"{name}.prototxt")
    net = net.with_params(recipe_params(load_fill(shared), net, case["gain"]))
    for target in (tmp_path / "model", tmp_path / "net.caffemodel.h5"):
        assert convert(net, target).difference.absolute == 0
    folder = tmp_path / "model"
    for weights in (folder / "model.caffemodel", tmp_path / "net.caffemodel.h5"):
        assert_same_net(net, zoo.Net.read(folder / "deploy.prototxt", weights))


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_legacy_shapes_and_types_become_current_ones(shared, tmp_path, version):
    source = shared / f"golden/formats/legacy_{version}"
    net = zoo.Net.read(f"{source}.prototxt", f"{source}.caffemodel")
    convert(net, tmp_path / "new.prototxt")
    message = NetParameter.FromString((tmp_path / "new.caffemodel").read_bytes())
    assert not message.layers
    blobs = next(layer.blobs for layer in message.layer if layer.name == "conv1")
    assert [list(blob.shape.dim) for blob in blobs] == [[4, 3, 3, 3], [4]]
    assert not blobs[0].HasField("num")
    expected = np.load(shared / f"golden/formats/expected/legacy_{version}.npz")
    assert_same_net(net, zoo.Net.read(tmp_path / "new.prototxt", tmp_path / "new.caffemodel"))
    inputs = {name: expected[name] for name in net.inputs}
    outputs = zoo.run(zoo.Net.read(tmp_path / "new.prototxt", tmp_path / "new.caffemodel"), inputs)
    for name, value in outputs.items():
        np.testing.assert_allclose(value, expected[f"blob:{name}"], atol=1e-4)


def test_a_training_net_is_written_as_such(net_of, tmp_path):
    only_training = 'bottom: "sum" top: "sum" include { phase: TRAIN }'
    drop = f'layer {{ name: "drop" type: "Dropout" {only_training} }}'
    net = net_of(SHARED_PARAMS + drop, phase="train")
    convert(net, tmp_path / "train.prototxt")
    again = zoo.Net.read(tmp_path / "train.prototxt", tmp_path / "train.caffemodel", "train")
    assert "drop" in [layer.name for layer in again.layers]
    assert_same_net(net, again)


def test_double_weights_become_floats(shared, tmp_path, net_of):
    net = net_of(SHARED_PARAMS)
    message = NetParameter()
    for name, blobs in net.params.items():
        layer = message.layer.add(name=name, type="Any")
        for blob in blobs:
            stored = layer.blobs.add(double_data=blob.reshape(-1).tolist())
            stored.shape.dim[:] = blob.shape
    (tmp_path / "double").write_bytes(message.SerializeToString())
    read = zoo.Net.read(tmp_path / "source.prototxt", tmp_path / "double")
    assert_same_net(net, read)
    convert(read, tmp_path / "a.caffemodel")
    convert(net, tmp_path / "b.caffemodel")
    assert (tmp_path / "a.caffemodel").read_bytes() == (tmp_path / "b.caffemodel").read_bytes()


# What it refuses, and what it leaves


def test_what_is_there_stays_unless_force_is_used(net_of, tmp_path):
    net = net_of(SHARED_PARAMS)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/deploy.prototxt").write_text("mine")
    with pytest.raises(UsageError, match=r"deploy.prototxt exists .* --force"):
        convert(net, tmp_path / "model")
    assert (tmp_path / "model/deploy.prototxt").read_text() == "mine"
    assert len(list((tmp_path / "model").iterdir())) == 1
    convert(net, tmp_path / "model", force=True)
    assert (tmp_path / "model/deploy.prototxt").read_text() == net.to_prototxt()


def test_weights_can_be_replaced_by_themselves(net_of, tmp_path):
    net = net_of(SHARED_PARAMS)
    convert(net, tmp_path / "a.caffemodel")
    content = (tmp_path / "a.caffemodel").read_bytes()
    mapped = zoo.Net.read(tmp_path / "source.prototxt", tmp_path / "a.caffemodel")
    convert(mapped, tmp_path / "a.caffemodel", force=True)
    assert (tmp_path / "a.caffemodel").read_bytes() == content


def test_a_result_that_computes_otherwise_is_not_kept(net_of, tmp_path, monkeypatch):
    from zoo.exports.trial import Difference

    net = net_of(SHARED_PARAMS)
    monkeypatch.setattr("zoo.conversion._difference", lambda *_: Difference("sum", 0.5, 2.0))
    with pytest.raises(VerificationError, match="output 'sum' differs by 0.5"):
        convert(net, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["source.prototxt"]


def test_weights_that_read_otherwise_are_not_kept(net_of, tmp_path, monkeypatch):
    from zoo.caffe import write

    def damage(array, original=write.blob_pieces):
        return original(array + np.float32(1))

    net = net_of(SHARED_PARAMS)
    monkeypatch.setattr("zoo.caffe.write.blob_pieces", damage)
    with pytest.raises(VerificationError, match="layer 'conv': blob 0 is not what was to be"):
        convert(net, tmp_path / "a.caffemodel")
    assert [path.name for path in tmp_path.iterdir()] == ["source.prototxt"]


def test_names_that_hdf5_has_not_leave_nothing(net_of, tmp_path):
    net = net_of(SHARED_PARAMS.replace('"conv"', '"block/conv"'))
    with pytest.raises(WeightsError, match="HDF5 cannot name 1 layer"):
        convert(net, tmp_path / "a.caffemodel.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["source.prototxt"]


def test_two_layers_of_one_name_are_refused_by_hdf5_alone(shared, tmp_path):
    case, _ = read_case(shared, "mnist_autoencoder")
    net = zoo.Net.read(shared / "golden/nets/mnist_autoencoder.prototxt")
    net = net.with_params(recipe_params(load_fill(shared), net, case["gain"]))
    with pytest.raises(WeightsError, match="'loss'; HDF5 keeps one group for each name"):
        convert(net, tmp_path / "net.caffemodel.h5")
    assert convert(net, tmp_path / "net.caffemodel").difference.absolute == 0


def test_a_net_without_weights_is_refused(net_of, tmp_path):
    net_of(SHARED_PARAMS)
    with pytest.raises(UsageError, match=r"no weights to save: conv, left, right"):
        convert(zoo.Net.read(tmp_path / "source.prototxt"), tmp_path / "a.caffemodel")


def test_unknown_kinds_of_layer_are_refused_before_anything_is_written(tmp_path):
    (tmp_path / "net.prototxt").write_text(
        'input: "data" input_shape { dim: 1 }\n'
        'layer { name: "x" type: "Foo" bottom: "data" top: "x" }'
    )
    with pytest.raises(UnsupportedLayersError, match="Foo"):
        convert(zoo.Net.read(tmp_path / "net.prototxt"), tmp_path / "a.caffemodel")


def test_preprocessing_has_no_place_in_caffes_formats(net_of, tmp_path):
    with pytest.raises(UsageError, match="caffemodel holds no preprocessing"):
        convert(net_of(SHARED_PARAMS), tmp_path / "a.caffemodel", preprocess=object())


def test_a_folder_that_cannot_be_made_is_told(net_of, tmp_path):
    with pytest.raises(UsageError, match=r"where: there is no directory .*no; make it first"):
        convert(net_of(SHARED_PARAMS), tmp_path / "no/where")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="the folder cannot be made: File exists"):
        convert(net_of(SHARED_PARAMS), tmp_path / "file")


@pytest.mark.parametrize(
    ("path", "to", "expected"),
    [
        ("a.caffemodel", None, "caffemodel"),
        ("a.caffemodel.h5", None, "hdf5"),
        ("a.h5", "hdf5", "hdf5"),
        ("a.prototxt", None, "caffe"),
        ("models/a", None, "caffe"),
        ("models/a", "savedmodel", "savedmodel"),
        ("squeezenet_v1.0", "caffe", "caffe"),
        ("a.keras", None, "keras"),
        ("a.tflite", None, "tflite"),
        ("a.onnx", "onnx", "onnx"),
    ],
)
def test_the_name_says_the_format(path, to, expected):
    assert format_of(path, to) == expected
    assert expected in FORMATS


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        ("a.pb", None, "what .pb is to be is not known"),
        ("a", "onxx", "no format 'onxx'. Did you mean onnx"),
        ("a.h5", "caffemodel", "name of caffemodel ends with .caffemodel"),
        ("a.caffemodel", "hdf5", "name of hdf5 ends with .h5"),
        ("a", "hdf5", "name of hdf5 ends with .h5"),
        ("a.onnx", "caffe", "name of caffe ends with no suffix of another format"),
    ],
)
def test_names_that_say_otherwise_are_refused(path, to, words):
    with pytest.raises(UsageError, match=words):
        format_of(path, to)


def test_weights_of_both_formats_are_equal(shared, tmp_path):
    formats = shared / "golden/formats"
    net = zoo.Net.read(formats / "snap_net.prototxt", formats / "snap_Adam_iter_5.caffemodel.h5")
    convert(net, tmp_path / "a.caffemodel")
    expected = read_weights(formats / "snap_Adam_iter_5.caffemodel")
    received = read_weights(tmp_path / "a.caffemodel")
    assert set(received) == set(expected)
    for name, blobs in expected.items():
        for blob, value in zip(received[name], blobs, strict=True):
            np.testing.assert_array_equal(blob, value)
