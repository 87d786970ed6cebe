"""Protobuf's wire format, as much of it as a caffemodel needs, read without trust.

A message is a run of fields. Each begins with a varint tag, ``number << 3 | wire type``; the wire
type says how long the value is: a varint (0), 8 bytes (1), a varint length and that many bytes (2),
4 bytes (5). Groups (3 and 4) are in no Caffe schema and are refused, so nothing here recurses: how
deep a file nests is decided by the reader that calls `Wire.fields`, never by the file.

Every length is compared with what is left before anything is done with it. All that is ever made
from the bytes are Python integers and numpy views, so a file cannot ask for memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ParseError

__all__ = ["FIXED32", "FIXED64", "LARGEST_MESSAGE", "LENGTH", "VARINT", "Wire", "varint_bytes"]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# A snapshot of ResNet-152, some 670 layers, has about ten thousand fields to walk. The limit keeps
# a file of millions of two-byte fields from taking minutes, and an object in memory for each.
_MOST_FIELDS = 200_000
# protobuf's own limit for one message; Caffe's reader has it too.
LARGEST_MESSAGE = 2**31 - 1
_LARGEST_TAG = 2**32 - 1


def varint_bytes(value: int) -> bytes:
    """A non-negative integer as a varint.

    >>> varint_bytes(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Wire:
    """Walks the fields of one file's messages.

    Parameters
    ----------
    buffer : the whole file, usually a memory map, so that only what is looked at is read from disk.
    path : the file's name for error messages.
    """

    def __init__(self, buffer: bytes | mmap.mmap, path: Path) -> None:
        self.buffer, self.path, self.size = buffer, path, len(buffer)
        self._fields_left = _MOST_FIELDS

    def fields(self, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of the message in bytes ``start`` to ``stop``, in file order.

        Yields
        ------
        (number, wire type, first, last) : the value's bytes are ``first`` to ``last``. For a varint
        ``first`` is the value itself. For 4 and 8 byte values a run of fields with one and the same
        one-byte tag comes as one: the first value is at ``first``, the others follow with one
        tag byte between; `numbers` reads them.

        Raises
        ------
        ParseError : cut or damaged; names the byte.
        """
        buffer = self.buffer
        at = start
        while at < stop:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise self.error(at, f"more than {_MOST_FIELDS} fields; no caffemodel has so many")
            field = at
            tag, at = self._varint(at, stop, field)
            number, kind = tag >> 3, tag & 7
            if number == 0 or tag > _LARGEST_TAG:
                raise self.error(field, f"no field can have number {number}")
            if kind == LENGTH:
                length, at = self._varint(at, stop, field)
                if length > stop - at:
                    raise self._too_long(field, at + length, stop)
                yield number, kind, at, at + length
                at += length
            elif kind == VARINT:
                value, at = self._varint(at, stop, field)
                yield number, kind, value, at
            elif kind in (FIXED32, FIXED64):
                width = 4 if kind == FIXED32 else 8
                if width > stop - at:
                    raise self._too_long(field, at + width, stop)
                last = at + width
                if last < stop and at - field == 1 and buffer[last] == tag:
                    last = self._end_of_run(field, 1 + width, stop)
                yield number, kind, at, last
                at = last
            else:
                raise self.error(field, f"wire type {kind} is in no caffemodel")

    def numbers(self, dtype: str, kind: int, first: int, last: int) -> NDArray[Any] | None:
        """The values of a repeated ``<f4`` or ``<f8`` field as a view into the file, not a copy.

        Both spellings that protobuf permits are read, packed (one length, then the values) and
        unpacked (a tag before each). None where the wire type fits neither; protobuf takes such
        a field for one it does not know and passes over it.
        """
        width = np.dtype(dtype).itemsize
        if kind == LENGTH:
            count, rest = divmod(last - first, width)
            if rest:
                raise self.error(first, f"{last - first} bytes are no whole count of {width}")
            return np.frombuffer(self.buffer, dtype, count, first)
        if kind == (FIXED32 if width == 4 else FIXED64):
            # count * width value bytes and a tag byte between each two of them
            count = (last - first + 1) // (width + 1)
            if count == 1:
                return np.frombuffer(self.buffer, dtype, 1, first)
            record = np.dtype([("tag", "u1"), ("value", dtype)])
            records: NDArray[np.void] = np.frombuffer(self.buffer, record, count, first - 1)
            return records["value"]
        return None

    def varints(self, kind: int, first: int, last: int, most: int) -> list[int] | None:
        """The values of a repeated integer field, packed or not; None where it is neither.

        Raises
        ------
        ParseError : cut or damaged, or more than ``most`` values.
        """
        if kind == VARINT:
            return [first]
        if kind != LENGTH:
            return None
        values: list[int] = []
        at = first
        while at < last:
            if len(values) == most:
                raise self.error(at, f"more than {most} integers where at most {most} can be")
            value, at = self._varint(at, last, first)
            values.append(value)
        return values

    def error(self, at: int, message: str) -> ParseError:
        """A ParseError that names the byte."""
        return ParseError(
            f"byte {at}: {message}. The file is damaged, or of another kind.", self.path
        )

    def _varint(self, at: int, stop: int, field: int) -> tuple[int, int]:
        """An unsigned integer of at most 64 bits and the place behind it."""
        buffer = self.buffer
        value = shift = 0
        while at < stop:
            byte = buffer[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
            shift += 7
            if shift == 70:
                raise self.error(field, "an integer of more than ten bytes")
        raise self._too_long(field, stop + 1, stop)

    def _too_long(self, field: int, needs: int, stop: int) -> ParseError:
        """The error for a field that ends at byte ``needs`` where ``stop`` is the last it may."""
        if needs > self.size and needs - field <= LARGEST_MESSAGE:
            return ParseError(
                f"the file has {self.size} bytes, but the field at byte {field} needs"
                f" {needs - self.size} more. The download was probably cut: fetch it again.",
                self.path,
            )
        return self.error(
            field, f"a field of {needs - field} bytes where {stop - field} bytes are left"
        )

    def _end_of_run(self, start: int, stride: int, stop: int) -> int:
        """Where a run of records of ``stride`` bytes, all with the tag byte at ``start``, ends.

        An unpacked blob has one record for each weight, millions, so tags are compared many at a
        time; pieces grow from small ones, so that many short runs cost no more than one long one.
        """
        tag = self.buffer[start]
        at, piece = start + stride, 64
        while count := min(piece, (stop - at) // stride):
            tags = np.frombuffer(self.buffer, np.uint8, count * stride, at)[::stride]
            same = tags == tag
            if not same.all():
                return at + int(same.argmin()) * stride
            at += count * stride
            piece = min(2 * piece, 1 << 20)
        return at
