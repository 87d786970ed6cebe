"""Weights that were trained in Keras, back in the Net and its caffemodel."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from opencv_reference import opencv_values

import zoo
from zoo.api import run
from zoo.build.model import from_keras, to_keras
from zoo.errors import ParseError, UnavailableError, WeightsError
from zoo.exports import export, weights_from_keras
from zoo.exports.keras_file import load_keras
from zoo.net import Net

# With all that turns or counts weights: groups, statistics, slopes, a matrix behind a picture.
TRAINABLE = """
name: "trainable"
input: "data" input_shape { dim: 1 dim: 2 dim: 9 dim: 9 }
layer { name: "block/conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 group: 2
                            weight_filler { type: "xavier" } } }
layer { name: "block/bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "block/scale" type: "Scale" bottom: "conv" top: "conv"
        scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
        pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(TRAINABLE)
    net = Net.read(path).initialized(seed=7)
    rng = np.random.default_rng(0)
    mean, variance = rng.normal(size=4), rng.uniform(0.5, 1.5, 4)
    return net.with_params(
        {"block/bn": [np.float32(3 * mean), np.float32(3 * variance), np.float32([3])]}
    )


@pytest.fixture
def data():
    return np.random.default_rng(1).normal(size=(16, 2, 9, 9)).astype(np.float32)


def train(model, data):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    labels = np.arange(len(data)) % 3
    model.fit(data.transpose(0, 2, 3, 1), labels, epochs=3, verbose=0)
    return model


def assert_trained(net, model, data):
    """The net computes what the model does, and not what it did before."""
    expected = np.asarray(model(data.transpose(0, 2, 3, 1), training=False))
    np.testing.assert_allclose(run(net, {"data": data})["prob"], expected, atol=1e-6)


def test_a_trained_model_becomes_a_caffemodel(net, data, tmp_path):
    model = train(to_keras(net), data)
    trained = from_keras(net, model)
    before, after = (run(each, {"data": data})["prob"] for each in (net, trained))
    assert np.abs(before - after).max() > 1e-3
    trained.save(tmp_path / "trained.prototxt", tmp_path / "trained.caffemodel")
    again = Net.read(tmp_path / "trained.prototxt", tmp_path / "trained.caffemodel")
    assert_trained(again, model, data)


def test_opencv_computes_what_was_trained(net, data, tmp_path):
    model = train(to_keras(net), data)
    values = opencv_values(from_keras(net, model), {"data": data}, ["prob"], tmp_path)
    expected = model(data.transpose(0, 2, 3, 1), training=False)
    np.testing.assert_allclose(values["prob"], expected, atol=1e-5)


def test_an_export_can_be_trained_elsewhere_and_taken_back(net, data, tmp_path):
    export(net, tmp_path / "net.keras")
    model = train(load_keras(tmp_path / "net.keras"), data)
    model.save(tmp_path / "trained.keras")
    trained = weights_from_keras(Net.read(tmp_path / "net.prototxt"), tmp_path / "trained.keras")
    assert_trained(trained, model, data)


def test_weights_come_back_from_an_export_with_preprocessing(lenet, tmp_path):
    export(lenet.net, tmp_path / "lenet.keras", preprocess=lenet.preprocess)
    again = weights_from_keras(lenet.net.initialized(), tmp_path / "lenet.keras")
    for name, blobs in lenet.net.params.items():
        for received, expected in zip(again.params[name], blobs, strict=True):
            assert np.array_equal(received, expected)


def test_a_model_of_another_network_is_refused_layer_by_layer(net, lenet, tmp_path):
    zoo.to_keras(lenet.net).save(tmp_path / "lenet.keras")
    with pytest.raises(WeightsError, match="no layer of that name") as caught:
        weights_from_keras(net, tmp_path / "lenet.keras")
    assert all(name in str(caught.value) for name in ("block.conv", "block.bn", "prelu", "fc"))
    wider = TRAINABLE.replace("num_output: 3", "num_output: 5")
    (tmp_path / "wider.prototxt").write_text(wider)
    to_keras(Net.read(tmp_path / "wider.prototxt")).save(tmp_path / "wider.keras")
    with pytest.raises(WeightsError, match=r"fc: expected weights \[\(36, 3\), \(3,\)\], received"):
        weights_from_keras(net, tmp_path / "wider.keras")


def test_what_is_no_keras_file_is_said(tmp_path, net):
    (tmp_path / "text.keras").write_text("hello")
    with pytest.raises(ParseError, match=r"text\.keras: Keras cannot load this"):
        weights_from_keras(net, tmp_path / "text.keras")
    with pytest.raises(UnavailableError, match="no such file"):
        weights_from_keras(net, tmp_path / "none.keras")


def test_one_import_makes_all_layers_known_to_keras(tmp_path, net):
    """In a process of its own: this one has built models already."""
    export(net, tmp_path / "net.keras")
    code = (
        "import keras, zoo.keras_layers\n"
        f"model = keras.saving.load_model({str(tmp_path / 'net.keras')!r})\n"
        "print(model.output_shape)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout == "(None, 3)\n"
