"""Preprocessing and probabilities as ONNX operators, bit for bit as in `zoo.preprocess`.

The arithmetic is that of `zoo.keras_layers.picture`, over (n, height, width, 3) as pictures come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.exports.onnx_graph import FLOAT, INT32
from zoo.input_spec import InputSpec

__all__ = ["picture_input", "probabilities"]

# Adds a node with the given inputs and returns its output.
Add = Callable[..., str]


def picture_input(add: Add, picture: str, spec: InputSpec) -> str:
    """From uint8 RGB pictures to the network's input, (n, channels, height, width)."""
    pictures = _in_order(add, add("Cast", picture, to=INT32), spec.channels)
    resize = spec.resize or spec.size
    warped = _resized(add, pictures, resize)
    starts = [(old - new) // 2 for old, new in zip(resize, spec.size, strict=True)]
    ends = [start + new for start, new in zip(starts, spec.size, strict=True)]
    cut = add("Cast", add("Slice", warped, starts, ends, [1, 2]), to=FLOAT)
    centred = add("Sub", cut, np.array(spec.mean, np.float32))
    scaled = centred if spec.scale == 1 else add("Mul", centred, float(spec.scale))
    return add("Transpose", scaled, perm=[0, 3, 1, 2])


def probabilities(add: Add, scores: str, ready: bool) -> str:
    """(n, classes) from class scores of any axes, by a softmax if they are logits."""
    flat = add("Flatten", scores)
    return flat if ready else add("Softmax", flat, axis=1)


def _in_order(add: Add, pictures: str, channels: str) -> str:
    if channels == "RGB":
        return pictures
    if channels == "BGR":
        return add("Gather", pictures, [2, 1, 0], axis=3)
    weighted = add("Mul", pictures, np.array([9798, 19235, 3735], np.int32))
    gray = add("ReduceSum", weighted, [3], keepdims=1)
    return add("Div", add("Add", gray, _integer(1 << 14)), _integer(1 << 15))


def _resized(add: Add, pictures: str, size: tuple[int, int]) -> str:
    """(n, h, w, c) of bytes as int32, warped to a size."""
    shape = add("Cast", add("Shape", pictures), to=INT32)
    heights, widths = (add("Gather", shape, [axis]) for axis in (1, 2))
    rows, vertical = _taps(add, heights, size[0], (1, -1, 1, 1))
    columns, horizontal = _taps(add, widths, size[1], (1, 1, -1, 1))
    parts = []
    for row, weight in zip(rows, vertical, strict=True):
        lines = add("Gather", pictures, row, axis=1)
        sides = [
            add("Mul", add("Gather", lines, column, axis=2), share)
            for column, share in zip(columns, horizontal, strict=True)
        ]
        across = add("Div", add("Add", *sides), _integer(16))
        parts.append(add("Div", add("Mul", across, weight), _integer(65536)))
    return add("Div", add("Add", add("Add", *parts), _integer(2)), _integer(4))


def _taps(add: Add, old: str, new: int, axes: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """The two places along an axis that each new pixel is made of, and their weights of 2048."""
    odd = 2 * np.arange(new, dtype=np.int32) + 1
    numerator = add("Sub", add("Mul", odd, old), _integer(new))
    centre = add("Div", add("Cast", numerator, to=FLOAT), float(2 * new))
    first = add("Floor", centre)
    share = add("Sub", centre, first)
    place, last = add("Cast", first, to=INT32), add("Sub", old, _integer(1))
    places = [
        add("Max", add("Min", add("Add", place, _integer(index)), last), _integer(0))
        for index in (0, 1)
    ]
    weights = [
        add("Reshape", add("Cast", add("Round", add("Mul", part, 2048.0)), to=INT32), list(axes))
        for part in (add("Sub", 1.0, share), share)
    ]
    return places, weights


def _integer(value: int) -> Any:
    return np.array(value, np.int32)
