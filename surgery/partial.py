"""Weights made to fit another shape: cut off, filled up, repeated or averaged.

Each way changes what a layer computes, so each is done only when it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.errors import UsageError, did_you_mean
from zoo.layers.kind import Shape

__all__ = ["WAYS", "check_way", "made_to_fit"]


def made_to_fit(blob: np.ndarray, shape: Shape, way: str) -> np.ndarray | None:
    """The blob in another shape of as many axes, or None where the way does not lead there.

    Parameters
    ----------
    blob : a learned blob in Caffe's layout.
    shape : the wanted one; axes of equal size stay as they are.
    way : "slice" takes the first places of longer axes; "average" the means of as many runs of
        places, whose lengths must be equal; "pad" puts zeros behind shorter axes; "tile" repeats
        them from the start.

    Examples
    --------
    >>> made_to_fit(np.array([1.0, 2.0, 4.0, 8.0]), (2,), "average").tolist()
    [1.5, 6.0]
    >>> made_to_fit(np.array([1.0, 2.0]), (5,), "tile").tolist()
    [1.0, 2.0, 1.0, 2.0, 1.0]
    >>> made_to_fit(np.array([1.0, 2.0]), (5,), "slice") is None
    True
    """
    if blob.ndim != len(shape):
        return None
    fitted: np.ndarray | None = blob
    for axis, size in enumerate(shape):
        if fitted is not None and fitted.shape[axis] != size:
            fitted = WAYS[way](fitted, axis, size)
    return None if fitted is None else np.ascontiguousarray(fitted, np.float32)


def check_way(way: str | None) -> None:
    """Raise UsageError unless it is one of the ways, or None."""
    if way is not None and way not in WAYS:
        raise UsageError(
            f"partial: expected one of {', '.join(WAYS)}, received {way!r}."
            f"{did_you_mean(str(way), WAYS)}"
        )


def _slice(blob: np.ndarray, axis: int, size: int) -> np.ndarray | None:
    return blob.take(range(size), axis) if blob.shape[axis] > size else None


def _average(blob: np.ndarray, axis: int, size: int) -> np.ndarray | None:
    if blob.shape[axis] % size:
        return None
    shape = (*blob.shape[:axis], size, -1, *blob.shape[axis + 1 :])
    means: np.ndarray = blob.reshape(shape).mean(axis=axis + 1, dtype=np.float64)
    return means


def _pad(blob: np.ndarray, axis: int, size: int) -> np.ndarray | None:
    if blob.shape[axis] > size:
        return None
    behind = [(0, size - blob.shape[axis] if own == axis else 0) for own in range(blob.ndim)]
    padded: np.ndarray = np.pad(blob, behind)
    return padded


def _tile(blob: np.ndarray, axis: int, size: int) -> np.ndarray | None:
    if blob.shape[axis] > size:
        return None
    repeated: np.ndarray = blob.take(np.arange(size) % blob.shape[axis], axis)
    return repeated


WAYS: dict[str, Callable[[np.ndarray, int, int], np.ndarray | None]] = {
    "slice": _slice,
    "pad": _pad,
    "tile": _tile,
    "average": _average,
}
