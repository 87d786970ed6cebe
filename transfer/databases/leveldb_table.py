"""The files of a LevelDB: sorted tables, and logs (its table_format.md and log_format.md).

A table is a run of blocks, mostly compressed by Snappy, and an index block with the last key of
each. A key there is the user's key and eight bytes more: the number of the write and whether it
wrote or deleted. A log is a run of records, each in one or more fragments that keep to blocks of
32 KiB. Checksums are not looked at, as LevelDB does not by default.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.errors import ParseError, UnavailableError

__all__ = ["DELETED", "Entry", "Table", "log_records", "text_at", "varint_at"]

DELETED = 0
_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_LOG_BLOCK, _LOG_HEADER = 32768, 7
_FULL, _FIRST, _LAST = 1, 2, 4


class Entry(NamedTuple):
    """One write: of all with the same key the one with the highest `sequence` counts."""

    key: bytes
    sequence: int
    kind: int
    value: bytes


class Table:
    """One ``.ldb`` or ``.sst`` file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is empty"
            raise ParseError(
                f"cannot be read: {reason}; the LevelDB is not complete", path
            ) from None
        if self._bytes[-8:] != _MAGIC or len(self._bytes) < _FOOTER:
            raise ParseError("this is no table of a LevelDB, or it is cut short", path)
        footer = self._bytes[-_FOOTER:]
        _, at = varint_at(footer, 0)
        _, at = varint_at(footer, at)
        index = self._block(_handle(footer, at))
        self._blocks = [_handle(handle, 0) for _, handle in index]
        self._last_keys = [key[:-8] for key, _ in index]

    def entries(self) -> Iterator[Entry]:
        """All writes, by key, the latest of a key first."""
        for handle in self._blocks:
            yield from self._entries(handle)

    def find(self, key: bytes) -> Iterator[Entry]:
        """The writes of one key."""
        for handle in self._blocks[bisect_left(self._last_keys, key) :]:
            for entry in self._entries(handle):
                if entry.key > key:
                    return
                if entry.key == key:
                    yield entry

    def _entries(self, handle: tuple[int, int]) -> Iterator[Entry]:
        for key, value in self._block(handle):
            mark = int.from_bytes(key[-8:], "little")
            yield Entry(key[:-8], mark >> 8, mark & 255, value)

    def _block(self, handle: tuple[int, int]) -> list[tuple[bytes, bytes]]:
        offset, size = handle
        try:
            block = self._bytes[offset : offset + size]
            if len(block) < size or size < 4:
                raise ValueError(f"a block of {size} bytes lies beyond its end")
            if self._bytes[offset + size] == 1:
                block = _unsnapped(block)
            return list(_pairs(block))
        except (ValueError, IndexError) as error:
            raise ParseError(f"damaged at byte {offset}: {error}", self.path) from None


def log_records(path: Path) -> Iterator[bytes]:
    """The records of a log or a manifest; one cut short at the end was never finished."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ParseError(
            f"cannot be read: {error.strerror}; the LevelDB is not complete", path
        ) from None
    at, record = 0, b""
    while at + _LOG_HEADER <= len(content):
        left = _LOG_BLOCK - at % _LOG_BLOCK
        if left < _LOG_HEADER:  # the rest of a block that has no room for a header
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        fragment = content[at + _LOG_HEADER : at + _LOG_HEADER + length]
        if kind == 0 or len(fragment) < length:  # room that was never written to
            return
        record = fragment if kind in (_FULL, _FIRST) else record + fragment
        if kind in (_FULL, _LAST):
            yield record
        at += _LOG_HEADER + length


def varint_at(content: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends.

    >>> varint_at(bytes([0xAC, 2]), 0)
    (300, 2)
    """
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def text_at(content: bytes, at: int) -> tuple[bytes, int]:
    """The bytes whose length stands there, and where they end."""
    length, at = varint_at(content, at)
    if at + length > len(content):
        raise ValueError("cut short")
    return content[at : at + length], at + length


def _handle(content: bytes, at: int) -> tuple[int, int]:
    offset, at = varint_at(content, at)
    return offset, varint_at(content, at)[0]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; of a key only what differs from the one before is stored."""
    end = len(block) - 4 * (int.from_bytes(block[-4:], "little") + 1)
    at, key = 0, b""
    while at < end:
        shared, at = varint_at(block, at)
        own, at = varint_at(block, at)
        size, at = varint_at(block, at)
        if at + own + size > end:
            raise ValueError("a row is longer than its block")
        key = key[:shared] + block[at : at + own]
        if len(key) < 8 and end:
            raise ValueError("a key is too short")
        yield key, block[at + own : at + own + size]
        at += own + size


def _unsnapped(block: bytes) -> bytes:
    try:
        from cramjam import snappy
    except ImportError as error:
        raise UnavailableError(
            "reading a LevelDB compressed by Snappy needs the package cramjam: pip install cramjam"
        ) from error
    try:
        return bytes(snappy.decompress_raw(block))
    except Exception as error:  # its own kind of error, without a public name in all versions
        raise ValueError(f"Snappy: {error}") from None
