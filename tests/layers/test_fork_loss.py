"""SmoothL1Loss, L1Loss and pycaffe's EuclideanLoss, against numpy and finite differences."""

import numpy as np
import pytest
from check_layer import run_layer, shapes_of

import zoo
from zoo.errors import NetError, ShapeError

RNG = np.random.default_rng(0)
X, Y, INSIDE, OUTSIDE = RNG.normal(size=(4, 5, 8, 3, 2)).astype(np.float32)


def smooth(bottoms, sigma=1.0):
    named = " ".join(f'bottom: "{name}"' for name in "xyio"[:bottoms])
    return f'type: "SmoothL1Loss" {named} top: "l" smooth_l1_loss_param {{ sigma: {sigma} }}'


def smooth_l1(sigma, x, y, inside=1.0, outside=1.0):
    difference = np.abs(inside * (x - y).astype(float))
    near = difference < 1 / sigma**2
    terms = np.where(near, (sigma * difference) ** 2 / 2, difference - 0.5 / sigma**2)
    return (outside * terms).sum() / len(x)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 0.5])
@pytest.mark.parametrize("bottoms", [2, 3, 4])
def test_smooth_l1_is_a_parabola_and_then_a_line(sigma, bottoms):
    values = (X, Y, INSIDE, OUTSIDE)[:bottoms]
    (loss,) = run_layer(smooth(bottoms, sigma), *values, batch=None)
    np.testing.assert_allclose(loss, smooth_l1(sigma, *values), rtol=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_the_gradient_of_smooth_l1_is_that_of_its_number(sigma):
    import tensorflow as tf

    from zoo.keras_layers.fork_loss import SmoothL1Loss

    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = SmoothL1Loss(sigma)([x, Y, INSIDE, OUTSIDE])
    received = tape.gradient(loss, x).numpy()
    for place in [(0, 0, 0, 0), (2, 3, 1, 1), (4, 7, 2, 0)]:
        step = np.zeros_like(X, dtype=float)
        step[place] = 1e-5
        values = [smooth_l1(sigma, X + sign * step, Y, INSIDE, OUTSIDE) for sign in (1, -1)]
        np.testing.assert_allclose(received[place], (values[0] - values[1]) / 2e-5, rtol=1e-3)


def test_smooth_l1_refuses_what_does_not_fit():
    with pytest.raises(ShapeError, match="bottom 1"):
        shapes_of(smooth(2), X.shape, (5, 8, 3, 3))
    with pytest.raises(NetError, match="sigma"):
        shapes_of(smooth(2, 0), X.shape, X.shape)


def test_smooth_l1_may_have_no_top():
    assert shapes_of('type: "SmoothL1Loss" bottom: "x" bottom: "y"', X.shape, X.shape) == []


def test_l1_loss_is_the_sum_of_differences_over_the_batch():
    (loss,) = run_layer('type: "L1Loss" bottom: "x" bottom: "y" top: "l"', X, Y, batch=None)
    np.testing.assert_allclose(loss, np.abs(X - Y).sum() / 5, rtol=1e-5)


def test_pycaffes_euclidean_loss_is_known_and_its_top_has_one_axis(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        """input: "x" input_shape { dim: 5 dim: 8 dim: 3 dim: 2 }
        input: "y" input_shape { dim: 5 dim: 8 dim: 3 dim: 2 }
        layer { name: "loss" type: "Python" bottom: "x" bottom: "y" top: "loss" loss_weight: 1
                python_param { module: "pyloss" layer: "EuclideanLossLayer" } }"""
    )
    net = zoo.Net.read(path)
    assert net.blobs["loss"] == (1,)
    loss = zoo.run(net, {"x": X, "y": Y})["loss"]
    np.testing.assert_allclose(loss, [((X - Y) ** 2).sum() / 10], rtol=1e-5)
