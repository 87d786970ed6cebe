"""Layers of MobileNet and ShuffleNet, against numpy and OpenCV."""

import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of
from opencv_reference import opencv_values

import zoo
from zoo.errors import ShapeError
from zoo.layers.kind import lookup

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 7, 8), scale=5).astype(np.float32)


def convolution(type_name, more=""):
    return f"""type: "{type_name}" bottom: "x" top: "y"
        convolution_param {{ num_output: 6 kernel_size: 3 pad: 1 stride: 2 {more} }}"""


@pytest.mark.parametrize("type_name", ["DepthwiseConvolution", "ConvolutionDepthwise"])
@pytest.mark.parametrize("more", ["", "bias_term: false", "group: 6", "group: 2", "dilation: 2"])
def test_a_depthwise_convolution_has_a_group_for_each_channel(type_name, more):
    own = convolution(type_name, more)
    plain = convolution("Convolution", more if "group" in more else f"{more} group: 6")
    kind, layer = lookup(type_name), parse(own)
    shapes = kind.params(layer, [X.shape])
    assert shapes[0] == (6, 3 if more == "group: 2" else 1, 3, 3)
    params = [RNG.normal(size=shape).astype(np.float32) for shape in shapes]
    (top,) = run_layer(own, X, params=params)
    (expected,) = run_layer(plain, X, params=params)
    np.testing.assert_array_equal(top, expected)
    assert shapes_of(own, X.shape) == shapes_of(plain, X.shape)


def test_the_layer_keeps_what_the_definition_says(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "x" input_shape { dim: 1 dim: 6 dim: 7 dim: 8 }\n'
        f'layer {{ name: "dw" {convolution("DepthwiseConvolution")} }}'
    )
    net = zoo.Net.read(path)
    zoo.run(net.initialized(), {"x": X[:1]})
    assert not net.layer("dw").definition.convolution_param.HasField("group")
    assert net.param_shapes["dw"][0] == (6, 1, 3, 3)


@pytest.mark.parametrize("slope", [0, 0.5])
def test_relu6_cuts_above_and_below(slope):
    (top,) = run_layer(
        f'type: "ReLU6" bottom: "x" top: "y" relu_param {{ negative_slope: {slope} }}', X
    )
    np.testing.assert_allclose(top, np.clip(X, 0, 6) + slope * np.minimum(X, 0), rtol=1e-6)


@pytest.mark.parametrize("group", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(2, 6, 7, 8), (2, 6)])
def test_channels_are_dealt_out_in_turn(group, shape):
    x = X[:, :, 0, 0] if len(shape) == 2 else X
    layer = (
        f'type: "ShuffleChannel" bottom: "x" top: "y" shuffle_channel_param {{ group: {group} }}'
    )
    (top,) = run_layer(layer, x)
    size = 6 // group
    for channel in range(6):
        place = channel % size * group + channel // size
        np.testing.assert_array_equal(top[:, place], x[:, channel])


def test_groups_that_do_not_divide_the_channels_are_refused():
    layer = 'type: "ShuffleChannel" bottom: "x" top: "y" shuffle_channel_param { group: 4 }'
    with pytest.raises(ShapeError, match="4 groups divide"):
        shapes_of(layer, X.shape)


def test_opencv_gives_the_same(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        """input: "x" input_shape { dim: 1 dim: 6 dim: 7 dim: 8 }
        layer { name: "relu" type: "ReLU6" bottom: "x" top: "relu" }
        layer { name: "dw" type: "Convolution" bottom: "relu" top: "dw"
                 convolution_param { num_output: 6 kernel_size: 3 group: 6 } }
        layer { name: "shuffle" type: "ShuffleChannel" bottom: "dw" top: "shuffle"
                 shuffle_channel_param { group: 3 } }"""
    )
    net = zoo.Net.read(path)
    params = [RNG.normal(size=shape).astype(np.float32) for shape in net.param_shapes["dw"]]
    net = net.with_params({"dw": params})
    blobs = ["relu", "shuffle"]
    expected = opencv_values(net, {"x": X[:1]}, blobs, tmp_path)
    received = zoo.run(net, {"x": X[:1]}, blobs)
    for name in blobs:
        np.testing.assert_allclose(received[name], expected[name], rtol=1e-4, atol=1e-4)
