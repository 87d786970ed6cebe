"""What zoo writes as prototxt and caffemodel gives Caffe's numbers in OpenCV's dnn module."""

import numpy as np
import pytest
from opencv_reference import opencv_values
from reference import load_fill, read_case, recipe_inputs, recipe_params, relative_error

import zoo
from zoo.caffe.read import parse_definition
from zoo.caffe.upgrade import upgrade

# OpenCV has no losses and no accuracy, as no deploy net has.
NOT_DEPLOYED = ("Accuracy", "EuclideanLoss", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss")
NETS = [
    "alexnet",
    "caffenet",
    "caffenet_full_conv",
    "cifar10_full",
    "cifar10_full_sigmoid_bn",
    "googlenet",
    "lenet",
    "lenet_train_test",
    "mnist_autoencoder",
    "resnet50",
]
LARGE = ["vgg16", "voc_fcn8s"]


def deployed(net):
    """The net up to its losses, and without the labels that only they read."""
    sizes = " ".join(f"dim: {size}" for size in net.inputs["data"])
    text = f'input: "data" input_shape {{ {sizes} }}'
    definition, _ = upgrade(parse_definition(text))
    definition.name = net.name
    for layer in net.definition.layer:
        if layer.type not in ("Input", *NOT_DEPLOYED):
            definition.layer.append(layer)
    return zoo.Net(definition, net.params)


@pytest.mark.parametrize(
    "name", [*NETS, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_exported_caffemodels_give_caffes_numbers_in_opencv(shared, tmp_path, name):
    fill = load_fill(shared)
    case, stored = read_case(shared, name)
    net = zoo.Net.read(shared / "golden/nets" / f"{name}.prototxt")
    net = deployed(net.with_params(recipe_params(fill, net, case["gain"])))
    inputs = {name: recipe_inputs(fill, case)[name] for name in net.inputs}
    received = opencv_values(net, inputs, net.outputs, tmp_path)
    assert received
    tolerance = 5e-4 if len(net.layers) > 50 else 1e-4
    for blob, value in received.items():
        expected, stride = stored[f"blob:{blob}"], case["blobs"][blob].get("stored_stride", 1)
        assert value.size == np.prod(case["blobs"][blob]["shape"])
        value = value.reshape(-1)[::stride].reshape(expected.shape)
        assert relative_error(value, expected) <= tolerance, blob


def test_exported_squeezenet_gives_caffes_logits_in_opencv(shared, tmp_path):
    folder = shared / "models/squeezenet_v1.0"
    net = zoo.Net.read(folder / "deploy.prototxt", folder / "squeezenet_v1.0.caffemodel")
    golden = shared / "golden/squeezenet"
    outputs = np.load(golden / "outputs.npz")
    for name in ("cat", "fish-bike", "n01440764_tench"):
        data = np.load(golden / f"{name}.npz")["data"].reshape(1, 3, 227, 227)
        received = opencv_values(net, {"data": data}, ["pool_final"], tmp_path)["pool_final"]
        (row,) = (row for row, file in enumerate(outputs["files"]) if file.startswith(name))
        assert relative_error(received.reshape(-1), outputs["pool_final"][row]) <= 1e-4
