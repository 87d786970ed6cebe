"""A learning rate range test: the rate rises with each step until the loss does.

Smith, Cyclical learning rates for training neural networks (arXiv 1506.01186), with the smoothing
and the geometric steps that Gugger's account of it made common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "range_test"]

_SMOOTH = 0.9  # what a smoothed loss keeps of the one before
_SETTLING = 10  # steps after which one batch no longer moves the running mean by itself
_DIVERGED = 4  # times the lowest loss


@dataclass(frozen=True)
class Curve:
    """Losses at rising rates.

    Attributes
    ----------
    rates : of each step.
    losses : of its batch, before the step.
    smoothed : a running mean of the losses.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]

    @property
    def steepest(self) -> float | None:
        """Where the smoothed loss falls fastest, once it is the mean of some batches; None where it
        never falls.

        >>> round(Curve((1e-3, 1e-2, 1e-1, 1), (), (2.0, 1.9, 1.1, 1.0)).steepest, 3)
        0.01
        """
        lowest = self._lowest
        if not lowest:
            return None
        first = min(_SETTLING, lowest // 2)
        slopes = np.diff(self.smoothed[first : lowest + 1])
        return self.rates[first + int(np.argmin(slopes))]

    @property
    def tenth(self) -> float | None:
        """A tenth of where the smoothed loss is lowest; None where it never falls."""
        return self.rates[self._lowest] / 10 if self._lowest else None

    @property
    def _lowest(self) -> int:
        return int(np.argmin(self.smoothed)) if self.smoothed else 0


def range_test(step: Callable[[float], float], rates: Sequence[float], guessing: float) -> Curve:
    """Take a step at each rate until the loss explodes.

    Parameters
    ----------
    step : takes the next step at a rate and returns the loss before it.
    rates : rising.
    guessing : the loss of who knows nothing; one below it is no explosion.
    """
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for rate in rates:
        loss = step(rate)
        if not np.isfinite(loss):
            break
        mean = _SMOOTH * mean + (1 - _SMOOTH) * loss
        losses.append(loss)
        smoothed.append(mean / (1 - _SMOOTH ** len(losses)))
        if smoothed[-1] > max(_DIVERGED * min(smoothed), guessing):
            break
    return Curve(tuple(rates[: len(losses)]), tuple(losses), tuple(smoothed))
