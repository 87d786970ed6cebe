"""The part of a file that has come so far, which survives the process that fetches it.

    <parts>/<key>.part     the bytes; locked by the process that works on it, and only by that
    <parts>/<key>.json     where they are from: {"url", "validator", "total", "written"}

`written` lists the intervals that are there. It is null as long as the file grows at its end, for
then its size says it; so a process that is killed at any moment leaves a part to go on with. The
lock is on the part itself: it ends with the process, and a part that can be locked is nobody's.
Where another process has a part, the next name is taken: <key>-2, <key>-3, ...
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from zoo.registry.transfer_lock import is_same, lock_file

__all__ = ["Origin", "Part", "Superseded", "open_part"]

_SAVE_EVERY = 1 << 24
_WORTH_RESUMING = 1 << 20


class Superseded(Exception):
    """The writer was replaced by another one, and has to stop."""


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a part are from.

    Parameters
    ----------
    url : without credentials.
    validator : strong ETag or date of last change, "" where the server gives none.
    total : bytes of the whole file, None where the server does not say.
    """

    url: str
    validator: str = ""
    total: int | None = None


class Part:
    """A part under work. One thread or more write; others may wait for what they write.

    `resumed` is how many of its bytes an earlier process left, `is_pieced` whether an answer went
    on where another had ended, and `restarts` counts how often all bytes were thrown away.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.restarts = 0
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._lease = 0
        self._ended = False
        self._origin, self._written = self._recorded()
        self._saved = self.resumed = self.arrived
        self.is_pieced = bool(self.resumed)

    @property
    def origin(self) -> Origin | None:
        """Where the bytes are from; None for a new part."""
        return self._origin

    @property
    def whole(self) -> int:
        """How many bytes are there without a gap from the beginning."""
        with self._changed:
            return self._whole()

    @property
    def arrived(self) -> int:
        """How many bytes are there."""
        with self._changed:
            return sum(stop - start for start, stop in self._written)

    def missing(self) -> list[tuple[int, int | None]]:
        """The gaps as (start, stop); a last stop of None where the end is not known."""
        with self._changed:
            total = self._origin.total if self._origin else None
            edges = [0, *(edge for interval in self._written for edge in interval), total]
            gaps = zip(edges[::2], edges[1::2], strict=True)
            return [(start or 0, stop) for start, stop in gaps if start != stop]

    def begin(self, origin: Origin, *, restart: bool) -> int:
        """Become the writer: the lease to write with, which ends every earlier one."""
        with self._changed:
            self._lease += 1
            self._origin = origin
            if restart:
                self._empty()
            self.is_pieced = self.is_pieced or bool(self._written)
            if origin.total is None or origin.total > _WORTH_RESUMING:
                self._save(intervals=len(self._written) > 1)
            return self._lease

    def revoke(self, lease: int | None = None) -> None:
        """End a lease, or, without one, that of whoever writes."""
        with self._changed:
            if lease in (None, self._lease):
                self._lease += 1

    def write(self, lease: int, offset: int, data: bytes | memoryview) -> None:
        """Write bytes at their place.

        Raises
        ------
        Superseded
            when another writer began since.
        """
        with self._changed:
            if lease != self._lease:
                raise Superseded
            if offset > self._whole() and len(self._written) <= 1:
                self._save(intervals=True)  # before there is anything behind a gap
            view, stop = memoryview(data), offset + len(data)
            while view:
                view = view[os.pwrite(self._descriptor, view, stop - len(view)) :]
            self._note(offset, stop)
            self._changed.notify_all()

    def read(self, buffer: memoryview, offset: int) -> int:
        """Read what is there at an offset; how many bytes came."""
        return os.preadv(self._descriptor, [buffer], offset)

    def flush(self) -> None:
        """Wait until the disk has what was written."""
        os.fdatasync(self._descriptor)

    def wait(self, position: int, restarts: int, enough: int) -> tuple[int, int, bool]:
        """Wait for bytes behind a position: (restarts, whole bytes, whether no more will come)."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._ended or self.restarts != restarts or self._whole() - position >= enough
                )
            )
            return self.restarts, self._whole(), self._ended

    def end(self, ended: bool = True) -> None:
        """Say that no more bytes will come, or that some may."""
        with self._changed:
            self._ended = ended
            self._changed.notify_all()

    def empty(self) -> None:
        """Forget all bytes, for they were wrong."""
        with self._changed:
            self._lease += 1
            self._origin = None
            self._empty()

    def become(self, target: Path) -> None:
        """Take the name of the finished file; it must be on the same volume."""
        with self._changed:
            self._lease += 1
            os.fsync(self._descriptor)
            os.replace(self.path, target)
            self._sidecar.unlink(missing_ok=True)
            self._origin = None

    def close(self) -> None:
        """End all writing, keep what can be resumed, and let others have it."""
        with self._changed:
            self._lease += 1
            if self._origin is not None and self._written:
                self._save(intervals=len(self._written) > 1)
            elif is_same(self.path, self._descriptor):
                self.path.unlink()
                self._sidecar.unlink(missing_ok=True)
            os.close(self._descriptor)

    @property
    def _sidecar(self) -> Path:
        return self.path.with_suffix(".json")

    def _whole(self) -> int:
        return self._written[0][1] if self._written and self._written[0][0] == 0 else 0

    def _empty(self) -> None:
        self._sidecar.unlink(missing_ok=True)
        os.ftruncate(self._descriptor, 0)
        self._written, self._saved, self.resumed, self.is_pieced = [], 0, 0, False
        self._ended = False
        self.restarts += 1
        self._changed.notify_all()

    def _note(self, start: int, stop: int) -> None:
        """Add an interval, and unite those that touch."""
        united: list[tuple[int, int]] = []
        for interval in sorted([*self._written, (start, stop)]):
            if united and interval[0] <= united[-1][1]:
                united[-1] = (united[-1][0], max(united[-1][1], interval[1]))
            else:
                united.append(interval)
        self._written = united
        if len(united) > 1:
            there = sum(stop - start for start, stop in united)
            if there - self._saved >= _SAVE_EVERY:
                self._save(intervals=True)

    def _save(self, *, intervals: bool = False) -> None:
        """Write the record; it may be lost with the power, and then the part is begun anew."""
        if self._origin is None:
            return
        facts = {**asdict(self._origin), "written": self._written if intervals else None}
        temporary = self._sidecar.with_suffix(".json.new")
        temporary.write_text(json.dumps(facts))
        os.replace(temporary, self._sidecar)
        self._saved = sum(stop - start for start, stop in self._written)

    def _recorded(self) -> tuple[Origin | None, list[tuple[int, int]]]:
        """What an earlier process left; a part without a record is worth nothing."""
        size = os.fstat(self._descriptor).st_size
        try:
            facts = json.loads(self._sidecar.read_text())
            intervals = facts.pop("written")
            intervals = [(0, size)] if intervals is None else intervals
            written = [(int(start), min(int(stop), size)) for start, stop in intervals]
            origin = Origin(**facts)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            os.ftruncate(self._descriptor, 0)
            return None, []
        written = sorted(one for one in written if 0 <= one[0] < one[1])
        # Bytes behind the last interval may have holes: nobody noted that they came.
        os.ftruncate(self._descriptor, written[-1][1] if written else 0)
        return origin, written


@contextmanager
def open_part(folder: Path, key: str) -> Iterator[Part]:
    """A part that no other process works on; what was left of it is there to go on with.

    Parameters
    ----------
    folder : where parts lie; made if needed.
    key : a plain name for the content, so that whoever wants it finds the same part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = next(found for found in map(_part, _names(folder, key)) if found is not None)
    try:
        yield part
    finally:
        part.close()


def _names(folder: Path, key: str) -> Iterator[Path]:
    yield folder / f"{key}.part"
    yield from (folder / f"{key}-{number}.part" for number in count(2))


def _part(path: Path) -> Part | None:
    descriptor = lock_file(path)
    return None if descriptor is None else Part(path, descriptor)
