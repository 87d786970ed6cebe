"""How fast an epoch was, and how much of it was spent waiting for data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any

__all__ = ["Timed"]


class Timed:
    """Batches of inputs and labels that are passed on once, and timed from first to last.

    Examples
    --------
    >>> timed = Timed([(None, [0, 1]), (None, [1])])
    >>> for batch in timed:
    ...     pass
    >>> timed.rows, sorted(timed.speed())
    (3, ['images_per_second', 'waited'])
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = iter(batches)
        self.rows, self._seconds, self._waited = 0, 0.0, 0.0

    def __iter__(self) -> Iterator[Any]:
        began = perf_counter()
        while True:
            asked = perf_counter()
            batch = next(self._batches, None)
            got = perf_counter()
            self._waited += got - asked
            self._seconds = got - began
            if batch is None:
                return
            self.rows += len(batch[1])
            yield batch

    def speed(self) -> dict[str, float]:
        """Images a second, and the share of the time in which training waited for the next."""
        seconds = max(self._seconds, 1e-9)
        return {"images_per_second": self.rows / seconds, "waited": self._waited / seconds}
