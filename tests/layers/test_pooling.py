"""Pooling and SPP against loops that follow Caffe's, with every rounding and clipping rule."""

import itertools
import math

import keras
import numpy as np
import pytest
from check_layer import run_layer, shapes_of

from zoo.errors import NetError, ShapeError

RNG = np.random.default_rng(11)


def picture(*shape, positive=False):
    values = RNG.normal(size=shape).astype(np.float32)
    return np.abs(values) if positive else values


def text(param, tops=1, kind="Pooling"):
    top = " ".join(f'top: "y{i}"' for i in range(tops))
    name = "spp_param" if kind == "SPP" else "pooling_param"
    return f'type: "{kind}" bottom: "x" {top} {name} {{ {param} }}'


def window(start, kernel, size, pad):
    """Begin and end inside the picture, and the length inside the padded picture."""
    end = min(start + kernel, size + pad)
    return max(start, 0), min(end, size), end - start


def pool(x, mode, kernel, stride, pad, ceil=True):
    """Loops over windows, as pooling_layer.cpp has them: values and mask."""
    sizes = []
    for size, k, s, p in zip(x.shape[2:], kernel, stride, pad, strict=True):
        room = (size + 2 * p - k) / s
        count = (math.ceil(room) if ceil else math.floor(room)) + 1
        sizes.append(count - (any(pad) and (count - 1) * s >= size + p))
    top = np.zeros((*x.shape[:2], *sizes), np.float32)
    mask = np.full(top.shape, -1, np.float32)
    for place in itertools.product(*map(range, top.shape)):
        (top0, bottom, tall), (left, right, wide) = (
            window(i * s - p, k, size, p)
            for i, s, p, k, size in zip(place[2:], stride, pad, kernel, x.shape[2:], strict=True)
        )
        seen = x[place[0], place[1], top0:bottom, left:right]
        if mode == "AVE":
            top[place] = seen.sum() / (tall * wide)
        elif mode == "STOCHASTIC":
            top[place] = np.square(seen).sum() / seen.sum() if seen.sum() > 0 else 0
        else:
            row, column = np.unravel_index(seen.argmax(), seen.shape)
            top[place] = seen.max()
            mask[place] = (top0 + row) * x.shape[3] + left + column
    return top, mask


# height, width, kernel, stride, pad
GEOMETRIES = [
    (7, 9, (3, 3), (2, 2), (0, 0)),
    (8, 10, (3, 3), (2, 2), (1, 1)),
    (6, 10, (3, 3), (3, 3), (1, 1)),
    (7, 8, (2, 2), (3, 3), (1, 1)),
    (5, 4, (3, 3), (1, 1), (1, 1)),
    (9, 12, (5, 4), (4, 3), (2, 3)),
    (5, 6, (2, 2), (2, 2), (1, 1)),
    (6, 11, (4, 1), (1, 5), (3, 0)),
    (3, 3, (1, 1), (2, 2), (0, 0)),
    (4, 9, (4, 2), (7, 2), (0, 1)),
    (7, 8, (3, 1), (2, 2), (1, 0)),
    (5, 6, (1, 2), (3, 1), (0, 1)),
]


def written(kernel, stride, pad, more=""):
    return (
        f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]}"
        f" pad_h: {pad[0]} pad_w: {pad[1]} {more}"
    )


