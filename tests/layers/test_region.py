"""ROIPooling and PSROIPooling, against loops written from the papers and against OpenCV."""

import numpy as np
import pytest
from check_layer import run_layer, shapes_of
from opencv_reference import opencv_values

import zoo
from zoo.errors import NetError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 18, 9, 11)).astype(np.float32)
# Ordinary ones, one of a single place, halves, one that hangs over the edges, one outside of them.
REGIONS = np.array(
    [
        [0, 0, 0, 87, 71],
        [1, 13, 7, 60, 50],
        [0, 40, 24, 40, 24],
        [1, 4, 12, 20, 44],
        [0, -20, -12, 30, 30],
        [1, 60, 50, 140, 120],
        [0, 200, 10, 230, 40],
        [1, 50, 40, 30, 20],
    ],
    np.float32,
)


def c_round(value):
    return np.sign(value) * np.floor(np.abs(value) + 0.5)


def bins(start, length, number, size):
    one = np.float32(length) / np.float32(number)
    for index in range(number):
        low = int(np.floor(np.float32(index) * one) + start)
        high = int(np.ceil(np.float32(index + 1) * one) + start)
        yield min(max(low, 0), size), min(max(high, 0), size)


def roi_pooling(x, regions, high, wide, scale, pad=0.0):
    out = np.zeros((len(regions), x.shape[1], high, wide), np.float32)
    for r, (index, *box) in enumerate(regions):
        x1, y1, x2, y2 = box
        grow_x, grow_y = (x2 - x1 + 1) * pad, (y2 - y1 + 1) * pad
        x1, x2 = c_round((x1 - grow_x) * scale), c_round((x2 + grow_x) * scale)
        y1, y2 = c_round((y1 - grow_y) * scale), c_round((y2 + grow_y) * scale)
        if pad:
            x1, y1 = max(x1, 0), max(y1, 0)
            x2 = min(x2, c_round(x.shape[3] / scale) - 1)
            y2 = min(y2, c_round(x.shape[2] / scale) - 1)
        for i, (top, bottom) in enumerate(bins(y1, max(y2 - y1 + 1, 1), high, x.shape[2])):
            for j, (left, right) in enumerate(bins(x1, max(x2 - x1 + 1, 1), wide, x.shape[3])):
                if bottom > top and right > left:
                    out[r, :, i, j] = x[int(index), :, top:bottom, left:right].max(axis=(1, 2))
    return out


def psroi_pooling(x, regions, outputs, group, scale):
    out = np.zeros((len(regions), outputs, group, group), np.float32)
    for r, (index, *box) in enumerate(regions):
        x1, y1, x2, y2 = (c_round(v) for v in box)
        left, top = x1 * scale, y1 * scale
        wide = max((x2 + 1) * scale - left, 0.1) / group
        high = max((y2 + 1) * scale - top, 0.1) / group
        for i in range(group):
            y_low, y_high = np.floor(i * high + top), np.ceil((i + 1) * high + top)
            for j in range(group):
                x_low, x_high = np.floor(j * wide + left), np.ceil((j + 1) * wide + left)
                ys = slice(*np.clip([y_low, y_high], 0, x.shape[2]).astype(int))
                xs = slice(*np.clip([x_low, x_high], 0, x.shape[3]).astype(int))
                for d in range(outputs):
                    part = x[int(index), (d * group + i) * group + j, ys, xs]
                    out[r, d, i, j] = part.mean() if part.size else 0
    return out


def text(type_name, param):
    return f'type: "{type_name}" bottom: "x" bottom: "rois" top: "y" {param}'


def roi(param):
    return text("ROIPooling", f"roi_pooling_param {{ {param} }}")


def psroi(param):
    return text("PSROIPooling", f"psroi_pooling_param {{ {param} }}")


@pytest.mark.parametrize(
    ("high", "wide", "scale", "pad"),
    [(7, 7, 0.125, 0), (1, 1, 0.125, 0), (3, 5, 0.1, 0), (6, 2, 0.5, 0), (4, 4, 0.125, 0.25)],
)
def test_roi_pooling_takes_the_maxima_of_bins(high, wide, scale, pad):
    layer = roi(f"pooled_h: {high} pooled_w: {wide} spatial_scale: {scale} pad_ratio: {pad}")
    (top,) = run_layer(layer, X, REGIONS, batch=None)
    np.testing.assert_array_equal(top, roi_pooling(X, REGIONS, high, wide, scale, pad))


@pytest.mark.parametrize(("outputs", "group", "scale"), [(2, 3, 0.125), (18, 1, 0.1), (2, 3, 0.5)])
def test_psroi_pooling_takes_the_means_of_bins_each_in_its_own_channels(outputs, group, scale):
    layer = psroi(f"output_dim: {outputs} group_size: {group} spatial_scale: {scale}")
    (top,) = run_layer(layer, X, REGIONS, batch=None)
    expected = psroi_pooling(X, REGIONS, outputs, group, scale)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_roi_pooling_goes_to_the_maxima():
    import tensorflow as tf

    from zoo.keras_layers.region import ROIPooling

    x = tf.constant(np.moveaxis(X, 1, -1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(ROIPooling((2, 3), 0.125)([x, REGIONS[:4]]) * 2)
    expected = np.zeros_like(X)
    for value in roi_pooling(X, REGIONS[:4], 2, 3, 0.125).ravel():
        expected[value == X] += 2
    received = np.moveaxis(tape.gradient(total, x).numpy(), -1, 1)
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize(
    ("param", "words"),
    [("pooled_h: 2", "pooled_w"), ("pooled_w: 3", "pooled_h")],
)
def test_roi_pooling_needs_its_size(param, words):
    with pytest.raises(NetError, match=words):
        shapes_of(roi(param), X.shape, REGIONS.shape)


def test_bottoms_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"regions \(R, 5\)"):
        shapes_of(roi("pooled_h: 1 pooled_w: 1"), X.shape, (8, 4))
    with pytest.raises(ShapeError, match="first bottom of 4 axes"):
        shapes_of(roi("pooled_h: 1 pooled_w: 1"), (2, 3), (8, 5))
    with pytest.raises(ShapeError, match="expected 2 x 2 x 2 = 8 channels"):
        shapes_of(psroi("output_dim: 2 group_size: 2 spatial_scale: 1"), X.shape, (8, 5, 1, 1))
    with pytest.raises(NetError, match="output_dim, group_size and spatial_scale"):
        shapes_of(psroi("output_dim: 2 group_size: 3"), X.shape, (8, 5))


NETS = {
    "ROIPooling": "roi_pooling_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.125 }",
    "PSROIPooling": "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.125 }",
}


@pytest.mark.parametrize("type_name", NETS)
def test_opencv_gives_the_same(type_name, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        f"""input: "x" input_shape {{ dim: 1 dim: 18 dim: 9 dim: 11 }}
        input: "rois" input_shape {{ dim: 4 dim: 5 }}
        layer {{ name: "pool" type: "{type_name}" bottom: "x" bottom: "rois" top: "pool"
                {NETS[type_name]} }}"""
    )
    net = zoo.Net.read(path)
    regions = np.array(
        [[0, 0, 0, 80, 64], [0, 8, 16, 56, 40], [0, 24, 8, 71, 60], [0, 40, 24, 48, 32]], np.float32
    )
    inputs = {"x": X[:1], "rois": regions}
    expected = opencv_values(net, inputs, ["pool"], tmp_path)["pool"]
    received = zoo.run(net, inputs)["pool"]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
