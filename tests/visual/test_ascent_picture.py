"""Pictures made for a unit look like what it looks for, and come out the same for the same seed."""

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.visual import ascent

LAYERS = """\
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" relu_param { negative_slope: 0.5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 } }
"""


@pytest.fixture
def looking(make_model):
    """Unit 1 of its ip looks for a bright half on the left and a dark one on the right."""
    wanted = np.repeat([[1.0] * 8 + [-1.0] * 8], 16, axis=0)
    weights = np.stack([np.zeros(256), wanted.ravel()]).astype(np.float32)
    params = {"ip": [weights, np.zeros(2, np.float32)]}
    return make_model(LAYERS, params, size=(16, 16), mean=128)


def test_the_picture_is_what_the_unit_looks_for(looking):
    made = ascent(looking, "ip", 1, steps=60)
    pixels = made.picture[..., 0].astype(float)
    assert made.picture.shape == (16, 16, 3)
    assert pixels[:, 2:6].mean() > 128 + 40
    assert pixels[:, 10:14].mean() < 128 - 40
    assert made.values[-1] > 10 * abs(made.values[0])
    assert len(made.values) == 61


def test_a_unit_without_a_gradient_stays_noise(looking):
    made = ascent(looking, "ip", 0, steps=3)
    assert made.values == (0, 0, 0, 0)
    assert 0 < made.picture.std() < 8


def test_the_seed_alone_decides(looking):
    first, second, third = (ascent(looking, "conv", 2, steps=4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.picture, second.picture)
    assert first.values == second.values
    assert not np.array_equal(first.picture, third.picture)


@pytest.mark.parametrize(
    ("blob", "unit", "steps", "told"),
    [
        ("conv", 3, 5, "blob 'conv' of shape 1x3x14x14 has no unit 3: they go from 0 to 2"),
        ("cov", 0, 5, "no blob is named 'cov'.*Did you mean conv?"),
        ("ip", 0, 0, "steps: expected 1 or more"),
    ],
)
def test_wrong_arguments_are_told(looking, blob, unit, steps, told):
    with pytest.raises(UsageError, match=told):
        ascent(looking, blob, unit, steps=steps)


def test_a_seed_below_0_is_told(looking):
    with pytest.raises(UsageError, match="seed: expected 0 or more, received -1"):
        ascent(looking, "conv", 0, steps=1, seed=-1)
