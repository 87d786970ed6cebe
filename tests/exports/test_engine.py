"""ONNX Runtime behind the same calls: Caffe's numbers, and errors in zoo's words."""

import sys

import numpy as np
import pytest
from reference import SHARED, load_fill, read_case, recipe_inputs, recipe_params, relative_error

import zoo
from zoo.errors import ShapeError, UnavailableError, UsageError
from zoo.exports.engine import predictor_by
from zoo.net import Net

NAMES = sorted(path.stem for path in (SHARED / "golden" / "nets").glob("*.json"))
HEAVY = {"vgg16", "voc_fcn8s"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in NAMES],
)
def test_blobs_are_those_of_caffe(shared, name):
    case, stored = read_case(shared, name)
    fill = load_fill(shared)
    net = Net.read(shared / "golden" / "nets" / f"{name}.prototxt")
    net = net.with_params(recipe_params(fill, net, case["gain"]))
    wanted = [key.removeprefix("blob:") for key in stored.files]
    outputs = zoo.run(net, recipe_inputs(fill, case), wanted, engine="onnxruntime")
    tolerance = 5e-4 if len(net.layers) > 50 else 1e-4
    for blob in wanted:
        expected, stride = stored[f"blob:{blob}"], case["blobs"][blob].get("stored_stride", 1)
        received = outputs[blob]
        assert list(received.shape) == case["blobs"][blob]["shape"]
        received = received.reshape(-1)[::stride] if stride > 1 else received
        assert relative_error(received, expected.reshape(received.shape)) <= tolerance, blob


def test_pictures_are_classified_alike(lenet):
    pictures = "examples/digits"
    plain, other = (
        list(lenet.classify(pictures, engine=engine)) for engine in ("tensorflow", "onnxruntime")
    )
    assert len(plain) == 5
    for one, two in zip(plain, other, strict=True):
        assert (one.file, one.error) == (two.file, two.error)
        assert [each.index for each in one.predictions] == [each.index for each in two.predictions]
        for first, second in zip(one.predictions, two.predictions, strict=True):
            assert first.score == pytest.approx(second.score, abs=1e-6)


def test_ten_crops_go_through_too(shared):
    model = zoo.load(shared / "models" / "squeezenet_v1.0")
    picture = shared / "images" / "cat.jpg"
    plain, other = (
        next(iter(model.classify(picture, crops=10, engine=engine)))
        for engine in ("tensorflow", "onnxruntime")
    )
    assert [each.index for each in plain.predictions] == [each.index for each in other.predictions]


def test_a_net_is_handed_over_once(lenet):
    first = predictor_by("onnxruntime", lenet.net, ["prob"])
    assert predictor_by("onnxruntime", lenet.net, ["prob"]) is first
    assert predictor_by("onnxruntime", lenet.net, ["ip1"]) is not first


def test_an_input_can_be_asked_for_and_written_in_place(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 }\n'
        'layer { name: "copy" type: "Power" bottom: "data" top: "copy" }\n'
        'layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }\n'
    )
    outputs = zoo.run(Net.read(path), {"data": [[-1, 2, -3]]}, engine="onnxruntime")
    assert outputs["copy"].tolist() == [[-1, 2, -3]]
    assert outputs["data"].tolist() == [[0, 2, 0]]


def test_inputs_are_checked_in_the_same_words(lenet):
    for engine in ("tensorflow", "onnxruntime"):
        with pytest.raises(ShapeError, match=r"input 'data': expected an array of shape"):
            zoo.run(lenet.net, {"data": np.zeros((1, 1, 28, 27))}, engine=engine)
        with pytest.raises(UsageError, match="no input 'date'. Did you mean data"):
            zoo.run(lenet.net, {"date": np.zeros((1, 1, 28, 28))}, engine=engine)


def test_an_unknown_engine_is_answered_with_the_nearest(lenet):
    with pytest.raises(UsageError, match="no engine 'onnxruntim'. Did you mean onnxruntime"):
        zoo.run(lenet.net, {"data": np.zeros((1, 1, 28, 28))}, engine="onnxruntim")


def test_training_is_left_to_tensorflow(tmp_path, lenet):
    lenet.net.save(tmp_path / "net.prototxt")
    train = Net.read(tmp_path / "net.prototxt", phase="train")
    with pytest.raises(UsageError, match="the engine tensorflow runs the TRAIN phase"):
        zoo.run(train, {"data": np.zeros((1, 1, 28, 28))}, engine="onnxruntime")


def test_a_device_that_is_not_there_is_said(lenet):
    data = {"data": np.zeros((1, 1, 28, 28))}
    with pytest.raises(UsageError, match="device must be 'cpu' or 'gpu:N', received 'tpu'"):
        zoo.run(lenet.net, data, engine="onnxruntime", device="tpu")
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(UnavailableError, match="pip install 'onnxruntime-gpu>=1.21,<2'"):
            zoo.run(lenet.net, data, engine="onnxruntime", device="gpu:0")
    assert zoo.run(lenet.net, data, engine="onnxruntime", device="cpu")["prob"].shape == (1, 5)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_ends_with_4_and_says_how_to_get_it(lenet, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UnavailableError, match="pip install 'onnx>=1.17,<2' 'onnxruntime"
    ) as caught:
        zoo.run(lenet.net, {"data": np.zeros((1, 1, 28, 28))}, ["pool1"], engine="onnxruntime")
    assert caught.value.exit_code == 4


def test_a_runtime_that_pools_otherwise_is_refused(lenet, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "__version__", "1.20.1")
    with pytest.raises(UnavailableError, match=r"1\.20\.1 pools otherwise .* 'onnxruntime>=1\.21"):
        zoo.run(lenet.net, {"data": np.zeros((1, 1, 28, 28))}, ["pool2"], engine="onnxruntime")


def test_the_engine_needs_no_tensorflow(tmp_path):
    import subprocess

    code = (
        "import sys, numpy, zoo\n"
        "net = zoo.load('lenet_digits').net\n"
        "zoo.run(net, {'data': numpy.zeros((1, 1, 28, 28))}, engine='onnxruntime')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=zoo.__path__[-1])
