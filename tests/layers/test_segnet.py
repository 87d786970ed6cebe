"""Upsample and BN of SegNet and other forks, against numpy."""

import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

import zoo
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
BLOBS = [RNG.normal(size=(1, 3, 1, 1)).astype(np.float32) for _ in range(4)]
BLOBS[3] = np.abs(BLOBS[3]) + 0.1


def upsample(param, bottoms='bottom: "x" bottom: "mask"'):
    return f'type: "Upsample" {bottoms} top: "y" upsample_param {{ {param} }}'


def bn(param, tops='top: "y"'):
    return f'type: "BN" bottom: "x" {tops} bn_param {{ {param} }}'


def random_mask(sizes, repeated=False):
    """Places in a plane of those sizes, in Caffe's order, each once unless `repeated`."""
    number = sizes[0] * sizes[1]
    rows = [RNG.choice(number, X[0, 0].size, replace=repeated) for _ in range(6)]
    return np.array(rows, np.float32).reshape(X.shape)


def unpooled(x, mask, sizes):
    out = np.zeros((*x.shape[:2], sizes[0] * sizes[1]), np.float32)
    for n, c in np.ndindex(*x.shape[:2]):
        for value, place in zip(x[n, c].ravel(), mask[n, c].ravel(), strict=True):
            out[n, c, int(place)] = value
    return out.reshape(*x.shape[:2], *sizes)


@pytest.mark.parametrize(
    ("param", "sizes"),
    [
        ("", (8, 10)),
        ("scale: 3", (12, 15)),
        ("scale_h: 2 scale_w: 4", (8, 20)),
        ("scale: 2 pad_out_h: true", (7, 10)),
        ("pad_out_h: true pad_out_w: true", (7, 9)),
        ("upsample_h: 9 upsample_w: 6", (9, 6)),
    ],
)
@pytest.mark.parametrize("repeated", [False, True])
def test_values_go_back_to_where_the_pooling_found_them(param, sizes, repeated):
    mask = random_mask(sizes, repeated)
    (top,) = run_layer(upsample(param), X, mask)
    np.testing.assert_array_equal(top, unpooled(X, mask, sizes))


def test_without_a_mask_each_value_is_repeated():
    (top,) = run_layer(upsample("scale_h: 2 scale_w: 3", 'bottom: "x"'), X)
    np.testing.assert_array_equal(top, X.repeat(2, axis=2).repeat(3, axis=3))


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("scale_h: 2", "scale_h and scale_w"),
        ("scale: 2 scale_h: 2 scale_w: 2", "scale, or scale_h"),
        ("upsample_h: 7", "go together"),
        ("scale: 3 pad_out_h: true", "a scale of 2"),
        ("scale: 0", "no size"),
    ],
)
def test_an_upsample_that_makes_no_sense_says_why(param, words):
    with pytest.raises(NetError, match=words):
        shapes_of(upsample(param), X.shape, X.shape)


def test_bottoms_of_an_upsample_must_fit():
    with pytest.raises(ShapeError, match="mask of the pooling in the same shape"):
        shapes_of(upsample(""), X.shape, (2, 3, 4, 4))
    with pytest.raises(NetError, match="need the mask"):
        shapes_of(upsample("upsample_h: 8 upsample_w: 8", 'bottom: "x"'), X.shape)


def test_pooling_and_upsample_are_a_pair_in_a_net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        """input: "x" input_shape { dim: 2 dim: 3 dim: 7 dim: 9 }
        layer { name: "pool" type: "Pooling" bottom: "x" top: "pool" top: "mask"
                pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
        layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
                upsample_param { upsample_h: 7 upsample_w: 9 } }"""
    )
    x = RNG.permutation(2 * 3 * 7 * 9).reshape(2, 3, 7, 9).astype(np.float32) + 1
    up = zoo.run(zoo.Net.read(path), {"x": x})["up"]
    kept = up != 0
    assert kept.sum() == 2 * 3 * 4 * 5
    np.testing.assert_array_equal(up[kept], x[kept])


