"""Convolution, Deconvolution and Im2col over any axes, against loops over all places."""

import itertools

import numpy as np
import pytest
from check_layer import run_layer, shapes_of

from zoo.errors import NetError, ShapeError

RNG = np.random.default_rng(3)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def text(kind, bottoms=1, **param):
    """A definition; a list is written as a repeated field."""
    fields = " ".join(
        f"{name}: {one}"
        for name, value in param.items()
        for one in (value if isinstance(value, list) else [value])
    )
    named = " ".join(f'bottom: "x{i}" top: "y{i}"' for i in range(bottoms))
    return f'type: "{kind}" {named} convolution_param {{ {fields} }}'


def im2col(x, axis, kernel, stride, pad, dilation):
    """(..., C, k..., places...) by a loop over the places of the kernel."""
    around = [(0, 0)] * (axis + 1) + [(p, p) for p in pad]
    padded = np.pad(x, around)
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip(x.shape[axis + 1 :], pad, dilation, kernel, stride, strict=True)
    ]
    columns = np.zeros((*x.shape[: axis + 1], *kernel, *sizes), np.float32)
    front = (slice(None),) * (axis + 1)
    for place in itertools.product(*map(range, kernel)):
        seen = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(place, dilation, sizes, stride, strict=True)
        )
        columns[(*front, *place)] = padded[front + seen]
    return columns


def convolve(x, weight, bias, axis, groups, stride, pad, dilation):
    kernel = weight.shape[2:]
    columns = im2col(x, axis, kernel, stride, pad, dilation)
    inner, outer = weight.shape[1], weight.shape[0] // groups
    axes = len(kernel)
    parts = []
    for group in range(groups):
        seen = np.take(columns, range(group * inner, (group + 1) * inner), axis=axis)
        own = weight[group * outer : (group + 1) * outer]
        summed = np.tensordot(seen, own, (range(axis, axis + 1 + axes), range(1, 2 + axes)))
        parts.append(np.moveaxis(summed, -1, axis))
    return np.concatenate(parts, axis) + bias.reshape(-1, *(1,) * axes)


def deconvolve(x, weight, bias, axis, groups, stride, pad, dilation):
    """Every value of the bottom adds its kernel to the top, which is then cut at the pads."""
    kernel, outer = weight.shape[2:], weight.shape[1]
    inner = x.shape[axis] // groups
    x = np.moveaxis(x, axis, -1)
    before, sizes = x.shape[:axis], x.shape[axis:-1]
    full = [
        s * (n - 1) + d * (k - 1) + 1
        for s, n, d, k in zip(stride, sizes, dilation, kernel, strict=True)
    ]
    top = np.zeros((*before, *full, outer * groups), np.float32)
    for place in itertools.product(*map(range, kernel)):
        seen = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(place, dilation, sizes, stride, strict=True)
        )
        for group in range(groups):
            ins = slice(group * inner, (group + 1) * inner)
            outs = slice(group * outer, (group + 1) * outer)
            own = weight[(ins, slice(None), *place)]
            top[(slice(None),) * axis + seen + (outs,)] += x[..., ins] @ own
    cut = tuple(slice(p, size - p) for p, size in zip(pad, full, strict=True))
    top = top[(slice(None),) * axis + cut]
    return np.moveaxis(top + bias, -1, axis)


