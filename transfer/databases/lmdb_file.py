"""LMDB as Caffe opens it: read-only, keys in the order of their bytes (caffe/util/db_lmdb.cpp).

A database is a folder with `data.mdb` in it, or that file under any name. It is opened without
LMDB's lock file, so that a database on a read-only disk can be read; nobody may write to it
meanwhile, which Caffe asks for too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from zoo.errors import UnavailableError, UsageError

__all__ = ["LMDBFile"]

_OPENING = threading.Lock()


class LMDBFile:
    """The rows of one LMDB.

    Raises
    ------
    UsageError
        When there is no such file, or it is no LMDB.
    UnavailableError
        When the package `lmdb` is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._environment = _environment(path)

    def __len__(self) -> int:
        return int(self._environment.lmdb.stat()["entries"])

    def items(self, skip: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in the order of the keys, without the first `skip`."""
        with self._environment.lmdb.begin(buffers=True) as transaction:
            for key, value in islice(transaction.cursor(), skip, None):
                yield bytes(key), bytes(value)

    def get(self, key: bytes) -> bytes:
        """The value of a key that is there."""
        with self._environment.lmdb.begin() as transaction:
            value: bytes | None = transaction.get(key)
        if value is None:
            raise UsageError(f"{self.path} has no key {key!r}")
        return value


class _Environment:
    """What lmdb opened; it is closed when the last reader is gone."""

    def __init__(self, lmdb: Any) -> None:
        self.lmdb = lmdb

    def __del__(self) -> None:
        self.lmdb.close()


# A process must not open the same LMDB twice, and a training and a test net often read the same.
_OPEN: WeakValueDictionary[Path, _Environment] = WeakValueDictionary()


def _environment(path: Path) -> _Environment:
    try:
        import lmdb
    except ImportError as error:
        raise UnavailableError(
            f"{path}: reading LMDB needs the package lmdb: pip install lmdb"
        ) from error
    file = path / "data.mdb" if path.is_dir() else path
    if not file.is_file():
        what = "there is no data.mdb in the folder" if path.is_dir() else "there is no such file"
        raise UsageError(f"{path} cannot be read as LMDB: {what}")
    with _OPENING:
        place = file.resolve()
        found = _OPEN.get(place)
        if found is None:
            try:
                found = _Environment(
                    lmdb.open(str(place), subdir=False, readonly=True, lock=False, create=False)
                )
            except lmdb.Error as error:
                raise UsageError(f"{path} cannot be read as LMDB: {error}") from None
            _check_whole(found.lmdb, file, path)
            _OPEN[place] = found
        return found


def _check_whole(lmdb: Any, file: Path, path: Path) -> None:
    """Refuse a file that ends before its last page: the system ends a process that reads there."""
    needed = (lmdb.info()["last_pgno"] + 1) * lmdb.stat()["psize"]
    size = file.stat().st_size
    if size < needed:
        raise UsageError(
            f"{path} cannot be read as LMDB: it is cut short, {size} bytes of {needed}; copy or"
            " download it again"
        )