@pytest.mark.parametrize("rounding", ["CEIL", "FLOOR"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("mode", ["MAX", "AVE"])
def test_windows_are_rounded_and_clipped_as_in_caffe(mode, geometry, rounding):
    height, width, *rest = geometry
    x = picture(2, 3, height, width)
    expected, _ = pool(x, mode, *rest, ceil=rounding == "CEIL")
    layer = text(written(*rest, f"pool: {mode} round_mode: {rounding}"))
    assert shapes_of(layer, x.shape) == [expected.shape]
    (top,) = run_layer(layer, x)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rounding", ["CEIL", "FLOOR"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_the_mask_is_the_first_of_the_largest_in_its_plane(geometry, rounding):
    height, width, *rest = geometry
    # Few different values, so that there are many equal ones.
    x = RNG.integers(-2, 2, (2, 3, height, width)).astype(np.float32)
    values, mask = pool(x, "MAX", *rest, ceil=rounding == "CEIL")
    tops = run_layer(text(written(*rest, f"round_mode: {rounding}"), tops=2), x)
    np.testing.assert_array_equal(tops[0], values)
    np.testing.assert_array_equal(tops[1], mask)


def test_a_window_without_a_value_has_no_mask():
    x = np.full((1, 1, 2, 2), -np.inf, np.float32)
    _, mask = run_layer(text("kernel_size: 2", tops=2), x)
    assert mask.item() == -1


def test_global_pooling_takes_pictures_of_any_size():
    x = picture(2, 3, 4, 5, positive=True)
    flat = x.reshape(2, 3, -1)
    largest, mask = run_layer(text("global_pooling: true", tops=2), x)
    np.testing.assert_array_equal(largest, flat.max(2)[..., None, None])
    np.testing.assert_array_equal(mask, flat.argmax(2)[..., None, None])
    (drawn,) = run_layer(text("global_pooling: true pool: STOCHASTIC"), x)
    expected = np.square(flat).sum(2) / flat.sum(2)
    np.testing.assert_allclose(drawn, expected[..., None, None], rtol=1e-5)


@pytest.mark.parametrize("geometry", [g for g in GEOMETRIES if not any(g[4])], ids=str)
def test_stochastic_pooling_gives_what_is_to_be_expected(geometry):
    height, width, *rest = geometry
    x = picture(2, 3, height, width, positive=True)
    x[0, 0] = 0
    expected, _ = pool(x, "STOCHASTIC", *rest)
    (top,) = run_layer(text(written(*rest[:2], (0, 0), "pool: STOCHASTIC")), x)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_stochastic_pooling_draws_by_the_values_while_training():
    keras.utils.set_random_seed(0)
    x = np.tile(np.float32([[1, 0], [2, 5]]), (500, 8, 1, 1))
    for kind, param in (("Pooling", "kernel_size: 2"), ("SPP", "pyramid_height: 1")):
        (top,) = run_layer(text(f"pool: STOCHASTIC {param}", kind=kind), x, training=True)
        found = [float(np.mean(top == value)) for value in (1, 0, 2, 5)]
        np.testing.assert_allclose(found, [1 / 8, 0, 2 / 8, 5 / 8], atol=0.03)


def test_pooling_says_what_caffe_does_not_have():
    with pytest.raises(NetError, match="only MAX pooling has a mask"):
        shapes_of(text("kernel_size: 2 pool: AVE", tops=2), (1, 1, 4, 4))
    with pytest.raises(NetError, match="STOCHASTIC pooling takes no padding"):
        shapes_of(text("kernel_size: 2 pad: 1 pool: STOCHASTIC"), (1, 1, 4, 4))


@pytest.mark.parametrize("mode", ["MAX", "AVE"])
def test_a_window_larger_than_the_picture_by_less_than_a_stride(mode):
    x = picture(2, 3, 4, 5)
    rest = (5, 7), (2, 3), (0, 0)
    expected, _ = pool(x, mode, *rest)
    (top,) = run_layer(text(written(*rest, f"pool: {mode}")), x)
    assert expected.shape == (2, 3, 1, 1)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="does not fit an input"):
        shapes_of(text(written(*rest, "round_mode: FLOOR")), x.shape)


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("kernel_size: 2 pad_h: 1", "expected pad, or pad_h and pad_w without it"),
        ("kernel_size: 2 pad: 1 pad_h: 1 pad_w: 1", "expected pad, or"),
        ("kernel_size: 2 stride_w: 2", "expected stride, or stride_h and stride_w"),
        ("kernel_h: 2", "expected kernel_size, or"),
        ("kernel_size: 2 kernel_h: 2 kernel_w: 2", "expected kernel_size, or"),
        ("global_pooling: true kernel_w: 2", "excludes a kernel size"),
        ("global_pooling: true pad: 1", "pad 0 and stride 1 only"),
        ("global_pooling: true stride: 2", "pad 0 and stride 1 only"),
    ],
)
def test_sizes_that_caffe_aborts_at_are_refused_with_the_layer(param, message):
    with pytest.raises(NetError, match=f"layer 'the_layer': .*{message}"):
        shapes_of(text(param), (1, 1, 4, 4))


def test_a_kernel_size_beside_one_of_height_and_width_is_what_counts():
    assert shapes_of(text("kernel_size: 3 kernel_h: 2"), (1, 1, 4, 5)) == [(1, 1, 2, 3)]


def pyramid(x, mode, levels):
    """Caffe's own way: a pooling layer a level, flattened and concatenated."""
    parts = []
    for level in range(levels):
        bins = 2**level
        kernel = [math.ceil(size / bins) for size in x.shape[2:]]
        pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:], strict=True)]
        parts.append(pool(x, mode, kernel, kernel, pad)[0].reshape(len(x), -1))
    return np.concatenate(parts, 1)


@pytest.mark.parametrize("size", [(9, 11), (8, 8), (7, 12), (16, 13), (28, 15)], ids=str)
@pytest.mark.parametrize("mode", ["MAX", "AVE"])
@pytest.mark.parametrize("levels", [2, 3])
def test_a_pyramid_is_pooling_at_each_level(mode, size, levels):
    x = picture(2, 3, *size)
    layer = text(f"pool: {mode} pyramid_height: {levels}", kind="SPP")
    expected = pyramid(x, mode, levels)
    assert shapes_of(layer, x.shape) == [expected.shape]
    (top,) = run_layer(layer, x)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_a_stochastic_pyramid_takes_whole_bins():
    x = picture(2, 3, 8, 4, positive=True)
    layer = text("pool: STOCHASTIC pyramid_height: 3", kind="SPP")
    (top,) = run_layer(layer, x)
    np.testing.assert_allclose(top, pyramid(x, "STOCHASTIC", 3), rtol=1e-5)
    with pytest.raises(ShapeError, match="must be 0 with STOCHASTIC"):
        shapes_of(layer, (2, 3, 9, 4))


def test_a_pyramid_of_one_level_keeps_its_axes():
    x = picture(2, 3, 5, 4)
    layer = text("pyramid_height: 1", kind="SPP")
    assert shapes_of(layer, x.shape) == [(2, 3, 1, 1)]
    (top,) = run_layer(layer, x)
    np.testing.assert_array_equal(top, x.max((2, 3), keepdims=True))


def test_a_pyramid_too_high_for_the_picture_is_refused():
    with pytest.raises(ShapeError, match="4 bins along an axis of 5 need padding of 2"):
        shapes_of(text("pyramid_height: 3", kind="SPP"), (1, 1, 5, 8))
    with pytest.raises(NetError, match="pyramid_height is missing"):
        shapes_of(text("", kind="SPP"), (1, 1, 5, 8))
