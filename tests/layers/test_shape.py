"""Flatten, Reshape and Crop: Caffe's order of values, and sizes of the picture that comes."""

import keras
import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup
from zoo.layers.site import Blob, Site

X = np.arange(2 * 6 * 3 * 4, dtype=np.float32).reshape(2, 6, 3, 4)


def reshape(dims, more=""):
    listed = " ".join(f"dim: {dim}" for dim in dims)
    return f'type: "Reshape" bottom: "x" top: "y" reshape_param {{ shape {{ {listed} }} {more} }}'


def flatten(axes=""):
    return f'type: "Flatten" bottom: "x" top: "y" flatten_param {{ {axes} }}'


def crop(param):
    return f'type: "Crop" bottom: "x" bottom: "like" top: "y" crop_param {{ {param} }}'


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("", (2, 72)),
        ("axis: 2", (2, 6, 12)),
        ("axis: -3 end_axis: -2", (2, 18, 4)),
        ("axis: 1 end_axis: 2", (2, 18, 4)),
        ("axis: 3", (2, 6, 3, 4)),
        ("axis: 0", (144,)),
        ("axis: 0 end_axis: 1", (12, 3, 4)),
    ],
)
def test_flatten_keeps_the_order_of_values(axes, shape):
    assert shapes_of(flatten(axes), X.shape) == [shape]
    (top,) = run_layer(flatten(axes), X)
    np.testing.assert_array_equal(top, X.reshape(shape))


@pytest.mark.parametrize("shape", [(2, 5, 1, 1), (2, 1, 3, 4), (2, 5, 1, 1, 1)])
def test_flatten_moves_nothing_where_both_orders_are_the_same(shape):
    kind, layer = lookup("Flatten"), parse(flatten())
    bottom = Blob(keras.Input((*shape[2:], shape[1])), shape, channels_last=True)
    (top,) = kind.build(Site(layer, "flat", [bottom], kind.tops(layer, [shape]), []))
    model = keras.Model(bottom.tensor, top.tensor)
    assert not any(isinstance(made, keras.layers.Permute) for made in model.layers)
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    flat = np.asarray(model(np.moveaxis(value, 1, -1)))
    np.testing.assert_array_equal(flat, value.reshape(2, -1))


@pytest.mark.parametrize(
    ("dims", "more", "shape"),
    [
        ((0, -1), "", (2, 72)),
        ((0, 2, -1, 0), "", (2, 2, 9, 4)),
        ((0, 2, 3, -1), "", (2, 2, 3, 12)),
        ((-1, 4), "", (36, 4)),
        ((2, -1), "axis: 1 num_axes: 1", (2, 2, 3, 3, 4)),
        ((1,), "axis: 1 num_axes: 0", (2, 1, 6, 3, 4)),
        ((1,), "axis: -1 num_axes: 0", (2, 6, 3, 4, 1)),
        ((2, -1), "axis: -2 num_axes: 1", (2, 6, 3, 2, 2)),
        ((), "axis: 1 num_axes: 0", (2, 6, 3, 4)),
        ((0, 0, -1), "", (2, 6, 12)),
        ((0, 0, 0, -1), "", (2, 6, 3, 4)),
        ((12, 12), "", (12, 12)),
    ],
)
def test_reshape_keeps_the_order_of_values(dims, more, shape):
    assert shapes_of(reshape(dims, more), X.shape) == [shape]
    (top,) = run_layer(reshape(dims, more), X, batch=2)
    np.testing.assert_array_equal(top, X.reshape(shape))


@pytest.mark.parametrize("dims", [(0, -1), (10, 72), (10, -1), (-1, 72), (60, 12)])
def test_reshape_follows_the_batch_that_comes(dims):
    (top,) = run_layer(reshape(dims), X, batch=10)
    np.testing.assert_array_equal(top, X.reshape(-1, top.shape[1]))


