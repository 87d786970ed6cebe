"""Fillers: the distributions that Caffe defines, measured on large draws."""

import numpy as np
import pytest

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import NetError
from zoo.layers.fillers import fill

FANS = [("FAN_IN", 27.0), ("FAN_OUT", 576.0), ("AVERAGE", 301.5)]
SHAPE = (64, 3, 3, 3)
"""Of a convolution from 3 to 64 channels: fan_in 27, fan_out 576."""


def draw(kind, shape=SHAPE, seed=1, **numbers):
    return fill(FillerParameter(type=kind, **numbers), shape, np.random.default_rng(seed))


def many(kind, shape, draws, **numbers):
    """Several draws, for statistics of a small param."""
    rng = np.random.default_rng(2)
    filler = FillerParameter(type=kind, **numbers)
    return np.stack([fill(filler, shape, rng) for _ in range(draws)])


@pytest.mark.parametrize(
    "kind", ["constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_filler_gives_the_shape_and_type_and_follows_its_seed(kind, dtype):
    def once(seed):
        return fill(FillerParameter(type=kind), (4, 2, 3, 3), np.random.default_rng(seed), dtype)

    first = once(5)
    assert (first.shape, first.dtype) == ((4, 2, 3, 3), dtype)
    assert first.flags.writeable
    assert np.array_equal(first, once(5))
    assert np.array_equal(first, once(6)) == (kind in ("constant", "bilinear"))


def test_the_default_is_constant_zero():
    assert not fill(FillerParameter(), (3, 2), np.random.default_rng(0)).any()


def test_constant_is_its_value():
    assert (draw("constant", (5,), value=0.1) == np.float32(0.1)).all()


def test_uniform_fills_its_range_evenly():
    values = draw("uniform", (100_000,), min=-2, max=6)
    assert values.min() >= -2
    assert values.max() <= 6
    counts, _ = np.histogram(values, bins=8, range=(-2, 6))
    assert counts / len(values) == pytest.approx(1 / 8, abs=0.005)


def test_uniform_defaults_to_zero_to_one():
    values = draw("uniform", (10_000,))
    assert 0 <= values.min() < 0.01
    assert 0.99 < values.max() <= 1


def test_gaussian_has_its_mean_and_deviation():
    values = draw("gaussian", (200_000,), mean=3, std=0.5)
    assert values.mean() == pytest.approx(3, abs=0.005)
    assert values.std() == pytest.approx(0.5, abs=0.005)
    within = (np.abs(values - 3) < 0.5).mean()
    assert within == pytest.approx(0.6827, abs=0.005)


def test_sparse_gaussian_keeps_sparse_of_the_outputs_not_of_the_inputs():
    values = draw("gaussian", (100, 4000), std=2, sparse=15)
    kept = values != 0
    assert kept.mean() == pytest.approx(0.15, abs=0.002)
    assert values[kept].std() == pytest.approx(2, abs=0.02)


def test_sparse_zero_leaves_nothing():
    assert not draw("gaussian", (10, 10), sparse=0).any()


def test_positive_unitball_sums_to_one_for_each_output():
    values = draw("positive_unitball", (6, 5, 2))
    assert (values > 0).all()
    assert values.reshape(6, -1).sum(1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("norm", "fan"), FANS)
def test_xavier_is_uniform_within_the_root_of_three_over_the_fan(norm, fan):
    values = many("xavier", SHAPE, 40, variance_norm=norm)
    limit = np.sqrt(3 / fan)
    assert np.abs(values).max() <= limit
    assert np.abs(values).max() == pytest.approx(limit, rel=1e-3)
    assert values.mean() == pytest.approx(0, abs=limit / 50)
    assert values.std() == pytest.approx(np.sqrt(1 / fan), rel=0.02)


@pytest.mark.parametrize(("norm", "fan"), FANS)
def test_msra_is_normal_with_the_root_of_two_over_the_fan(norm, fan):
    values = many("msra", SHAPE, 40, variance_norm=norm)
    deviation = np.sqrt(2 / fan)
    assert values.mean() == pytest.approx(0, abs=deviation / 50)
    assert values.std() == pytest.approx(deviation, rel=0.02)
    assert (np.abs(values) < deviation).mean() == pytest.approx(0.6827, abs=0.01)


def test_the_fan_is_the_inputs_when_nothing_is_said():
    assert np.array_equal(draw("msra"), draw("msra", variance_norm="FAN_IN"))


@pytest.mark.parametrize(("norm", "fan"), [("FAN_IN", 1), ("FAN_OUT", 5000), ("AVERAGE", 2500.5)])
def test_a_single_axis_has_its_count_as_fan_out(norm, fan):
    values = many("msra", (5000,), 4, variance_norm=norm)
    assert values.std() == pytest.approx(np.sqrt(2 / fan), rel=0.03)


def test_bilinear_kernel_of_four_interpolates_by_two():
    kernel = draw("bilinear", (2, 3, 4, 4))
    line = [0.25, 0.75, 0.75, 0.25]
    assert kernel == pytest.approx(np.broadcast_to(np.outer(line, line), (2, 3, 4, 4)))


def test_bilinear_kernel_of_three():
    line = np.array([0.5, 1.0, 0.5])
    assert draw("bilinear", (1, 1, 3, 3))[0, 0] == pytest.approx(np.outer(line, line))


@pytest.mark.parametrize("size", range(1, 9))
def test_bilinear_follows_the_formula_element_by_element(size):
    factor = -(-size // 2)
    centre = (size - 1) / (2 * factor)
    kernel = draw("bilinear", (1, 1, size, size))[0, 0]
    for y in range(size):
        for x in range(size):
            expected = (1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre))
            assert kernel[y, x] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (1, 1, 3, 4), (1, 3, 3)])
def test_bilinear_needs_square_kernels_in_four_axes(shape):
    with pytest.raises(NetError, match=r"'bilinear': expected a shape \(outputs, inputs, k, k\)"):
        draw("bilinear", shape)


def test_unknown_filler_is_an_error_with_the_nearest_name():
    with pytest.raises(NetError, match="'gausian'.*Did you mean gaussian.*xavier"):
        draw("gausian")


@pytest.mark.parametrize(
    ("kind", "numbers", "words"),
    [
        ("uniform", {"min": 2, "max": 1}, "min 2 is above max 1"),
        ("gaussian", {"std": 0}, "std must be above 0, received 0"),
        ("gaussian", {"sparse": 65}, "between 0 and the first axis of the shape, 64"),
        ("gaussian", {"sparse": -2}, "received -2"),
        ("xavier", {"sparse": 3}, "sparse is for the gaussian filler only"),
    ],
)
def test_numbers_that_make_no_sense_are_an_error(kind, numbers, words):
    with pytest.raises(NetError, match=words):
        draw(kind, **numbers)


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_nothing_to_fill_is_an_error(shape):
    with pytest.raises(NetError, match="nothing to fill"):
        draw("constant", shape)
