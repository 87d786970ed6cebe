"""Gradients of Caffe that mathematics leaves open, or would have otherwise."""

import numpy as np
import pytest

import zoo
from zoo.layers.pooling import pooled_size

rng = np.random.default_rng(11)


@pytest.fixture
def backward(tmp_path):
    """The diffs of one layer's bottoms and params; the top has a diff of ones if none is given."""

    def backward(text, *bottoms, start=None, params=None):
        arrays = {f"b{index}": np.asarray(bottom) for index, bottom in enumerate(bottoms)}
        inputs = ""
        for name, array in arrays.items():
            dims = " ".join(f"dim: {size}" for size in array.shape)
            inputs += f'input: "{name}" input_shape {{ {dims} }}\n'
        names = " ".join(f'bottom: "{name}"' for name in arrays)
        path = tmp_path / "net.prototxt"
        path.write_text(
            f'force_backward: true {inputs} layer {{ name: "l" {names} top: "top" {text} }}\n'
        )
        net = zoo.Net.read(path)
        if params is not None:
            net = net.with_params({"l": [np.asarray(param, np.float32) for param in params]})
        start = np.ones(net.blobs["top"]) if start is None else start
        blobs, param_diffs = zoo.gradients(net, arrays, {"top": start})
        return [blobs.get(name) for name in arrays], param_diffs.get("l")

    return backward


@pytest.mark.parametrize("slope", [0.0, 0.25, -0.5])
def test_relu_has_its_slope_at_0(backward, slope):
    (diff,), _ = backward(
        f'type: "ReLU" relu_param {{ negative_slope: {slope} }}', [[-1.0, 0.0, 2.0]]
    )
    np.testing.assert_allclose(diff, [[slope, slope, 1.0]])


def test_prelu_has_its_slope_at_0(backward):
    slopes = np.array([0.1, 0.2, 0.3])
    data = [[-2.0, 0.0, 2.0], [0.0, -3.0, 0.0]]
    (diff,), params = backward('type: "PReLU"', data, params=[slopes])
    np.testing.assert_allclose(diff, [[0.1, 0.2, 1.0], [0.1, 0.2, 0.3]], rtol=1e-6)
    np.testing.assert_allclose(params[0], [-2.0, -3.0, 0.0])


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_elu_has_its_alpha_at_0(backward, alpha):
    (diff,), _ = backward(f'type: "ELU" elu_param {{ alpha: {alpha} }}', [[0.0, 1.0]])
    np.testing.assert_allclose(diff, [[alpha, 1.0]])


def test_absval_has_no_gradient_at_0(backward):
    (diff,), _ = backward('type: "AbsVal"', [[-2.0, 0.0, 2.0]])
    np.testing.assert_array_equal(diff, [[-1.0, 0.0, 1.0]])


def test_clip_passes_its_limits(backward):
    (diff,), _ = backward(
        'type: "Clip" clip_param { min: -1 max: 1 }', [[-2.0, -1.0, 0.0, 1.0, 2.0]]
    )
    np.testing.assert_array_equal(diff, [[0.0, 1.0, 1.0, 1.0, 0.0]])


def test_of_equal_values_the_second_of_the_first_two_wins_then_the_earlier(backward):
    text = 'type: "Eltwise" eltwise_param { operation: MAX }'
    a, b, c = [[1.0, 5.0, 1.0, 2.0]], [[1.0, 4.0, 3.0, 1.0]], [[1.0, 5.0, 3.0, 2.0]]
    diffs, _ = backward(text, a, b, c)
    np.testing.assert_array_equal(np.concatenate(diffs), [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]])


def first_of_equals(data, start, kernel, stride, pad):
    """Caffe's loop: each window's diff goes to the first largest value, row by row."""
    diff = np.zeros(data.shape)
    for n, c, i, j in np.ndindex(start.shape):
        top, left = max(i * stride - pad, 0), max(j * stride - pad, 0)
        rows, columns = i * stride - pad + kernel, j * stride - pad + kernel
        window = data[n, c, top:rows, left:columns]
        row, column = np.unravel_index(window.argmax(), window.shape)
        diff[n, c, top + row, left + column] += start[n, c, i, j]
    return diff


@pytest.mark.parametrize(
    ("kernel", "stride", "pad"), [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (5, 4, 2), (2, 3, 1)]
)
def test_of_equal_values_in_a_window_the_first_wins(backward, kernel, stride, pad):
    data = rng.integers(0, 3, (2, 3, 8, 10)).astype(float)
    sizes = [pooled_size(size, kernel, stride, pad, ceil=True) for size in (8, 10)]
    start = rng.normal(size=(2, 3, *sizes))
    window = f"kernel_size: {kernel} stride: {stride} pad: {pad}"
    (diff,), _ = backward(f'type: "Pooling" pooling_param {{ {window} }}', data, start=start)
    np.testing.assert_allclose(
        diff, first_of_equals(data, start, kernel, stride, pad), rtol=1e-5, atol=1e-6
    )


def test_of_equal_values_in_a_picture_the_first_wins(backward):
    data = rng.integers(0, 3, (2, 3, 4, 5)).astype(float)
    start = rng.normal(size=(2, 3, 1, 1))
    (diff,), _ = backward(
        'type: "Pooling" pooling_param { global_pooling: true }', data, start=start
    )
    np.testing.assert_allclose(diff, first_of_equals(data, start, 5, 1, 0), rtol=1e-6)


@pytest.mark.parametrize("epsilon", [1e-9, 0.5])
def test_mvn_counts_epsilon_with_the_deviation(backward, epsilon):
    data, start = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 4, 5))
    data[0, 0] = 7.0
    (diff,), _ = backward(f'type: "MVN" mvn_param {{ eps: {epsilon} }}', data, start=start)
    mean = {"axis": (2, 3), "keepdims": True}
    centred = data - data.mean(**mean)
    deviation = np.sqrt((centred**2).mean(**mean)) + epsilon
    top = centred / deviation
    along = start - start.mean(**mean) - top * (top * start).mean(**mean)
    expected = along / deviation
    np.testing.assert_allclose(diff, expected, rtol=1e-4, atol=1e-4)


def test_multinomial_loss_has_the_gradient_of_its_floor(backward):
    text = 'type: "MultinomialLogisticLoss"'
    (diff, label), _ = backward(text, [[0.5, 0.5], [0.0, 1.0]], [1, 0])
    np.testing.assert_allclose(diff, [[0.0, -1.0], [-0.5e20, 0.0]], rtol=1e-5)
    assert label is None


def test_sigmoid_loss_ignores_both_the_value_and_the_gradient(backward):
    text = 'type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: -1 normalization: VALID }'
    (diff, _), _ = backward(text, [[0.0, 3.0]], [[1.0, -1.0]])
    np.testing.assert_allclose(diff, [[-0.5, 0.0]])


def test_hinge_loss_has_no_gradient_on_its_margin(backward):
    (diff, _), _ = backward('type: "HingeLoss"', [[1.0, -1.0, 0.0]], [0])
    np.testing.assert_array_equal(diff, [[0.0, 0.0, 1.0]])
