"""Which blob of a network holds the scores of its classes, and probabilities from them."""

from __future__ import annotations

import numpy as np

from zoo.errors import UnsupportedLayersError, UsageError
from zoo.layers.kind import known_types
from zoo.net import Net

__all__ = ["score_blob", "softmax"]


def score_blob(net: Net) -> tuple[str, bool]:
    """The blob with one score a class, and whether it already holds probabilities.

    Raises
    ------
    UsageError
        When no output is a vector of scores.
    """
    makers = {top: layer.type for layer in net.layers for top in layer.tops}
    candidates = [
        name
        for name in net.outputs
        if name not in net.inputs
        and (shape := net.blobs[name]) is not None
        and len(shape) >= 2
        and np.prod(shape[2:]) == 1
        and makers[name] != "ArgMax"
    ]
    ready = [name for name in candidates if makers[name] in ("Softmax", "Sigmoid")]
    if not candidates and net.unsupported:
        raise UnsupportedLayersError(net.unsupported, known_types())
    if not candidates:
        shapes = ", ".join(f"{name} {net.blobs[name]}" for name in net.outputs)
        raise UsageError(
            f"{net.name!r} has no output with one score a class; its outputs are {shapes}. Use"
            " `zoo run` to get their values."
        )
    blob = (ready or candidates)[-1]
    return blob, makers[blob] in ("Softmax", "Sigmoid")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of each row.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result
