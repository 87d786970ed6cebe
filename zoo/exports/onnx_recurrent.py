"""LSTM, RNN and LSTMUnit in ONNX, as a Scan over the steps with Caffe's gates and continuation.

ONNX has operators for these nets too, but none that begins a sequence anew in the middle.
Formulas: zoo/layers/recurrent.py and the Caffe files named there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zoo.exports.onnx_graph import Graph, OnnxSite, register_onnx

__all__: list[str] = []

# Adds a node with the given inputs and returns its output.
Add = Callable[..., str]


@register_onnx("LSTM")
def lstm(site: OnnxSite) -> list[str]:
    def step(add: Add, states: Sequence[str], sums: str, cont: str, weight: str) -> list[str]:
        output, cell = states
        recurrent = add("MatMul", add("Mul", output, cont), weight)
        cell, output = _unit(add, cell, add("Add", sums, recurrent), cont, 1)
        return [output, cell]

    every, last = _scan(site, 2, step, site.params[-1])
    return [every[0], *last][: len(site.layer.tops)]


@register_onnx("RNN")
def rnn(site: OnnxSite) -> list[str]:
    def step(add: Add, states: Sequence[str], sums: str, cont: str, weight: str) -> list[str]:
        recurrent = add("MatMul", add("Mul", states[0], cont), weight)
        return [add("Tanh", add("Add", sums, recurrent))]

    weight, bias = site.params[-2:]
    every, last = _scan(site, 1, step, site.params[-3])
    product = site.add("MatMul", every[0], site.add("Transpose", weight))
    return [site.add("Tanh", site.add("Add", product, bias)), *last][: len(site.layer.tops)]


@register_onnx("LSTMUnit")
def lstm_unit(site: OnnxSite) -> list[str]:
    cell, sums, cont = site.bottoms
    return _unit(site.add, cell, sums, site.add("Unsqueeze", cont, [2]), 2)


def _unit(add: Add, cell: str, sums: str, cont: str, axis: int) -> list[str]:
    """The cell and the output after one step; gates are on the last axis, `axis`."""
    units = [add("Slice", sums, *_quarter(add, sums, axis, index), [axis]) for index in range(4)]
    enter, forget, leave = (add("Sigmoid", gate) for gate in units[:3])
    kept = add("Mul", add("Mul", cont, forget), cell)
    after = add("Add", kept, add("Mul", enter, add("Tanh", units[3])))
    return [after, add("Mul", leave, add("Tanh", after))]


def _quarter(add: Add, sums: str, axis: int, index: int) -> tuple[str, str]:
    """Where a quarter of the last axis begins and ends."""
    size = add("Div", add("Gather", add("Shape", sums), [axis]), [4])
    return add("Mul", size, [index]), add("Mul", size, [index + 1])


def _scan(
    site: OnnxSite, count: int, step: Callable[..., list[str]], weight: str
) -> tuple[list[str], list[str]]:
    """The states after every step, (T, N, units), and those after the last, (1, N, units)."""
    sums, cont = _sums(site), site.add("Unsqueeze", site.bottoms[1], [2])
    states = _first_states(site, count, sums)
    turned = site.add("Transpose", weight)
    body = site.graph.body()
    names = [body.unique(f"{site.layer.name}:state") for _ in range(count)]
    current = [body.unique(f"{site.layer.name}:{word}") for word in ("sums", "cont")]

    def add(operation: str, *inputs: Any, **attributes: Any) -> str:
        return body.several(site.layer.name, operation, 1, *inputs, **attributes)[0]

    after = step(add, names, *current, turned)
    outputs = site.several(
        "Scan",
        2 * count,
        *states,
        sums,
        cont,
        body=_finished(body, [*names, *current], after),
        num_scan_inputs=2,
    )
    last = [site.add("Unsqueeze", state, [0]) for state in outputs[:count]]
    return outputs[count:], last


def _finished(body: Graph, inputs: list[str], states: list[str]) -> Any:
    """The graph of one step: the states go on to the next, and each is given out."""
    given = [body.unique(f"{state}:out") for state in states]
    for state, name in zip(states, given, strict=True):
        body.node("Identity", [state], [name])
    return body.finished("step", inputs, [*states, *given])


def _sums(site: OnnxSite) -> str:
    """What the inputs contribute to every step, (T, N, rows)."""
    flat = site.add("Reshape", site.bottom, [0, 0, -1])
    product = site.add("MatMul", flat, site.add("Transpose", site.params[0]))
    sums = site.add("Add", product, site.params[1])
    kind: Any = site.layer.kind
    if not kind.has_static(site.message):
        return sums
    static = site.add("Flatten", site.bottoms[2])
    return site.add("Add", sums, site.add("MatMul", static, site.add("Transpose", site.params[2])))


def _first_states(site: OnnxSite, count: int, sums: str) -> list[str]:
    """The states before the first step, (N, units)."""
    if site.message.recurrent_param.expose_hidden:
        return [site.add("Squeeze", bottom, [0]) for bottom in site.bottoms[-count:]]
    units = site.message.recurrent_param.num_output
    shape = site.add("Concat", site.sizes(sums, [1]), [units], axis=0)
    return [site.add("Expand", 0.0, shape)] * count
