"""The gaps of a file that several connections fill together.

Each takes the first free gap, so that what is there stays nearly without holes, and gives back what
it could not fill.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Gap", "Gaps"]

_SMALLEST = 1 << 22
_LARGEST = 1 << 25


@dataclass
class Gap:
    """Bytes from `start` to `stop`, None where the end of the file is not known.

    `start` moves on as they come; `stop` moves back when another connection takes the rest.
    """

    start: int
    stop: int | None


class Gaps:
    """Gaps to fill; those that are taken come back or are done.

    Examples
    --------
    >>> gaps = Gaps([(0, 10), (20, 30)])
    >>> first = gaps.take()
    >>> first.start = 10
    >>> gaps.done(first)
    >>> gaps.take()
    Gap(start=20, stop=30)
    """

    def __init__(self, missing: Iterable[tuple[int, int | None]]) -> None:
        self._free = [Gap(start, stop) for start, stop in missing]
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self) -> Gap | None:
        """The first free gap; waits for those under way, and None when nothing is left to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._free or not self._taken)
            if self._closed or not self._free:
                return None
            self._taken += 1
            return self._free.pop(0)

    def done(self, gap: Gap) -> None:
        """Say that no more comes for a gap; what is left of it is free again."""
        with self._changed:
            self._taken -= 1
            if gap.stop is None or gap.start < gap.stop:
                self._free.append(gap)
                self._free.sort(key=lambda gap: gap.start)
            self._changed.notify_all()

    def split(self, gap: Gap, connections: int) -> None:
        """Leave the first piece of a gap to the one who fills it, and free the rest in pieces."""
        with self._changed:
            if gap.stop is None:
                return
            size = (gap.stop - gap.start) // (4 * connections)
            size = max(_SMALLEST, min(_LARGEST, size))
            edges = [*range(gap.start, gap.stop, size), gap.stop]
            pieces = [Gap(start, stop) for start, stop in zip(edges, edges[1:], strict=False)]
            gap.stop = pieces[0].stop
            self._free += pieces[1:]
            self._free.sort(key=lambda gap: gap.start)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody take or wait for anything more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
