"""Kinds that join, part and compare blobs, against numpy."""

import keras
import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup
from zoo.layers.site import Blob, Site, to_caffe_order

A, B, C = np.random.default_rng(0).normal(size=(3, 2, 6, 3, 4)).astype(np.float32)


def named(type_name, bottoms, tops, more=""):
    bottom = " ".join(f'bottom: "{name}"' for name in bottoms)
    top = " ".join(f'top: "{name}"' for name in tops)
    return f'type: "{type_name}" {bottom} {top} {more}'


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("", A + B + C),
        ("operation: SUM coeff: 1 coeff: 1 coeff: 1", A + B + C),
        ("coeff: 0.5 coeff: -1 coeff: 2", 0.5 * A - B + 2 * C),
        ("operation: PROD", A * B * C),
        ("operation: MAX", np.maximum(np.maximum(A, B), C)),
    ],
)
def test_eltwise_joins_value_by_value(param, expected):
    text = named("Eltwise", "abc", "y", f"eltwise_param {{ {param} }}")
    (top,) = run_layer(text, A, B, C)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("operation", "value"), [("SUM", 7.0), ("PROD", 12.0), ("MAX", 4.0)])
def test_eltwise_joins_losses_too(operation, value):
    kind = lookup("Eltwise")
    layer = parse(named("Eltwise", "ab", "y", f"eltwise_param {{ operation: {operation} }}"))
    bottoms = [Blob(keras.Input(batch_shape=()), ()) for _ in range(2)]
    (top,) = kind.build(Site(layer, "sum", bottoms, [()], []))
    model = keras.Model([bottom.tensor for bottom in bottoms], top.tensor)
    assert float(model([np.float32(3), np.float32(4)])) == value


@pytest.mark.parametrize("type_name", ["Eltwise", "Concat"])
def test_bottoms_in_different_orders_are_brought_to_one(type_name):
    kind, layer = lookup(type_name), parse(named(type_name, "ab", "y"))
    shapes = [A.shape, B.shape]
    bottoms = [
        Blob(keras.Input((3, 4, 6)), A.shape, channels_last=True),
        Blob(keras.Input((6, 3, 4)), B.shape),
    ]
    (top,) = kind.build(Site(layer, "both", bottoms, kind.tops(layer, shapes), []))
    model = keras.Model([bottom.tensor for bottom in bottoms], to_caffe_order(top, "top"))
    expected = A + B if type_name == "Eltwise" else np.concatenate([A, B], axis=1)
    np.testing.assert_allclose(model([np.moveaxis(A, 1, -1), B]), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("param", "shapes", "error", "message"),
    [
        ("", [(2, 3), (2, 4)], ShapeError, r"\(2, 3\); bottom 1 \('b'\) is \(2, 4\)"),
        ("coeff: 1", [(2, 3), (2, 3)], NetError, "one coeff for each of the 2 bottoms"),
        ("operation: PROD coeff: 1 coeff: 2", [(2, 3), (2, 3)], NetError, "coeff goes with"),
    ],
)
def test_eltwise_refuses_what_does_not_fit(param, shapes, error, message):
    with pytest.raises(error, match=f"the_layer.*{message}"):
        shapes_of(named("Eltwise", "ab", "y", f"eltwise_param {{ {param} }}"), *shapes)


@pytest.mark.parametrize(
    ("param", "axis"), [("", 1), ("axis: 2", 2), ("axis: -1", 3), ("concat_dim: 1", 1)]
)
def test_concat_puts_blobs_behind_each_other(param, axis):
    wide = np.concatenate([B, B], axis=axis)
    text = named("Concat", "ab", "y", f"concat_param {{ {param} }}")
    (top,) = run_layer(text, A, wide)
    np.testing.assert_array_equal(top, np.concatenate([A, wide], axis=axis))


def test_concat_of_batches_adds_them_up():
    text = named("Concat", "ab", "y", "concat_param { axis: 0 }")
    assert shapes_of(text, (2, 3), (5, 3)) == [(7, 3)]
    (top,) = run_layer(text, A, B[:1], batch=None)
    np.testing.assert_array_equal(top, np.concatenate([A, B[:1]]))


def test_concat_of_one_blob_is_that_blob():
    (top,) = run_layer(named("Concat", "a", "y"), A)
    np.testing.assert_array_equal(top, A)


def test_concat_names_the_layer_the_shapes_and_the_axis():
    with pytest.raises(ShapeError, match=r"the_layer") as caught:
        shapes_of(named("Concat", "ab", "y"), (1, 96, 26, 27), (1, 64, 27, 27))
    message = str(caught.value)
    assert "axis 1" in message
    assert "(1, 96, 26, 27)" in message
    assert "(1, 64, 27, 27)" in message
    assert caught.value.layer == "the_layer"


@pytest.mark.parametrize(("type_name", "old"), [("Concat", "concat_dim"), ("Slice", "slice_dim")])
def test_an_axis_under_two_names_is_refused(type_name, old):
    param = f"{type_name.lower()}_param {{ axis: 1 {old}: 1 }}"
    with pytest.raises(NetError, match=f"axis and {old} are the same"):
        shapes_of(named(type_name, "a", "y", param), (2, 3))