# shape, axis, kernel, stride, pad, dilation, groups
CASES = [
    ((2, 4, 9), 1, [3], [2], [1], [1], 2),
    ((2, 4, 9), 1, [3], [2], [2], [2], 1),
    ((2, 4, 7, 8), 1, [3, 2], [1, 1], [1, 0], [1, 1], 1),
    ((2, 4, 7, 8), 1, [3, 3], [2, 1], [1, 2], [2, 1], 2),
    ((2, 4, 9, 8), 1, [2, 3], [2, 3], [2, 1], [3, 2], 4),
    ((2, 4, 5, 6, 7), 1, [2, 3, 2], [1, 2, 2], [1, 0, 1], [1, 1, 1], 2),
    ((2, 4, 5, 6, 7), 1, [3, 2, 3], [1, 1, 1], [1, 0, 2], [1, 2, 2], 4),
    ((2, 3, 4, 5, 6), 2, [3, 2], [1, 2], [1, 1], [1, 1], 2),
    ((2, 3, 4, 5), 2, [3], [1], [1], [1], 2),
    ((4, 6, 7), 0, [3, 2], [2, 1], [0, 1], [1, 2], 2),
    ((2, 3, 5, 4), 3, [], [], [], [], 2),
    ((2, 2, 3, 4, 3, 4), 1, [2, 3, 2, 2], [1, 1, 2, 1], [1, 1, 0, 1], [1, 1, 1, 2], 2),
    ((2, 4, 6, 7), -3, [3, 3], [1, 1], [1, 1], [1, 1], 1),
    ((2, 8, 7, 8), 1, [3, 2], [2, 2], [0, 1], [1, 1], 2),
    ((2, 8, 7, 8), 1, [3, 3], [1, 1], [2, 2], [2, 2], 4),
    ((2, 3, 7, 8), 1, [3, 2], [2, 2], [1, 0], [1, 1], 3),
    ((2, 3, 7, 8), 1, [3, 3], [1, 1], [2, 1], [2, 1], 3),
    ((2, 3, 7, 8), 1, [3, 3], [2, 1], [1, 1], [1, 1], 3),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_all_axes_strides_and_groups_together(kind, case):
    shape, axis, kernel, stride, pad, dilation, groups = case
    x, channels = values(*shape), shape[axis]
    if kind == "Convolution":
        weight, outputs, reference = values(6 * groups, channels // groups, *kernel), 6, convolve
    else:
        weight, outputs, reference = values(channels, 3, *kernel), 3, deconvolve
    bias = values(outputs * groups)
    layer = text(
        kind, num_output=outputs * groups, kernel_size=kernel, stride=stride, pad=pad,
        dilation=dilation, group=groups, axis=axis,
    )  # fmt: skip
    expected = reference(x, weight, bias, axis % len(shape), groups, stride, pad, dilation)
    assert shapes_of(layer, shape) == [expected.shape]
    (top,) = run_layer(layer, x, batch=None if axis == 0 else 7, params=[weight, bias])
    np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case[2]], ids=str)
def test_im2col_lists_what_each_window_sees(case):
    shape, axis, kernel, stride, pad, dilation, _ = case
    x = values(*shape)
    layer = text("Im2col", kernel_size=kernel, stride=stride, pad=pad, dilation=dilation, axis=axis)
    axis %= len(shape)
    expected = im2col(x, axis, kernel, stride, pad, dilation)
    rows = expected.shape[:axis] + (-1,) + expected.shape[axis + 1 + len(kernel) :]
    expected = expected.reshape(rows)
    assert shapes_of(layer, shape) == [expected.shape]
    (top,) = run_layer(layer, x, batch=None if axis == 0 else 7)
    np.testing.assert_array_equal(top, expected)


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_one_number_serves_all_axes_and_the_algorithm_changes_nothing(kind):
    x, weight = values(2, 2, 5, 6, 5), values(2, 2, 3, 3, 3)
    plain = text(kind, num_output=2, kernel_size=3, stride=2, pad=1, bias_term="false")
    forced = text(
        kind, num_output=2, kernel_size=[3, 3, 3], stride=[2, 2, 2], pad=[1, 1, 1],
        bias_term="false", force_nd_im2col="true", engine="CAFFE",
    )  # fmt: skip
    for one, other in zip(
        run_layer(plain, x, params=[weight]), run_layer(forced, x, params=[weight]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_several_bottoms_go_through_the_same_patches():
    first, second, weight = values(2, 3, 4, 5, 6), values(2, 3, 4, 7, 6), values(2, 4, 3, 3)
    layer = text("Convolution", 2, num_output=2, kernel_size=3, axis=2, bias_term="false")
    tops = run_layer(layer, first, second, params=[weight])
    ones = [(1, 1)] * 2
    for x, top in zip((first, second), tops, strict=True):
        expected = convolve(x, weight, np.zeros(2), 2, 1, ones[0], (0, 0), ones[1])
        np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-4)


def test_im2col_says_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"kernel of \(5, 5\) .* leaves nothing of .* \(4, 6\)"):
        shapes_of(text("Im2col", kernel_size=5), (2, 3, 4, 6))
    with pytest.raises(NetError, match="kernel_size is given 0 times for 2 spatial axes"):
        shapes_of(text("Im2col", stride=2), (2, 3, 4, 6))


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution", "Im2col"])
def test_height_and_width_have_no_default_but_for_the_pad(kind):
    with pytest.raises(ShapeError, match=r"stride must be at least 1, received \(2, 0\)"):
        shapes_of(text(kind, num_output=1, kernel_size=2, stride_h=2), (2, 3, 4, 6))
    with pytest.raises(NetError, match="kernel_h and kernel_w go with .* without kernel_size"):
        shapes_of(text(kind, num_output=1, kernel_size=2, kernel_h=2), (2, 3, 4, 6))
    one = text(kind, num_output=1, kernel_size=3, pad_h=1)
    both = text(kind, num_output=1, kernel_size=3, pad_h=1, pad_w=0)
    assert shapes_of(one, (2, 3, 4, 6)) == shapes_of(both, (2, 3, 4, 6))
