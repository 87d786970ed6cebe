"""What is seen of a network in one look at a few rows of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Input", "Look", "Scores"]


@dataclass(frozen=True)
class Input:
    """A blob of data: mean, standard deviation and limits of its values."""

    name: str
    mean: float
    spread: float
    least: float
    most: float

    @classmethod
    def of(cls, name: str, values: NDArray[np.float32]) -> Input:
        """The numbers of these values."""
        wide = np.asarray(values, np.float64)
        with np.errstate(all="ignore"):  # of values that are no numbers
            return cls(name, *(float(f(wide)) for f in (np.mean, np.std, np.min, np.max)))

    @property
    def is_finite(self) -> bool:
        """Whether all values are numbers."""
        return math.isfinite(self.mean)


@dataclass(frozen=True)
class Scores:
    """The scores of a classifier.

    Attributes
    ----------
    spread : largest minus smallest score of a row, on average; 0 where all classes have the same.
    between : standard deviation of a class's score over the rows; 0 where all rows have the same.
    zeros : share of scores that are exactly 0.
    """

    spread: float
    between: float
    zeros: float


@dataclass(frozen=True)
class Look:
    """Numbers by name of layer.

    Attributes
    ----------
    iteration : updates that were made before.
    rows : how many were looked at.
    means : mean of the absolute values that each layer makes, in the order of the net.
    active : for each ReLU, by unit (channel), whether it gave anything but 0 for any row.
    saturated : for each Sigmoid and TanH the share of values at its ends.
    gradients, weights, counts : for each layer whose weights learn their norms and how many
        weights it has.
    alike : layers whose units have all the same weights.
    updates : norm of the update that followed, by that of the weights.
    scores : by layer that makes them.
    """

    iteration: int
    rows: int
    means: Mapping[str, float]
    active: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    saturated: Mapping[str, float] = field(default_factory=dict)
    gradients: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    alike: frozenset[str] = frozenset()
    updates: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)

    @property
    def first_not_finite(self) -> tuple[str, str] | None:
        """The first layer whose values, or else gradients, are no numbers, and which of the two."""
        for name, mean in self.means.items():
            if not math.isfinite(mean):
                return name, "values"
        # Gradients are computed from the last layer to the first.
        for name, norm in reversed(list(self.gradients.items())):
            if not math.isfinite(norm):
                return name, "gradient"
        return None

    def slope(self, name: str) -> float:
        """Root mean square of the gradient of a layer's weights."""
        return self.gradients[name] / math.sqrt(max(self.counts[name], 1))
