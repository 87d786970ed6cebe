"""What runs is folded for the blobs that are asked for, and what is trained never is."""

import numpy as np
import pytest
from google.protobuf import text_format
from reference import relative_error

from zoo.api import run
from zoo.build.model import from_keras, to_keras
from zoo.build.predict import Predictor, predictor
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.net import Net


def convolution(name, bottom, kernel=3, settings=""):
    """A convolution with BatchNorm, Scale and ReLU in place, as ResNet has them."""
    return f"""
        layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
                 convolution_param {{ num_output: 8 kernel_size: {kernel} pad: {kernel // 2}
                                      bias_term: false {settings}
                                      weight_filler {{ type: "msra" }} }} }}
        layer {{ name: "bn_{name}" type: "BatchNorm" bottom: "{name}" top: "{name}" }}
        layer {{ name: "scale_{name}" type: "Scale" bottom: "{name}" top: "{name}"
                 scale_param {{ bias_term: true filler {{ type: "uniform" min: 0.5 max: 1 }} }} }}
        layer {{ name: "relu_{name}" type: "ReLU" bottom: "{name}" top: "{name}" }}"""


RESIDUAL = f"""
    layer {{ name: "data" type: "Input" top: "data"
             input_param {{ shape {{ dim: 1 dim: 8 dim: 12 dim: 12 }} }} }}
    layer {{ name: "label" type: "Input" top: "label" input_param {{ shape {{ dim: 1 }} }} }}
    {convolution("one", "data")}
    {convolution("two", "one", settings="group: 8")}
    layer {{ name: "sum" type: "Eltwise" bottom: "one" bottom: "two" top: "sum" }}
    layer {{ name: "drop" type: "Dropout" bottom: "sum" top: "sum" }}
    layer {{ name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
             inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
    layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}"""
INPUTS = {
    "data": np.random.default_rng(1).normal(size=(3, 8, 12, 12)).astype(np.float32),
    "label": np.array([0, 3, 4], np.float32),
}


@pytest.fixture
def net():
    net = Net(text_format.Parse(RESIDUAL, NetParameter())).initialized(seed=5)
    rng = np.random.default_rng(2)
    statistics = {
        name: [rng.normal(size=8), rng.uniform(0.5, 2, 8), np.ones(1)]
        for name in ("bn_one", "bn_two")
    }
    return net.with_params(
        {name: [np.float32(blob) for blob in blobs] for name, blobs in statistics.items()}
    )


def kinds(model):
    return {type(layer).__name__ for layer in model.layers}


@pytest.mark.parametrize(
    "blobs", [["fc"], ["loss"], ["one", "fc"], ["data", "one", "two", "sum"], None]
)
def test_every_blob_that_is_asked_for_has_its_value(net, blobs):
    inputs = INPUTS if blobs in (None, ["loss"]) else {"data": INPUTS["data"]}
    received = run(net, inputs, blobs)
    expected = Predictor(net, blobs or net.outputs)(inputs)
    assert list(received) == list(expected)
    for name, value in expected.items():
        assert relative_error(received[name], value) < 1e-5


def test_an_input_that_is_not_needed_may_still_be_given(net):
    assert run(net, INPUTS, ["fc"])["fc"].shape == (3, 5)


def test_what_runs_has_no_normalisation_left_and_what_is_trained_has_it(net):
    assert "CaffeBatchNorm" not in kinds(predictor(net, ["fc"]).model)
    model = to_keras(net, ["fc"])
    assert "CaffeBatchNorm" in kinds(model)
    again = from_keras(net, model)
    for name, blobs in net.params.items():
        if name != "loss":
            for received, expected in zip(again.params[name], blobs, strict=True):
                np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_a_net_without_normalisation_is_built_as_it_is(net, monkeypatch):
    def fail(*_arguments, **_options):
        raise AssertionError("folded")

    monkeypatch.setattr("zoo.build.predict.fold", fail)
    predictor(net, ["data"])
    with pytest.raises(AssertionError, match="folded"):
        predictor(net, ["one"])


def test_the_training_phase_is_computed_with_the_statistics_of_the_batch(net):
    training = Net(net.definition, net.params, phase="TRAIN")
    one = run(training, INPUTS, ["one"])["one"]
    assert relative_error(one, run(net, INPUTS, ["one"])["one"]) > 0.1
    assert "CaffeBatchNorm" in kinds(predictor(training, ["one"]).model)


def test_weights_that_are_not_there_are_filled_as_in_the_plain_net():
    net = Net(text_format.Parse(RESIDUAL, NetParameter()))
    inputs = {"data": INPUTS["data"]}
    expected = Predictor(net, ["fc"])(inputs)["fc"]
    assert relative_error(run(net, inputs, ["fc"])["fc"], expected) < 1e-5
