"""Permute, Normalize and Interp, against numpy and against OpenCV's dnn module.

OpenCV leaves out what these forks can: Interp's shrink_factor and padding, and Normalize across
places with a scale for each channel. There numpy, written from Caffe's rules, decides alone.
"""

import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of
from opencv_reference import opencv_values

import zoo
from zoo.build.predict import predictor
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup
from zoo.layers.reach import Reach

A = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype(np.float32)
SCALE = np.random.default_rng(1).normal(size=6).astype(np.float32)


def permute(order):
    axes = " ".join(f"order: {axis}" for axis in order)
    return f'type: "Permute" bottom: "x" top: "y" permute_param {{ {axes} }}'


def normalize(param):
    return f'type: "Normalize" bottom: "x" top: "y" norm_param {{ {param} }}'


def interp(param, bottoms='bottom: "x"'):
    return f'type: "Interp" {bottoms} top: "y" interp_param {{ {param} }}'


def check_against_opencv(layer, tmp_path, params=()):
    path = tmp_path / "net.prototxt"
    shape = " ".join(f"dim: {size}" for size in A.shape)
    path.write_text(f'input: "x" input_shape {{ {shape} }} layer {{ name: "the_layer" {layer} }}')
    net = zoo.Net.read(path).with_params({"the_layer": list(params)} if params else {})
    expected = opencv_values(net, {"x": A}, ["y"], tmp_path)["y"]
    received = predictor(net, ["y"])({"x": A})["y"]
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("order", "axes"),
    [
        ((0, 2, 3, 1), (0, 2, 3, 1)),
        ((0, 3, 1, 2), (0, 3, 1, 2)),
        ((1,), (1, 0, 2, 3)),
        ((3, 0), (3, 0, 1, 2)),
        ((), (0, 1, 2, 3)),
    ],
)
def test_permute_turns_axes_and_appends_those_not_written(order, axes, tmp_path):
    (top,) = run_layer(permute(order), A, batch=None)
    np.testing.assert_array_equal(top, A.transpose(axes))
    if len(order) == 4:
        check_against_opencv(permute(order), tmp_path)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5, 6)])
def test_permute_takes_any_number_of_axes(shape):
    blob = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (top,) = run_layer(permute([len(shape) - 1]), blob, batch=None)
    np.testing.assert_array_equal(top, np.moveaxis(blob, -1, 0))


@pytest.mark.parametrize("order", [(0, 4), (1, 1)])
def test_permute_refuses_axes_that_are_not_there_or_repeat(order):
    with pytest.raises(ShapeError, match="the_layer.*different axes below 4"):
        shapes_of(permute(order), A.shape)


def test_the_permute_of_ssd_costs_nothing():
    import keras

    from zoo.layers.site import Blob, Site

    blob = Blob(keras.Input((5, 4, 6)), A.shape, channels_last=True)
    layer = parse(permute((0, 2, 3, 1)))
    (top,) = lookup("Permute").build(Site(layer, "perm", [blob], [(2, 5, 4, 6)], []))
    assert top.tensor is blob.tensor


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_normalize_divides_by_the_norm_and_scales(across, shared, tmp_path):
    axes = (1, 2, 3) if across else 1
    scale = SCALE[:1].reshape(()) if shared else SCALE
    expected = A / np.sqrt((A**2).sum(axes, keepdims=True) + 1e-10) * scale.reshape(1, -1, 1, 1)
    text = normalize(f"across_spatial: {across} channel_shared: {shared}".lower())
    (top,) = run_layer(text, A, params=[scale])
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)
    if shared or not across:
        check_against_opencv(text, tmp_path, [scale])


def test_the_epsilon_of_normalize_is_inside_the_root():
    text = normalize("across_spatial: false channel_shared: false eps: 0.25")
    (top,) = run_layer(text, np.zeros_like(A) + 0.5, params=[np.ones(6)])
    np.testing.assert_allclose(top, np.full(A.shape, 0.5 / np.sqrt(6 * 0.25 + 0.25)), rtol=1e-6)


def test_normalize_takes_vectors():
    vectors = A[:, :, 0, 0]
    (top,) = run_layer(normalize(""), vectors, params=[np.float32(2)])
    np.testing.assert_allclose(np.linalg.norm(top, axis=1), [2, 2], rtol=1e-6)


def test_a_normalize_without_parameters_is_the_older_one_and_learns_nothing():
    (top,) = run_layer('type: "Normalize" bottom: "x" top: "y"', A)
    expected = A / np.sqrt((A**2).sum((1, 2, 3), keepdims=True))
    np.testing.assert_allclose(top, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1, 1)])
def test_the_shared_scale_of_normalize_is_read_as_whatever_file_holds_it(shape, tmp_path):
    from zoo.caffe.write import write_caffemodel

    path, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    path.write_text(f'input: "x" input_dim: [2, 6, 5, 4] layer {{ name: "n" {normalize("")} }}')
    net = zoo.Net.read(path)
    write_caffemodel(weights, net.definition, {"n": [np.full(shape, 20, np.float32)]})
    assert net.load_weights(weights).params["n"][0] == np.float32(20)


