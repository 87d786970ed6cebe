"""LevelDB, read as it lies there (caffe/util/db_leveldb.cpp).

LevelDB itself writes into the folder whenever it opens one: it takes the lock, rewrites the log as
a table and may start to merge tables. Here nothing is written, so a database on a read-only disk
can be read. What counts is found as LevelDB finds it: CURRENT names a manifest, the manifest the
tables and the log; of all writes of a key the latest counts.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path

from zoo.errors import ParseError, UsageError
from zoo.transfer.databases.leveldb_table import (
    DELETED,
    Entry,
    Table,
    log_records,
    text_at,
    varint_at,
)

__all__ = ["LevelDB"]

_BYTEWISE = b"leveldb.BytewiseComparator"
# Tags of a manifest: what follows each.
_COMPARATOR, _LOG, _NEXT_FILE, _LAST_SEQUENCE, _POINTER, _DELETED_FILE, _NEW_FILE = range(1, 8)
_LOG_BEFORE = 9


class LevelDB:
    """The rows of one LevelDB.

    Raises
    ------
    UsageError
        When there is no LevelDB in that folder.
    ParseError
        When one of its files is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            manifest = path / (path / "CURRENT").read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "its file CURRENT is damaged"
            raise UsageError(
                f"{path} cannot be read as LevelDB: {reason}. Expected a folder with the files"
                " CURRENT and MANIFEST-..."
            ) from None
        numbers, logs = _manifest(manifest)
        self._tables = [Table(_table_path(path, number)) for number in sorted(numbers)]
        self._log = sorted(
            (entry for log in logs for entry in _writes(path / f"{log:06}.log")), key=_order
        )

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self.items())

    def __len__(self) -> int:
        return self._count

    def items(self, skip: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in the order of the keys, without the first `skip`."""
        runs: list[Iterable[Entry]] = [table.entries() for table in self._tables]
        merged = heapq.merge(*runs, self._log, key=_order)
        latest = (next(writes) for _, writes in groupby(merged, attrgetter("key")))
        rows = ((entry.key, entry.value) for entry in latest if entry.kind != DELETED)
        return islice(rows, skip, None)

    def get(self, key: bytes) -> bytes:
        """The value of a key that is there."""
        writes = [entry for table in self._tables for entry in table.find(key)]
        writes += [entry for entry in self._log if entry.key == key]
        latest = min(writes, key=_order, default=None)
        if latest is None or latest.kind == DELETED:
            raise UsageError(f"{self.path} has no key {key!r}")
        return latest.value


def _order(entry: Entry) -> tuple[bytes, int]:
    return entry.key, -entry.sequence


def _table_path(folder: Path, number: int) -> Path:
    older = folder / f"{number:06}.sst"
    return older if older.exists() else folder / f"{number:06}.ldb"


def _manifest(path: Path) -> tuple[set[int], list[int]]:
    """The numbers of the tables, and of the logs that hold later writes."""
    tables: set[int] = set()
    log = before = 0
    for record in log_records(path):
        for tag, number in _edits(record, path):
            if tag == _NEW_FILE:
                tables.add(number)
            elif tag == _DELETED_FILE:
                tables.discard(number)
            elif tag == _LOG:
                log = number
            elif tag == _LOG_BEFORE:
                before = number
    numbers = {int(file.stem) for file in path.parent.glob("*.log") if file.stem.isdecimal()}
    return tables, sorted(number for number in numbers if number >= log or number == before != 0)


def _edits(record: bytes, path: Path) -> Iterator[tuple[int, int]]:
    """What one record of a manifest changes: tag and number of a file."""
    at = 0
    try:
        while at < len(record):
            number = 0
            tag, at = varint_at(record, at)
            if tag == _COMPARATOR:
                comparator, at = text_at(record, at)
                if comparator != _BYTEWISE:
                    raise ValueError(f"its keys are in the order of {comparator!r}, not of bytes")
            elif tag in (_LOG, _NEXT_FILE, _LAST_SEQUENCE, _LOG_BEFORE):
                number, at = varint_at(record, at)
            elif tag in (_POINTER, _DELETED_FILE, _NEW_FILE):
                _, at = varint_at(record, at)  # the level
                if tag == _POINTER:
                    _, at = text_at(record, at)
                else:
                    number, at = varint_at(record, at)
                if tag == _NEW_FILE:
                    _, at = varint_at(record, at)  # its size
                    _, at = text_at(record, at)  # smallest and largest key
                    _, at = text_at(record, at)
            else:
                raise ValueError(f"tag {tag} is not known")
            yield tag, number
    except (ValueError, IndexError) as error:
        raise ParseError(f"the manifest is damaged: {error or 'cut short'}", path) from None


def _writes(path: Path) -> Iterator[Entry]:
    """The writes of a log; a record is a batch of them."""
    for record in log_records(path):
        try:
            sequence, at = int.from_bytes(record[:8], "little"), 12
            while at < len(record):
                kind, value = record[at], b""
                key, at = text_at(record, at + 1)
                if kind != DELETED:
                    value, at = text_at(record, at)
                yield Entry(key, sequence, kind, value)
                sequence += 1
        except (ValueError, IndexError) as error:
            raise ParseError(f"the log is damaged: {error or 'cut short'}", path) from None
