"""How far one blob is from its reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["BlobDifference", "distances"]


@dataclass(frozen=True)
class BlobDifference:
    """How far a blob is from its reference; numbers are NaN where the shapes differ.

    Attributes
    ----------
    blob : its name.
    layers : the layers that write it, each with its type and its line where known.
    is_input : whether it was given, not computed.
    shape, reference_shape : of the two.
    max_abs : the largest absolute difference.
    relative : that in units of the largest absolute value of the reference; where the reference is
        all zeros, the absolute difference.
    ulp : that in units in the last place (float32) of the largest value of the reference.
    cosine : of the angle between the two, 1 where they differ by a factor only.
    agrees : whether `relative` is within the tolerance.
    """

    blob: str
    layers: tuple[str, ...]
    is_input: bool
    shape: tuple[int, ...]
    reference_shape: tuple[int, ...]
    max_abs: float
    relative: float
    ulp: float
    cosine: float
    agrees: bool

    @property
    def verdict(self) -> str:
        """One of: same, differs, other shape, not finite."""
        if self.agrees:
            return "same"
        if self.shape != self.reference_shape:
            return "other shape"
        return "differs" if np.isfinite(self.max_abs) else "not finite"


def distances(mine: np.ndarray, reference: np.ndarray) -> tuple[float, float, float, float]:
    """max_abs, relative, ulp and cosine of a `BlobDifference`, for float64 arrays.

    >>> distances(np.array([3.0, 4.5]), np.array([3.0, 4.0]))[:2]
    (0.5, 0.125)
    """
    if mine.shape != reference.shape:
        return math.nan, math.nan, math.nan, math.nan
    if not mine.size:
        return 0.0, 0.0, 0.0, 1.0
    largest = float(np.abs(reference).max())
    with np.errstate(invalid="ignore"):
        max_abs = float(np.abs(mine - reference).max())
        norms = float(np.linalg.norm(mine) * np.linalg.norm(reference))
        together = float(np.vdot(mine, reference))
    cosine = together / norms if norms else float(max_abs == 0)
    spacing = float(np.spacing(np.float32(largest))) if math.isfinite(largest) else math.nan
    return max_abs, max_abs / (largest or 1.0), max_abs / spacing, cosine