def test_normalize_starts_from_its_filler(tmp_path):
    path = tmp_path / "net.prototxt"
    param = 'channel_shared: false scale_filler { type: "constant" value: 20 }'
    path.write_text(f'input: "x" input_dim: [2, 6, 5, 4] layer {{ name: "n" {normalize(param)} }}')
    assert zoo.Net.read(path).initialized().params["n"][0].tolist() == [20] * 6
    path.write_text(f'input: "x" input_dim: [2, 6, 5, 4] layer {{ name: "n" {normalize("")} }}')
    assert zoo.Net.read(path).initialized().params["n"][0] == 1


def interpolated(blob, height, width):
    """Bilinear, corners kept, in float64."""
    for axis, wanted in ((2, height), (3, width)):
        size = blob.shape[axis]
        places = np.linspace(0, size - 1, wanted) if wanted > 1 else np.zeros(1)
        lower = np.minimum(places.astype(int), size - 1)
        upper = np.minimum(lower + 1, size - 1)
        share = (places - lower).reshape([-1 if a == axis else 1 for a in range(4)])
        blob = np.take(blob, lower, axis) * (1 - share) + np.take(blob, upper, axis) * share
    return blob


@pytest.mark.parametrize(
    ("param", "size", "in_opencv"),
    [
        ("zoom_factor: 3", (13, 10), True),
        ("zoom_factor: 1", (5, 4), True),
        ("height: 9 width: 11", (9, 11), True),
        ("height: 3 width: 2", (3, 2), True),
        ("height: 1 width: 1", (1, 1), True),
        ("height: 5 width: 4", (5, 4), True),
        ("zoom_factor: 8", (33, 25), True),
        ("shrink_factor: 2", (3, 2), False),
        ("shrink_factor: 9", (1, 1), False),
        ("shrink_factor: 2 zoom_factor: 2", (5, 3), False),
        ("shrink_factor: 2 zoom_factor: 2 height: 7 width: 6", (7, 6), False),
        ("shrink_factor: 2 height: 7 width: 6", (3, 2), False),
        ("zoom_factor: 2 height: 7 width: 6", (9, 7), False),
    ],
)
def test_interp_keeps_the_corners(param, size, in_opencv, tmp_path):
    (top,) = run_layer(interp(param), A)
    np.testing.assert_allclose(top, interpolated(A, *size), rtol=1e-5, atol=1e-6)
    if in_opencv:
        check_against_opencv(interp(param), tmp_path)


@pytest.mark.parametrize(
    ("param", "size"),
    [
        ("pad_beg: -1 pad_end: -2 height: 4 width: 5", (4, 5)),
        ("pad_beg: -1 zoom_factor: 2", (7, 5)),
        ("pad_end: -1 shrink_factor: 2", (2, 2)),
        ("pad_beg: -1 pad_end: -1 zoom_factor: 1", (3, 2)),
    ],
)
def test_interp_cuts_off_what_negative_padding_says(param, size):
    words = param.replace(":", "").split()
    written = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    first, last = -written.get("pad_beg", 0), written.get("pad_end", 0) or None
    (top,) = run_layer(interp(param), A)
    expected = interpolated(A[:, :, first:last, first:last], *size)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_interp_takes_its_size_from_a_second_bottom():
    reference = np.zeros((2, 1, 7, 9), np.float32)
    (top,) = run_layer(interp("", 'bottom: "x" bottom: "like"'), A, reference)
    np.testing.assert_allclose(top, interpolated(A, 7, 9), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("param", "shapes", "message"),
    [
        ("", [A.shape], "the size must come"),
        ("height: 5", [A.shape], "the size must come"),
        ("zoom_factor: 2", [A.shape, A.shape], "or from a second bottom"),
        ("pad_beg: 1 zoom_factor: 2", [A.shape], "pad_beg and pad_end not above 0"),
        ("zoom_factor: 0", [A.shape], "zoom_factor and shrink_factor not below 1"),
        ("zoom_factor: 2 pad_beg: -4", [A.shape], r"\(5, 4\) is cut to \(1, 0\)"),
        ("height: 0 width: 3", [A.shape], "sizes of at least 1"),
        ("zoom_factor: 2", [(2, 3)], "4 axes"),
    ],
)
def test_interp_refuses_what_says_no_size(param, shapes, message):
    bottoms = 'bottom: "x"' + ' bottom: "like"' * (len(shapes) - 1)
    with pytest.raises(NetError, match=f"the_layer.*{message}"):
        shapes_of(interp(param, bottoms), *shapes)


@pytest.mark.parametrize(
    ("param", "reach"),
    [
        ("zoom_factor: 3", (Reach(extent=5, before=2, zoom=3),) * 2),
        ("shrink_factor: 2 pad_end: -1", (Reach(step=3), Reach(step=2))),
        ("shrink_factor: 4", (Reach(step=4), Reach())),
        ("height: 4 width: 3", "whole"),
        ("height: 5 width: 4", (Reach(), Reach())),
        ("height: 3 width: 2", (Reach(step=2), Reach(step=3))),
        ("pad_beg: -1 zoom_factor: 2", (Reach(extent=3, before=-1, zoom=2),) * 2),
    ],
)
def test_interp_says_which_places_it_reads(param, reach):
    layer = parse(interp(param))
    tops = lookup("Interp").tops(layer, [A.shape])
    assert lookup("Interp").reach(layer, [A.shape], tops) == [reach]