def test_reshape_may_end_in_a_blob_without_axes():
    (top,) = run_layer(reshape(()), np.ones((1,)), batch=None)
    assert top.shape == ()


@pytest.mark.parametrize(
    ("dims", "more", "error", "message"),
    [
        ((0, 5, -1), "", ShapeError, r"divide the 144 values of the bottom \(2, 6, 3, 4\)"),
        ((0, 71), "", ShapeError, r"144 values.*\(2, 71\) has 142"),
        ((-1, -1), "", NetError, "-1 at most once"),
        ((1, 1, 1, 1, 0), "", ShapeError, "copies axis 4"),
        ((1,), "axis: 2 num_axes: 5", ShapeError, "num_axes 5 do not lie within the 4 axes"),
        ((1,), "axis: -6", ShapeError, "axis -6"),
    ],
)
def test_reshapes_that_cannot_be_are_refused(dims, more, error, message):
    with pytest.raises(error, match=f"the_layer.*{message}"):
        shapes_of(reshape(dims, more), X.shape)


def test_flatten_refuses_axes_in_the_wrong_order():
    with pytest.raises(ShapeError, match="axis 2 lies behind end_axis 1"):
        shapes_of(flatten("axis: 2 end_axis: 1"), X.shape)


@pytest.mark.parametrize(
    ("param", "like", "part"),
    [
        ("", (2, 9, 2, 3), np.s_[:, :, :2, :3]),
        ("axis: 2 offset: 1", (2, 9, 2, 3), np.s_[:, :, 1:3, 1:4]),
        ("axis: -1 offset: 1", (2, 9, 9, 3), np.s_[:, :, :, 1:4]),
        ("axis: 1 offset: 2 offset: 0 offset: 1", (2, 4, 3, 3), np.s_[:, 2:6, :3, 1:4]),
        ("axis: 0 offset: 0", (1, 6, 3, 4), np.s_[:1]),
    ],
)
def test_crop_takes_the_size_of_the_reference(param, like, part):
    (top,) = run_layer(crop(param), X, np.zeros(like), batch=None)
    np.testing.assert_array_equal(top, X[part])


def test_crop_follows_sizes_that_the_definition_does_not_state():
    kind, layer = lookup("Crop"), parse(crop("axis: 2 offset: 1"))
    stated = [(1, 6, 50, 50), (1, 2, 40, 40)]
    bottoms = [Blob(keras.Input((None, None, shape[1])), shape, True) for shape in stated]
    (top,) = kind.build(Site(layer, "crop", bottoms, kind.tops(layer, stated), []))
    model = keras.Model([bottom.tensor for bottom in bottoms], top.tensor)
    part = model([np.moveaxis(X, 1, -1), np.zeros((2, 2, 3, 2), np.float32)])
    np.testing.assert_array_equal(np.moveaxis(part, -1, 1), X[:, :, 1:3, 1:4])
    with pytest.raises(ValueError, match="cannot crop 3 values at offset 1 from the 3"):
        model([np.moveaxis(X, 1, -1), np.zeros((2, 3, 2, 2), np.float32)])


@pytest.mark.parametrize(
    ("param", "like", "error", "message"),
    [
        ("", (2, 6, 4, 4), ShapeError, r"crop 4 values at offset 0 from the 3 on axis 2"),
        ("offset: 2", (2, 6, 2, 2), ShapeError, r"at offset 2.*\(2, 6, 3, 4\).*\(2, 6, 2, 2\)"),
        ("axis: 1 offset: 1 offset: 1", (2, 6, 2, 2), NetError, "each of the 3 axes.*received 2"),
        ("", (2, 6), ShapeError, "same number of axes"),
        ("axis: 4", (2, 6, 3, 4), ShapeError, "axis 4 is outside"),
    ],
)
def test_crops_that_cannot_be_are_refused(param, like, error, message):
    with pytest.raises(error, match=f"the_layer.*{message}"):
        shapes_of(crop(param), X.shape, like)
