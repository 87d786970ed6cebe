"""LSTM, RNN and LSTMUnit against explicit loops over the steps, from Caffe's description."""

import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

import zoo
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup

RNG = np.random.default_rng(5)
STEPS, SEQUENCES, UNITS = 5, 3, 4


def values(*shape):
    return RNG.normal(size=shape, scale=0.7).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def definition(kind, bottoms, tops, expose):
    bottom = " ".join(f'bottom: "b{i}"' for i in range(bottoms))
    top = " ".join(f'top: "t{i}"' for i in range(tops))
    expose = "expose_hidden: true" if expose else ""
    return f'type: "{kind}" {bottom} {top} recurrent_param {{ num_output: {UNITS} {expose} }}'


def lstm(x, cont, static, states, weight, bias, static_weight, state_weight):
    h, c = states
    tops = []
    for step in range(STEPS):
        sums = x[step].reshape(SEQUENCES, -1) @ weight.T + bias
        if static is not None:
            sums = sums + static.reshape(SEQUENCES, -1) @ static_weight.T
        go_on = cont[step][:, None]
        sums = sums + (h * go_on) @ state_weight.T
        i, f, o, g = np.split(sums, 4, axis=1)
        c = go_on * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        tops.append(h)
    return [np.stack(tops), h[None], c[None]]


def rnn(x, cont, static, states, weight, bias, static_weight, state_weight, out_weight, out_bias):
    (h,) = states
    tops = []
    for step in range(STEPS):
        sums = x[step].reshape(SEQUENCES, -1) @ weight.T + bias
        if static is not None:
            sums = sums + static.reshape(SEQUENCES, -1) @ static_weight.T
        h = np.tanh(sums + (h * cont[step][:, None]) @ state_weight.T)
        tops.append(np.tanh(h @ out_weight.T + out_bias))
    return [np.stack(tops), h[None]]


# Sequences begin at the first step, in the middle, nowhere; and a continuation may be a part.
CONTINUATIONS = {
    "begin": [[0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1]],
    "goes on": [[1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 1], [1, 1, 0]],
    "in part": [[0.5, 1, 0], [1, 0.25, 1], [1, 1, 1], [2, 1, 0.5], [1, 1, 1]],
}


