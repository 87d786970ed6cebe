"""Kinds that change each value by itself, against their formulas in numpy."""

import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup

X = np.random.default_rng(0).normal(scale=2, size=(2, 3, 4, 5)).astype(np.float32)
P = np.abs(X) + 0.1


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "ReLU": ("", X, np.maximum(X, 0)),
    "ReLU leaky": ("relu_param { negative_slope: 0.2 }", X, np.where(X > 0, X, 0.2 * X)),
    "ReLU negative": ("relu_param { negative_slope: -0.5 }", X, np.where(X > 0, X, -0.5 * X)),
    "ELU": ("elu_param { alpha: 0.7 }", X, np.where(X > 0, X, 0.7 * np.expm1(X))),
    "Sigmoid": ("", X, sigmoid(X)),
    "TanH": ("", X, np.tanh(X)),
    "AbsVal": ("", X, np.abs(X)),
    "BNLL": ("", X, np.log1p(np.exp(X))),
    "BNLL large": ("", X * 100, np.logaddexp(X * 100, 0)),
    "Exp": ("", X, np.exp(X)),
    "Exp base": ("exp_param { base: 3 scale: -0.5 shift: 2 }", X, 3 ** (2 - 0.5 * X)),
    "Log": ("", P, np.log(P)),
    "Log base": ("log_param { base: 2 scale: 3 shift: 1 }", P, np.log2(1 + 3 * P)),
    "Power": ("power_param { power: 3 scale: 0.5 shift: -1 }", X, (0.5 * X - 1) ** 3),
    "Power root": ("power_param { power: -0.5 scale: 2 }", P, (2 * P) ** -0.5),
    "Power zero": ("power_param { power: 0 shift: 5 }", X, np.ones_like(X)),
    "Power of shift": ("power_param { power: 2 scale: 0 shift: 3 }", X, np.full_like(X, 9)),
    "Clip": ("clip_param { min: -1 max: 0.5 }", X, np.clip(X, -1, 0.5)),
    "Swish": ("swish_param { beta: 1.5 }", X, X * sigmoid(1.5 * X)),
    "Threshold": ("threshold_param { threshold: 0.5 }", X, (X > 0.5).astype(np.float32)),
    "Dropout": ("dropout_param { dropout_ratio: 0.4 }", X, X),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_values_follow_the_formula(name):
    param, bottom, expected = FORMULAS[name]
    (top,) = run_layer(f'type: "{name.split()[0]}" bottom: "x" top: "y" {param}', bottom)
    np.testing.assert_allclose(top, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 6), (4, 6, 3), (2, 3, 2, 4, 2)])
def test_blobs_of_any_number_of_axes_go_through(shape):
    bottom = np.linspace(-1, 1, np.prod(shape)).reshape(shape)
    (top,) = run_layer('type: "ReLU" bottom: "x" top: "y"', bottom)
    np.testing.assert_allclose(top, np.maximum(bottom, 0), rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 4, 2)])
def test_prelu_has_a_slope_for_each_channel(shape):
    bottom = np.random.default_rng(1).normal(size=shape)
    slopes = np.array([0.1, -0.5, 2.0])
    (top,) = run_layer('type: "PReLU" bottom: "x" top: "y"', bottom, params=[slopes])
    column = slopes.reshape(3, *(1 for _ in shape[2:]))
    np.testing.assert_allclose(top, np.where(bottom > 0, bottom, column * bottom), rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5)])
def test_prelu_may_share_one_slope(shape):
    text = 'type: "PReLU" bottom: "x" top: "y" prelu_param { channel_shared: true }'
    bottom = np.random.default_rng(1).normal(size=shape)
    (top,) = run_layer(text, bottom, params=[np.float32(0.3)])
    np.testing.assert_allclose(top, np.where(bottom > 0, bottom, 0.3 * bottom), rtol=1e-5)


def test_prelu_starts_at_a_quarter_unless_its_filler_is_written():
    kind = lookup("PReLU")
    (filler,) = kind.fillers(parse('type: "PReLU"'))
    assert (filler.type, filler.value) == ("constant", 0.25)
    written = 'type: "PReLU" prelu_param { filler { type: "gaussian" std: 0.1 } }'
    assert kind.fillers(parse(written))[0].type == "gaussian"


def test_prelu_without_channels_is_refused():
    with pytest.raises(ShapeError, match=r"the_layer.*channels on axis 1.*\(5,\)"):
        shapes_of('type: "PReLU" bottom: "x" top: "y"', (5,))


def test_dropout_scales_what_it_keeps_while_training():
    text = 'type: "Dropout" bottom: "x" top: "y" dropout_param { dropout_ratio: 0.75 }'
    (top,) = run_layer(text, np.ones((8, 500)), training=True)
    assert set(np.unique(top)) == {0.0, 4.0}
    assert abs(top.mean() - 1) < 0.2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "Exp" exp_param { base: 0 }', "base must be larger than 0"),
        ('type: "Log" log_param { base: 1 }', "no logarithm to base 1"),
        ('type: "Clip" clip_param { min: 1 }', "both min and max"),
        ('type: "Dropout" dropout_param { dropout_ratio: 1 }', "dropout_ratio must be"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(text, message):
    with pytest.raises(NetError, match=f"the_layer.*{message}"):
        run_layer(f'{text} bottom: "x" top: "y"', X)
