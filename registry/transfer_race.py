"""The mirrors of a file, in order; the next one starts when the one before fails or stalls.

Only one of them writes at a time. One that starts beside a stalled one takes over with its first
bytes, unless the other moves again; the loser hangs up, and gets another turn if all others fail.
"""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Callable, Sequence

from zoo.errors import DownloadError, VerificationError, ZooError
from zoo.registry.patience import Pace
from zoo.registry.storage.trouble import RequestFailed, shown
from zoo.registry.transfer_mirror import Mirror, Task
from zoo.registry.transfer_part import Origin, Superseded

__all__ = ["Race"]

_TICK = 0.05


class Race:
    """The mirrors of one file.

    Parameters
    ----------
    urls : addresses, the best one first.
    task : what is to be fetched.
    name : of the file, for messages.
    """

    def __init__(self, urls: Sequence[str], task: Task, name: str) -> None:
        self.attempts: list[tuple[str, str]] = []
        self._task, self._name = task, name
        self._urls = list(dict.fromkeys(urls))
        self._tried = tuple(self._urls)
        self._is_wrong = False
        self._changed = threading.Condition()
        self._pace = Pace()
        self._last_start = 0.0
        self._running: dict[Mirror, float] = {}
        self._leader: Mirror | None = None
        self._winner: Mirror | None = None
        self._broken: BaseException | None = None

    def run(self, report: Callable[[int, int | None], None], stop: threading.Event) -> Mirror:
        """Wait until one mirror has brought all that was missing.

        Parameters
        ----------
        report : told how far it is, some times a second.
        stop : ends the race when it is set.

        Raises
        ------
        DownloadError
            when none can, one line for each.
        Superseded
            when it was stopped.
        """
        part, patience = self._task.part, self._task.patience
        done, told = part.arrived, False
        try:
            while True:
                self._go_on()
                with self._changed:
                    if not self._is_over():
                        self._changed.wait(_TICK)
                now, origin = part.arrived, part.origin
                self._pace.count(max(0, now - done))
                if origin and not told:
                    report(min(done, now), origin.total)
                if origin and (now != done or self._winner):
                    report(now, origin.total)
                done, told = now, origin is not None
                if self._broken:
                    raise self._broken
                if self._winner:
                    return self._winner
                if stop.is_set():
                    raise Superseded
                if self._pace.idle > patience.total:
                    raise self._lost(f"\nNothing came for {patience.total:g} seconds.")
        finally:
            self._end()

    def _go_on(self) -> None:
        """Start the next mirror if that may help."""
        with self._changed:
            quiet = min(self._pace.idle, time.monotonic() - self._last_start)
            if self._is_over() or (self._running and quiet < self._task.patience.stall):
                return
            if not self._urls:
                if not self._running:
                    self._broken = self._lost()
                return
            mirror = Mirror(self._urls.pop(0), self._task, self._lead, self._note)
            self._running[mirror] = self._last_start = time.monotonic()
            threading.Thread(
                target=self._fetch, args=(mirror,), daemon=True, name=f"zoo {mirror.label}"
            ).start()

    def _fetch(self, mirror: Mirror) -> None:
        """The life of one mirror, in its own thread."""
        broken: BaseException | None = None
        try:
            mirror.fetch()
            self._winner = mirror
        except Superseded:
            self._urls.append(mirror.url)  # not its fault: it gets another turn if others fail
        except RequestFailed as failure:
            self._is_wrong = self._is_wrong or failure.wrong_file
        except BaseException as error:  # such as a full disk: handed to the one who waits
            broken = error
        with self._changed:
            self._running.pop(mirror, None)
            self._broken = self._broken or broken
            self._changed.notify_all()

    def _lead(self, mirror: Mirror, origin: Origin, restart: bool) -> int:
        """The right to write, for the mirror to which bytes came first."""
        with self._changed:
            behind = self._leader is not mirror and self._leader in self._running
            overtaken = behind and self._pace.news > self._running[mirror]
            if self._is_over() or mirror.is_cancelled or overtaken:
                raise Superseded
            self._check_space(origin, restart)
            lease = self._task.part.begin(origin, restart=restart)
            for other in self._running:
                if other is not mirror:
                    other.cancel()
            self._leader = mirror
            return lease

    def _check_space(self, origin: Origin, restart: bool) -> None:
        here = 0 if restart else self._task.part.arrived
        free = shutil.disk_usage(self._task.part.path.parent).free
        if origin.total is not None and origin.total - here > free:
            raise OSError(errno.ENOSPC, f"{self._name} has {origin.total} bytes, {free} are free")

    def _note(self, mirror: Mirror, reason: str) -> None:
        with self._changed:
            self.attempts.append((mirror.label, reason))

    def _is_over(self) -> bool:
        return self._winner is not None or self._broken is not None

    def _end(self) -> None:
        with self._changed:
            self._broken = self._broken or Superseded()
            self._task.part.revoke()
            for mirror in self._running:
                mirror.cancel()

    def _lost(self, more: str = "") -> ZooError:
        """The error when no mirror gave the file: a line for each, with its last reason."""
        last = dict(self.attempts)
        lines = [(shown(url), last.get(shown(url), "no answer in time")) for url in self._tried]
        kept = self._task.part.arrived
        message = (
            f"{self._name} could not be fetched. Tried:"
            + "".join(f"\n  {label}: {reason}" for label, reason in lines)
            + more
            + (f"\n{kept} bytes came and are kept; the next fetch goes on there." if kept else "")
        )
        if self._is_wrong:
            return VerificationError(message)
        return DownloadError(f"{message}\nTry again later, or give a source that has it.", lines)