def test_bn_with_four_blobs_uses_its_running_statistics():
    slope, bias, mean, variance = BLOBS
    (top,) = run_layer(bn("eps: 0.01 momentum: 0.5"), X, params=BLOBS)
    expected = (X - mean) / np.sqrt(variance + 0.01) * slope + bias
    np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-5)


def test_bn_with_four_blobs_takes_a_vector_and_another_name():
    (top,) = run_layer('type: "SyncBN" bottom: "x" top: "y"', X[:, :, 0, 0], params=BLOBS)
    slope, bias, mean, variance = (blob.reshape(3) for blob in BLOBS)
    expected = (X[:, :, 0, 0] - mean) / np.sqrt(variance + 1e-5) * slope + bias
    np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_bn_with_four_blobs_takes_those_of_the_batch_in_training_unless_frozen(frozen):
    slope, bias, mean, variance = BLOBS
    layer = bn(f"slope_filler {{ value: 1 }} frozen: {str(frozen).lower()}")
    (top,) = run_layer(layer, X, params=BLOBS, training=True)
    if not frozen:
        mean, variance = X.mean((0, 2, 3), keepdims=True), X.var((0, 2, 3), keepdims=True)
    expected = (X - mean) / np.sqrt(variance + 1e-5) * slope + bias
    np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-5)


def test_segnets_bn_in_inference_mode_scales_and_shifts():
    (top,) = run_layer(bn("bn_mode: INFERENCE"), X, params=BLOBS[:2])
    np.testing.assert_allclose(top, X * BLOBS[0] + BLOBS[1], rtol=1e-6, atol=1e-6)


def test_segnets_bn_in_learn_mode_always_uses_the_batch_and_gives_its_statistics():
    layer = bn("scale_filler { value: 1 }", 'top: "y" top: "mean" top: "variance"')
    top, *statistics = run_layer(layer, X, params=BLOBS[:2])
    mean, variance = X.mean((0, 2, 3), keepdims=True), X.var((0, 2, 3), keepdims=True)
    expected = (X - mean) / np.sqrt(variance + 1e-9) * BLOBS[0] + BLOBS[1]
    np.testing.assert_allclose(top, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics[0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(statistics[1], variance, rtol=1e-5, atol=1e-6)


def test_further_tops_are_refused_where_there_are_no_batch_statistics():
    with pytest.raises(NetError, match="LEARN mode"):
        shapes_of(bn("bn_mode: INFERENCE", 'top: "y" top: "mean"'), X.shape)
    with pytest.raises(NetError, match="LEARN mode"):
        shapes_of(bn("", 'top: "y" top: "mean"'), X.shape)
    with pytest.raises(ShapeError, match="channels on axis 1"):
        shapes_of(bn(""), (2,))


def test_bn_starts_from_its_fillers():
    kind, layer = lookup("BN"), parse(bn("slope_filler { value: 2 } bias_filler { value: 3 }"))
    values = [0 if filler is None else filler.value for filler in kind.fillers(layer)]
    assert values == [2, 3, 0, 1]
    layer = parse(bn("scale_filler { value: 2 } shift_filler { value: 3 }"))
    assert [filler.value for filler in kind.fillers(layer)] == [2, 3]


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (3,)])
def test_weights_of_either_fork_are_read_whatever_their_axes_of_size_one(shape, tmp_path):
    definition, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    definition.write_text(
        'input: "x" input_shape { dim: 2 dim: 3 dim: 4 dim: 5 }\n'
        'layer { name: "bn" type: "BN" bottom: "x" top: "bn" bn_param { frozen: true } }'
    )
    from zoo.caffe.write import write_caffemodel

    net = zoo.Net.read(definition)
    write_caffemodel(weights, net.definition, {"bn": [blob.reshape(shape) for blob in BLOBS]})
    loaded = zoo.Net.read(definition, weights)
    np.testing.assert_array_equal(loaded.params["bn"], BLOBS)
