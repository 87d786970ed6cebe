"""Nets that exports are made of."""

import pytest

import zoo
from zoo.net import Net

TWO_INPUTS = """
input: "left/in" input_shape { dim: 1 dim: 4 dim: 12 dim: 10 }
input: "right.in" input_shape { dim: 1 dim: 4 dim: 12 dim: 10 }
layer { name: "fire/conv" type: "Convolution" bottom: "left/in" top: "fire/conv"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1
                            weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "fire/conv" top: "fire/conv" }
layer { name: "max" type: "Pooling" bottom: "fire/conv" top: "x/max"
        pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "fire/conv" bottom: "right.in" top: "sum" }
"""


@pytest.fixture
def two_inputs(tmp_path):
    """A fully convolutional net with two inputs, two outputs, and names that others do not take."""
    path = tmp_path / "two_inputs.prototxt"
    path.write_text(TWO_INPUTS)
    return Net.read(path).initialized(3)


@pytest.fixture
def lenet():
    return zoo.load("lenet_digits")
