"""Axpy, CReLU, L2 norms, SELU, Sparsify and Reorg, against numpy and OpenCV."""

import numpy as np
import pytest
from check_layer import run_layer, shapes_of
from opencv_reference import opencv_values

import zoo
from zoo.errors import NetError, ShapeError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 2, 8, 6, 4)).astype(np.float32)
FACTORS = RNG.normal(size=(2, 8, 1, 1)).astype(np.float32)


@pytest.mark.parametrize("factors", [FACTORS, FACTORS[:, :, 0, 0]])
def test_axpy_weighs_channels_and_adds(factors):
    layer = 'type: "Axpy" bottom: "a" bottom: "x" bottom: "y" top: "z"'
    (top,) = run_layer(layer, factors, X, Y)
    np.testing.assert_allclose(top, FACTORS * X + Y, rtol=1e-6, atol=1e-6)
    with pytest.raises(ShapeError, match="factors"):
        shapes_of(layer, (2, 7), X.shape, Y.shape)
    with pytest.raises(ShapeError, match="factors"):
        shapes_of(layer, (2, 8), X.shape, (2, 8, 6, 5))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("slope", [0, 0.25])
def test_crelu_keeps_both_signs(axis, slope):
    layer = f"""type: "CReLU" bottom: "x" top: "y"
        crelu_param {{ concat_axis: {axis} negative_slope: {slope} }}"""
    (top,) = run_layer(layer, X, batch=None)
    both = np.concatenate([X, -X], axis=axis)
    np.testing.assert_allclose(top, np.where(both > 0, both, slope * both), rtol=1e-6)
    assert shapes_of(layer, X.shape) == [top.shape]


@pytest.mark.parametrize("type_name", ["L2Norm", "L2Normalization", "L2Normalize"])
@pytest.mark.parametrize("x", [X, X[:, :, 0, 0]])
def test_each_picture_is_divided_by_its_norm(type_name, x):
    x = x.copy()
    x[1] = 0
    (top,) = run_layer(f'type: "{type_name}" bottom: "x" top: "y"', x)
    expected = x / np.maximum(np.sqrt((x**2).reshape(2, -1).sum(1)), 1e-9).reshape(
        -1, *[1] * (x.ndim - 1)
    )
    np.testing.assert_allclose(top, expected, rtol=1e-5)


def test_selu_has_its_authors_constants():
    (top,) = run_layer('type: "SeLu" bottom: "x" top: "y"', X)
    expected = 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * np.expm1(X))
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_sparsify_changes_nothing():
    (top,) = run_layer('type: "Sparsify" bottom: "x" top: "y"', X)
    np.testing.assert_array_equal(top, X)


def darknet_reorg(x, stride, forward):
    """reorg_cpu of darknet, whose loops run over the input's own sizes."""
    batch, channels, height, width = x.shape
    few = channels // stride**2
    source, target = x.ravel(), np.zeros(x.size, np.float32)
    for b, k, j, i in np.ndindex(*x.shape):
        inside = i + width * (j + height * (k + channels * b))
        offset, other = divmod(k, few)
        column, row = i * stride + offset % stride, j * stride + offset // stride
        outside = column + width * stride * (row + height * stride * (other + few * b))
        target[inside if forward else outside] = source[outside if forward else inside]
    return target


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_reorg_moves_values_as_darknet_does(stride, reverse):
    layer = f"""type: "Reorg" bottom: "x" top: "y"
        reorg_param {{ stride: {stride} reverse: {str(reverse).lower()} }}"""
    (top,) = run_layer(layer, X)
    np.testing.assert_array_equal(top.ravel(), darknet_reorg(X, stride, not reverse))
    assert shapes_of(layer, X.shape) == [top.shape]


def test_reorg_needs_sizes_that_its_stride_divides():
    layer = 'type: "Reorg" bottom: "x" top: "y" reorg_param { stride: 2 }'
    for shape in [(1, 8, 5, 4), (1, 6, 4, 4)]:
        with pytest.raises(ShapeError, match="must divide"):
            shapes_of(layer, shape)
    with pytest.raises(NetError, match="stride"):
        shapes_of('type: "Reorg" bottom: "x" top: "y"', X.shape)


def test_opencv_reorders_the_same(tmp_path):
    # Axpy is not compared: OpenCV 4.x weighs the third bottom, the layer's authors the second.
    path = tmp_path / "net.prototxt"
    path.write_text(
        """input: "x" input_shape { dim: 1 dim: 8 dim: 6 dim: 4 }
        layer { name: "reorg" type: "Reorg" bottom: "x" top: "reorg" reorg_param { stride: 2 } }"""
    )
    net = zoo.Net.read(path)
    expected = opencv_values(net, {"x": X[:1]}, ["reorg"], tmp_path)["reorg"]
    np.testing.assert_array_equal(zoo.run(net, {"x": X[:1]})["reorg"], expected)
