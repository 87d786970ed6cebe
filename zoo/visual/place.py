"""A rectangle of pixels in the picture that a network is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Pixels from the left and the top, counted from 0."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def spanning(cls, rows: Sequence[int], columns: Sequence[int], size: Sequence[int]) -> Place:
        """From the first to the last row and column, as far as they are in a picture of that size.

        >>> Place.spanning((-3, 4), (2, 30), (10, 20))
        Place(left=2, top=0, width=18, height=5)
        """
        top, bottom = max(rows[0], 0), min(rows[1] + 1, size[0])
        left, right = max(columns[0], 0), min(columns[1] + 1, size[1])
        return cls(left, top, max(right - left, 0), max(bottom - top, 0))

    def to_dict(self) -> dict[str, int]:
        """The same for JSON."""
        return asdict(self)
