"""Filling what is missing of a part from one address, over several connections where it pays.

The first connection asks for all that is missing. If it turns out slow, and the server sends ranges
of a file that it would notice to change, more connections fetch the end meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from itertools import chain
from typing import TYPE_CHECKING

import requests

from zoo.registry.patience import Pace
from zoo.registry.storage.requesting import new_session, pieces
from zoo.registry.storage.trouble import RequestFailed, refusal
from zoo.registry.transfer_gaps import Gap, Gaps
from zoo.registry.transfer_part import Origin, Superseded
from zoo.registry.transfer_range import Question, answered_range

if TYPE_CHECKING:
    from zoo.registry.transfer_mirror import Task

__all__ = ["Filling"]

_CONNECTIONS = 4
_LARGE = 64 << 20
_LOOK_FOR = 0.5  # seconds, after which the rate of a connection is known
_SLOW = 2.0  # seconds still to go alone, from which on more connections pay

_Ask = Callable[[requests.Session, Question, int | None], AbstractContextManager[requests.Response]]


class Filling:
    """The gaps of a part and the connections that fill them.

    Parameters
    ----------
    url : the address.
    task : what is to be fetched.
    ask : opens a connection.
    origin : the version of the file; another one is refused.
    lease : to write with.
    """

    def __init__(self, url: str, task: Task, ask: _Ask, origin: Origin, lease: int) -> None:
        self._url, self._task, self._ask = url, task, ask
        self._origin, self._lease = origin, lease
        self._gaps = Gaps(task.part.missing())

    def write_first(
        self, first: bytes, body: Iterator[bytes], offset: int, *, ranges: bool
    ) -> None:
        """Write a body that goes on to the end of the file, until it meets what is there.

        Parameters
        ----------
        first, body : its first piece, and the others.
        offset : where it begins in the file.
        ranges : whether the server can send ranges.
        """
        can_split = ranges and self._origin.validator and (self._origin.total or 0) >= _LARGE
        gap = self._gaps.take()
        if gap is None:
            return
        try:
            for pace in self._write(gap, chain([first], body), offset):
                if can_split and gap.stop is not None and pace.age >= _LOOK_FOR:
                    can_split = False
                    if (gap.stop - gap.start) / max(pace.rate, 1.0) > _SLOW:
                        self._share(gap)
        finally:
            self._gaps.done(gap)

    def fill_ranges(self, session: requests.Session) -> None:
        """Ask for free gaps, one after the other, until none is left."""
        while (gap := self._gaps.take()) is not None:
            try:
                asked = Question(gap.start, self._origin.validator)
                with self._ask(session, asked, gap.stop) as answer:
                    found = answered_range(answer.headers)
                    if answer.status_code != 206 or found != (
                        gap.start,
                        gap.stop,
                        self._origin.total,
                    ):
                        raise self._no_range(answer)
                    length = None if gap.stop is None else gap.stop - gap.start
                    for _ in self._write(gap, pieces(self._url, answer, length), gap.start):
                        pass
            finally:
                self._gaps.done(gap)

    def end(self) -> None:
        """Let no connection begin another gap."""
        self._gaps.close()

    def _write(self, gap: Gap, body: Iterator[bytes], offset: int) -> Iterator[Pace]:
        """Write what a body has of a gap, until either ends; yields how fast it is."""
        pace = Pace()
        for piece in body:
            end = offset + len(piece)
            stop = end if gap.stop is None else min(end, gap.stop)
            self._task.check_size(self._url, stop)
            if gap.start < stop:
                self._task.part.write(
                    self._lease, gap.start, memoryview(piece)[gap.start - offset : stop - offset]
                )
                gap.start = stop
            if stop == gap.stop:
                return
            offset = end
            pace.count(len(piece))
            if pace.idle > self._task.patience.slowest:
                raise RequestFailed(self._url, "too slow to ever end", retryable=True)
            yield pace
        if gap.stop is None:
            gap.stop = gap.start

    def _share(self, gap: Gap) -> None:
        self._gaps.split(gap, _CONNECTIONS)
        for _ in range(_CONNECTIONS - 1):
            threading.Thread(target=self._help, daemon=True, name="zoo range").start()

    def _help(self) -> None:
        """Fill gaps beside the first connection; one that fails leaves its gap to the others."""
        with suppress(RequestFailed, Superseded, OSError), new_session() as session:
            self.fill_ranges(session)

    def _no_range(self, answer: requests.Response) -> RequestFailed:
        if answer.status_code not in (200, 206):
            return refusal(self._url, answer)
        reason = "the file changed while it was fetched, or its server cannot send ranges"
        return RequestFailed(self._url, reason, retryable=True)
