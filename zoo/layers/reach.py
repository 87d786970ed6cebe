"""From which places of its bottoms a layer computes one place of its tops.

A place is a position along the axes behind N and C: a row, a column. Where a layer moves a window,
one `Reach` for each of these axes says it; other layers say in a word what they read:

    "whole"    every place of the bottom: InnerProduct, global pooling, a loss
    "moved"    one place, but rows and columns are none any more: Flatten, Reshape, Permute
    "nothing"  no value at all, only the shape: the reference of Crop
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Reach", "Reaches", "same_place", "windows"]


@dataclass(frozen=True)
class Reach:
    """A window along one axis: `extent` places, `step` apart, `before` of them ahead of place 0.

    With a `zoom` the window moves over the bottom spread so many times, as Deconvolution does:
    place i of the bottom lies at i * zoom, and nothing lies between.

    >>> Reach(extent=3, step=2, before=1).places(4)
    (7, 9)
    >>> Reach(extent=4, before=2, zoom=2).places(5)
    (2, 3)
    """

    extent: int = 1
    step: int = 1
    before: int = 0
    zoom: int = 1

    def places(self, place: int) -> tuple[int, int]:
        """The first and the last place of the bottom that `place` of the top reads.

        The window of a Deconvolution whose stride exceeds its kernel can lie between two places,
        and then it counts as on the one ahead.
        """
        first = place * self.step - self.before
        last = (first + self.extent - 1) // self.zoom
        return min(-(-first // self.zoom), last), last


Reaches = tuple[Reach, ...] | Literal["whole", "moved", "nothing"]


def same_place(bottom: Sequence[int], top: Sequence[int]) -> Reaches:
    """What most layers read: the same place, and all places of a bottom of other sizes.

    >>> same_place((1, 64, 7, 7), (1, 32, 7, 7))
    (Reach(extent=1, step=1, before=0, zoom=1), Reach(extent=1, step=1, before=0, zoom=1))
    >>> same_place((1, 64, 7, 7), (1, 32))
    'whole'
    """
    return (Reach(),) * len(bottom[2:]) if tuple(bottom[2:]) == tuple(top[2:]) else "whole"


def windows(extent: Sequence[int], step: Sequence[int], before: Sequence[int]) -> tuple[Reach, ...]:
    """One window for each axis.

    >>> windows((3, 5), (1, 2), (1, 2))[1]
    Reach(extent=5, step=2, before=2, zoom=1)
    """
    return tuple(map(Reach, extent, step, before))
