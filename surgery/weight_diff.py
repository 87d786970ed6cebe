"""How far the weights of two nets are from each other, blob by blob."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["WeightDifference", "weight_differences"]

Weights = Mapping[str, Sequence[np.ndarray | None]]
_PIECE = 1 << 22  # values that are made float64 at once


@dataclass(frozen=True)
class WeightDifference:
    """How far a blob of B is from that of A; numbers are NaN where there is nothing to compare.

    Attributes
    ----------
    layer, index : which blob.
    shape_a, shape_b : of the two; None where a net does not have it.
    relative : the norm of the difference (L2) over the norm of A's.
    cosine : of the angle between the two, 1 where they differ by a factor only.
    max_abs : the largest absolute difference.
    """

    layer: str
    index: int
    shape_a: tuple[int, ...] | None
    shape_b: tuple[int, ...] | None
    relative: float = math.nan
    cosine: float = math.nan
    max_abs: float = math.nan

    @property
    def verdict(self) -> str:
        """One of: same, differs, only in A, only in B, other shape."""
        if self.shape_a is None:
            return "only in B"
        if self.shape_b is None:
            return "only in A"
        if not _comparable(self.shape_a, self.shape_b):
            return "other shape"
        return "same" if self.max_abs == 0 else "differs"


def weight_differences(a: Weights, b: Weights) -> Iterator[WeightDifference]:
    """Each blob that either has, those of A first; None counts as not there.

    >>> old, new = np.array([3.0, 4.0]), np.array([3.0, 4.5])
    >>> [found] = weight_differences({"fc": [old]}, {"fc": [new]})
    >>> found.relative, found.max_abs, found.verdict
    (0.1, 0.5, 'differs')
    """
    for layer in {**a, **b}:
        blobs_a, blobs_b = a.get(layer, ()), b.get(layer, ())
        for index in range(max(len(blobs_a), len(blobs_b))):
            one, other = (_blob(blobs, index) for blobs in (blobs_a, blobs_b))
            if one is not None or other is not None:
                yield _difference(layer, index, one, other)


def _difference(
    layer: str, index: int, one: np.ndarray | None, other: np.ndarray | None
) -> WeightDifference:
    if one is None or other is None:
        shape_a, shape_b = (None if blob is None else blob.shape for blob in (one, other))
        return WeightDifference(layer, index, shape_a, shape_b)
    if not _comparable(one.shape, other.shape):
        return WeightDifference(layer, index, one.shape, other.shape)
    return WeightDifference(layer, index, one.shape, other.shape, *_distances(one, other))


def _blob(blobs: Sequence[np.ndarray | None], index: int) -> np.ndarray | None:
    return blobs[index] if index < len(blobs) else None


def _comparable(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether the shapes are the same but for axes of 1, as old Caffe wrote them."""
    return [size for size in one if size != 1] == [size for size in other if size != 1]


def _distances(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """relative, cosine and max_abs, in pieces, so that no large copy is made."""
    one, other = one.reshape(-1), other.reshape(-1)
    ones = others = products = differences = largest = 0.0
    for start in range(0, one.size, _PIECE):
        old, new = (each[start : start + _PIECE].astype(np.float64) for each in (one, other))
        nowhere = np.isnan(old) & np.isnan(new)  # the same in both, as that of a blob with itself
        old[nowhere] = new[nowhere] = 0
        difference = new - old
        ones, others = ones + float(old @ old), others + float(new @ new)
        products += float(old @ new)
        differences += float(difference @ difference)
        largest = float(np.maximum(largest, np.abs(difference).max()))
    if not ones:
        return (math.inf if others else 0.0), float(not others), largest
    cosine = products / math.sqrt(ones * others) if others else 0.0
    return math.sqrt(differences / ones), min(cosine, 1.0), largest
