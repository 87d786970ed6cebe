"""BatchNorm with stored statistics and those of the batch, and the blobs that training leaves."""

import keras
import numpy as np
import pytest
from check_layer import run_layer

from zoo.build.model import from_keras, to_keras
from zoo.net import Net

RNG = np.random.default_rng(13)
SHAPES = [(6,), (6, 4), (6, 4, 5), (6, 4, 3, 5), (2, 4, 3, 2, 5)]


def text(param=""):
    return f'type: "BatchNorm" bottom: "x" top: "y" batch_norm_param {{ {param} }}'


def blobs(shape, factor=2.5):
    channels = shape[1] if len(shape) > 1 else 1
    mean, variance = RNG.normal(size=channels), RNG.uniform(0.5, 2, channels)
    return [np.float32(mean * factor), np.float32(variance * factor), np.float32([factor])]


def along(values, shape):
    return values.reshape(1, -1, *(1,) * (len(shape) - 2)) if len(shape) > 1 else values


def statistics(x):
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return x.mean(axes).reshape(-1), x.var(axes).reshape(-1)


def normalized(x, mean, variance, epsilon):
    return (x - along(mean, x.shape)) / np.sqrt(along(variance, x.shape) + epsilon)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("factor", [2.5, 0.0, 1.0])
def test_stored_sums_are_divided_by_their_factor(shape, factor):
    x, stored = RNG.normal(size=shape).astype(np.float32), blobs(shape, factor)
    share = 1 / factor if factor else 0
    expected = normalized(x, stored[0] * share, stored[1] * share, 0.01)
    for written in ("", "use_global_stats: true"):
        (top,) = run_layer(text(f"eps: 0.01 {written}"), x, params=stored)
        np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_normalises_by_the_batch(shape):
    x, stored = RNG.normal(2, 3, size=shape).astype(np.float32), blobs(shape)
    expected = normalized(x, *statistics(x), 1e-5)
    (top,) = run_layer(text(), x, params=stored, training=True)
    np.testing.assert_allclose(top, expected, rtol=1e-3, atol=1e-4)
    (always,) = run_layer(text("use_global_stats: false"), x, params=stored)
    np.testing.assert_allclose(always, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(5, 3, 4, 2), (5, 3), (1, 3), (5,)], ids=str)
@pytest.mark.parametrize("fraction", [0.999, 0.9, 0.0])
def test_each_training_pass_adds_to_the_three_blobs(tmp_path, shape, fraction):
    sizes = " ".join(f"dim: {size}" for size in shape)
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'input: "x" input_shape {{ {sizes} }}\n'
        f'layer {{ name: "bn" {text(f"moving_average_fraction: {fraction}")} }}\n'
    )
    expected = blobs(shape)
    net = Net.read(path, phase="train").with_params({"bn": expected})
    model = to_keras(net)
    for _ in range(3):
        x = RNG.normal(size=shape).astype(np.float32)
        model(np.moveaxis(x, 1, -1) if x.ndim == 4 else x, training=True)
        mean, variance = statistics(x)
        values = x.size // expected[0].size
        unbiased = variance * values / max(values - 1, 1)
        news = (mean, unbiased, np.ones(1))
        expected = [fraction * old + new for old, new in zip(expected, news, strict=True)]
    for received, wanted in zip(from_keras(net, model).params["bn"], expected, strict=True):
        np.testing.assert_allclose(received, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("param", "frozen"), [("use_global_stats: true", False), ("", True)], ids=["stored", "frozen"]
)
def test_stored_statistics_do_not_move_in_training(tmp_path, param, frozen):
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'input: "x" input_shape {{ dim: 4 dim: 3 }} layer {{ name: "bn" {text(param)} }}'
    )
    net = Net.read(path, phase="train").with_params({"bn": blobs((4, 3))})
    model = to_keras(net)
    model.trainable = not frozen
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x, training=True), model(x, training=False))
    for received, wanted in zip(from_keras(net, model).params["bn"], net.params["bn"], strict=True):
        np.testing.assert_array_equal(received, wanted)


def test_half_precision_keeps_statistics_whole():
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        stored = [np.float32([3e5]), np.float32([2e5]), np.float32([999.0])]
        x = np.full((2, 1), 301.0, np.float32)
        (top,) = run_layer(text(), x, params=stored)
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    share = np.float32(1 / 999)
    assert top.dtype == np.float16
    np.testing.assert_allclose(top, (301 - 3e5 * share) / np.sqrt(2e5 * share), rtol=1e-2)