@pytest.mark.parametrize(
    ("param", "axis", "points"),
    [
        ("slice_point: 1 slice_point: 4", 1, [1, 4]),
        ("", 1, [2, 4]),
        ("axis: -2", 2, [1, 2]),
        ("slice_dim: 3 slice_point: 2 slice_point: 3", 3, [2, 3]),
    ],
)
def test_slice_cuts_along_an_axis(param, axis, points):
    tops = run_layer(named("Slice", "a", "xyz", f"slice_param {{ {param} }}"), A)
    for top, expected in zip(tops, np.split(A, points, axis=axis), strict=True):
        np.testing.assert_array_equal(top, expected)


def test_slice_halves_the_batch_that_comes():
    text = named("Slice", "a", "xy", "slice_param { axis: 0 }")
    assert shapes_of(text, (6, 3)) == [(3, 3), (3, 3)]
    first, second = run_layer(text, np.concatenate([A, B]), batch=6)
    np.testing.assert_array_equal(first, A)
    np.testing.assert_array_equal(second, B)


@pytest.mark.parametrize(
    ("param", "error", "message"),
    [
        ("slice_point: 4 slice_point: 1", ShapeError, r"must grow.*6 values.*\[4, 1\]"),
        ("slice_point: 1 slice_point: 6", ShapeError, "must grow"),
        ("slice_point: 1", NetError, r"expected 2 slice_point\(s\) for 3 tops"),
        ("axis: 3", ShapeError, "3 tops do not divide the 4 values on axis 3"),
    ],
)
def test_slices_that_cannot_be_are_refused(param, error, message):
    with pytest.raises(error, match=f"the_layer.*{message}"):
        shapes_of(named("Slice", "a", "xyz", f"slice_param {{ {param} }}"), A.shape)


def test_split_gives_the_blob_to_each_top():
    tops = run_layer(named("Split", "a", "xyz"), A)
    assert len(tops) == 3
    for top in tops:
        np.testing.assert_array_equal(top, A)


def test_silence_takes_blobs_and_gives_none():
    text = named("Silence", "ab", "")
    assert shapes_of(text, (2, 3), (4,)) == []
    site = Site(parse(text), "silence", [], [], [])
    assert lookup("Silence").build(site) == []


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_tile_repeats_the_whole_axis(axis):
    (top,) = run_layer(named("Tile", "a", "y", f"tile_param {{ axis: {axis} tiles: 3 }}"), A)
    np.testing.assert_array_equal(top, np.concatenate([A, A, A], axis=axis))


def test_tile_needs_a_number_of_tiles():
    with pytest.raises(NetError, match="tiles must be stated"):
        shapes_of(named("Tile", "a", "y"), (2, 3))


def argmax(param):
    return named("ArgMax", "a", "y", f"argmax_param {{ {param} }}")


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_argmax_along_an_axis_puts_the_largest_first(axis):
    (indices,) = run_layer(argmax(f"axis: {axis} top_k: 2"), A)
    order = np.flip(np.argsort(A, axis=axis), axis=axis).take([0, 1], axis=axis)
    np.testing.assert_array_equal(indices, order)
    (values,) = run_layer(argmax(f"axis: {axis} top_k: 2 out_max_val: true"), A)
    np.testing.assert_array_equal(values, np.take_along_axis(A, order, axis=axis))


def test_argmax_of_a_picture_counts_in_the_order_of_caffe():
    (top,) = run_layer(argmax("out_max_val: true top_k: 3"), A)
    order = np.flip(np.argsort(A.reshape(2, -1), axis=1), axis=1)[:, :3]
    values = np.take_along_axis(A.reshape(2, -1), order, axis=1)
    np.testing.assert_array_equal(top, np.stack([order, values], axis=1)[..., None])


@pytest.mark.parametrize(
    ("shape", "top"), [((5, 9), (5, 1, 1)), ((5,), (5, 1, 1)), ((5, 2, 3, 2, 1), (5, 1, 1, 1, 1))]
)
def test_argmax_of_a_picture_has_three_axes_or_more(shape, top):
    assert shapes_of(argmax(""), shape) == [top]


def test_argmax_prefers_the_larger_index_among_equals():
    tied = np.array([[1, 3, 3, 0], [2, 2, 2, 2]])
    (top,) = run_layer(argmax("axis: 1 top_k: 2"), tied)
    np.testing.assert_array_equal(top, [[2, 1], [3, 2]])


def test_argmax_of_more_than_there_is_is_refused():
    with pytest.raises(ShapeError, match="top_k from 1 to the 3 values.*received 4"):
        shapes_of(argmax("top_k: 4"), (2, 3))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_softmax_sums_to_one_along_its_axis(axis):
    (top,) = run_layer(named("Softmax", "a", "y", f"softmax_param {{ axis: {axis} }}"), A * 30)
    shifted = np.exp(A * 30 - (A * 30).max(axis=axis, keepdims=True))
    expected = shifted / shifted.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
@pytest.mark.parametrize("operation", ["SUM", "ASUM", "SUMSQ", "MEAN"])
def test_reduction_gathers_all_axes_from_one_on(axis, operation):
    param = f"reduction_param {{ operation: {operation} axis: {axis} coeff: 0.5 }}"
    (top,) = run_layer(named("Reduction", "a", "y", param), A)
    terms = {"ASUM": np.abs, "SUMSQ": np.square}.get(operation, np.asarray)(A)
    axes = tuple(range(axis % 4, 4))
    gathered = terms.mean(axis=axes) if operation == "MEAN" else terms.sum(axis=axes)
    np.testing.assert_allclose(top, 0.5 * gathered, rtol=1e-4, atol=1e-5)