@pytest.mark.parametrize("cont", CONTINUATIONS.values(), ids=CONTINUATIONS)
@pytest.mark.parametrize("expose", [False, True], ids=["hidden", "exposed"])
@pytest.mark.parametrize("static", [None, (6,), (2, 3)], ids=str)
@pytest.mark.parametrize("step", [(), (5,), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_steps_are_those_of_a_loop(kind, step, static, expose, cont):
    states, gates = (2, 4) if kind == "LSTM" else (1, 1)
    x, cont = values(STEPS, SEQUENCES, *step), np.float32(cont)
    constant = None if static is None else values(SEQUENCES, *static)
    before = [values(1, SEQUENCES, UNITS) for _ in range(states)]
    if not expose:
        before = [np.zeros_like(state) for state in before]
    rows = gates * UNITS
    weights = {
        "weight": values(rows, int(np.prod(step))),
        "bias": values(rows),
        "static_weight": values(rows, int(np.prod(static or 1))),
        "state_weight": values(rows, UNITS),
    }
    if kind == "RNN":
        weights |= {"out_weight": values(UNITS, UNITS), "out_bias": values(UNITS)}
    loop = lstm if kind == "LSTM" else rnn
    expected = loop(x, cont, constant, [state[0] for state in before], **weights)
    params = [w for name, w in weights.items() if name != "static_weight" or static]
    bottoms = [x, cont, *([constant] if static else []), *(before if expose else [])]
    expected = expected if expose else expected[:1]
    layer = definition(kind, len(bottoms), len(expected), expose)
    assert shapes_of(layer, *(b.shape for b in bottoms)) == [e.shape for e in expected]
    received = run_layer(layer, *bottoms, batch=None, params=params)
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_any_number_of_steps_goes_through_one_model():
    x, cont = values(9, SEQUENCES, 5), np.ones((9, SEQUENCES), np.float32)
    params = [values(4 * UNITS, 5), values(4 * UNITS), values(4 * UNITS, UNITS)]
    layer = definition("LSTM", 2, 1, expose=False)
    (whole,) = run_layer(layer, x, cont, batch=4, params=params)
    (start,) = run_layer(layer, x[:2], cont[:2], batch=4, params=params)
    assert whole.shape == (9, SEQUENCES, UNITS)
    np.testing.assert_allclose(whole[:2], start, rtol=1e-5, atol=1e-6)


def test_exposed_states_go_on_where_the_last_pass_ended():
    x, cont = values(6, SEQUENCES, 5), np.ones((6, SEQUENCES), np.float32)
    params = [values(4 * UNITS, 5), values(4 * UNITS), values(4 * UNITS, UNITS)]
    zeros = np.zeros((1, SEQUENCES, UNITS), np.float32)
    layer = definition("LSTM", 4, 3, expose=True)
    whole, *_ = run_layer(layer, x, cont, zeros, zeros, batch=None, params=params)
    _, *states = run_layer(layer, x[:3], cont[:3], zeros, zeros, batch=None, params=params)
    rest, *_ = run_layer(layer, x[3:], cont[3:], *states, batch=None, params=params)
    np.testing.assert_allclose(rest, whole[3:], rtol=1e-4, atol=1e-5)


def test_a_unit_is_one_step():
    cell, sums = values(1, SEQUENCES, UNITS), values(1, SEQUENCES, 4 * UNITS)
    cont = np.float32([[1, 0, 0.5]])
    layer = 'type: "LSTMUnit" bottom: "c" bottom: "g" bottom: "cont" top: "c1" top: "h1"'
    i, f, o, g = np.split(sums, 4, axis=2)
    expected = cont[..., None] * sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    new_cell, output = run_layer(layer, cell, sums, cont, batch=None)
    np.testing.assert_allclose(new_cell, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(output, sigmoid(o) * np.tanh(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "static", "macs"),
    [
        ("LSTM", False, 3 * (5 * 16 * (6 + 4))),
        ("LSTM", True, 3 * (5 * 16 * (6 + 4) + 16 * 7)),
        ("RNN", True, 3 * (5 * 4 * (6 + 4 + 4) + 4 * 7)),
    ],
)
def test_the_static_input_is_counted_once(kind, static, macs):
    bottoms = [(5, 3, 6), (5, 3), *([(3, 7)] if static else [])]
    layer = parse(definition(kind, len(bottoms), 1, expose=False))
    found = lookup(kind)
    params = found.params(layer, bottoms)
    assert len(found.fillers(layer)) == len(params)
    assert found.macs(params, bottoms, found.tops(layer, bottoms)) == macs


@pytest.mark.parametrize(
    ("shapes", "tops", "expose", "error", "message"),
    [
        ([(5, 3, 6)], 1, False, NetError, "expected 2 bottoms, or 3 with a static input"),
        ([(5, 3, 6), (5, 3), (1, 3, 4)], 3, True, NetError, "expected 4 bottoms, or 5"),
        ([(5, 3, 6), (3, 5)], 1, False, ShapeError, r"continuation \(T, N\)"),
        ([(5, 3, 6), (5, 3), (5, 7)], 1, False, ShapeError, "static input of 3 sequences"),
        ([(5, 3), (5, 3), (1, 3, 4), (3, 4)], 3, True, ShapeError, r"state of shape \(1, 3, 4\)"),
    ],
)
def test_bottoms_that_do_not_fit_are_refused(shapes, tops, expose, error, message):
    with pytest.raises(error, match=message):
        shapes_of(definition("LSTM", len(shapes), tops, expose), *shapes)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_one_step_of_one_sequence_with_a_static_input_has_gradients(tmp_path, kind):
    text = definition(kind, 3, 1, expose=False)
    sizes = "shape { dim: 1 dim: 1 dim: 2 } shape { dim: 1 dim: 1 } shape { dim: 1 dim: 2 }"
    path = tmp_path / "net.prototxt"
    path.write_text(
        f'layer {{ name: "data" type: "Input" top: "b0" top: "b1" top: "b2"'
        f' input_param {{ {sizes} }} }} layer {{ name: "the_layer" {text} }}'
    )
    net = zoo.Net.read(path)
    params = [values(*shape) for shape in net.param_shapes["the_layer"]]
    # The same number into both inputs, by the same weights.
    params[2] = params[0]
    inputs = {"b0": values(1, 1, 2), "b1": np.ones((1, 1)), "b2": values(1, 2)}
    diff = {"t0": np.ones((1, 1, UNITS))}
    net = net.with_params({"the_layer": params})
    blobs, _ = zoo.gradients(net, inputs, diff, force_backward=True)
    assert np.abs(blobs["b0"]).max() > 0
    np.testing.assert_allclose(blobs["b2"], blobs["b0"][0], rtol=1e-5)
