"""HDF5's file format, as much of it as Caffe writes, read without trust.

HDF5's own library takes what a file says about itself at its word: a single wrong byte can make it
ask for memory without end. Caffe's files are of one simple layout (superblock 0, groups as symbol
tables, datasets in one piece), which h5py writes too unless told otherwise. It is read here from a
map of the file: all that is ever made are Python integers, names, and numpy views. The format is
The HDF Group's "HDF5 File Format Specification Version 1.1"; its names are in the comments.

Every number is compared with the size of the file before it is followed, and the steps are counted,
so that rings and repetitions end.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ParseError

__all__ = ["HDF5_SIGNATURE", "Dataset", "HDF5File"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

# Header messages, and what is not read of them.
_DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT, _CONTINUATION, _SYMBOL_TABLE = 1, 3, 7, 8, 0x10, 0x11
_LINK_INFO, _LINK, _SHARED = 2, 6, 2
_COMPACT, _CONTIGUOUS = 0, 1
_INTEGER, _FLOAT, _STRING = 0, 1, 3
_SYMBOLIC_LINK = 2
_UNDEFINED = 2**64 - 1
# IEEE's floats: size -> (exponent's place, its bits, mantissa's place, its bits, bias).
_FLOATS = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}
# A snapshot of ResNet-152 needs some hundred thousand, which take a tenth of a second.
_MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Dataset:
    """Where the values of a dataset lie; `dtype` is None where they are no numbers or text."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic] | None
    offset: int
    size: int


class HDF5File:
    """The groups and datasets of one file.

    Parameters
    ----------
    buffer : the whole file, usually a memory map.
    path : the file's name for error messages.

    Raises
    ------
    ParseError : cut, damaged, or of a layout that Caffe does not write.
    """

    def __init__(self, buffer: bytes | mmap.mmap, path: Path) -> None:
        self.buffer, self.path = buffer, path
        self._steps_left = _MOST_STEPS
        if buffer[:8] != HDF5_SIGNATURE:
            raise ParseError("this is not an HDF5 file", path)
        version = self._number(8, 1)
        if version > 1 or self._number(13, 1) != 8 or self._number(14, 1) != 8:
            raise self._other_layout(f"superblock {version}")
        addresses = 24 if version == 0 else 28
        if self._number(addresses, 8) != 0:
            raise self._other_layout("a user block")
        end = self._number(addresses + 16, 8)
        if end > len(buffer):
            raise ParseError(
                f"the file has {len(buffer)} bytes, but says that it has {end}. The download was"
                " probably cut: fetch it again.",
                path,
            )
        self.root = self._number(addresses + 40, 8)

    def links(self, address: int) -> dict[str, int] | None:
        """Name -> address of all that is in the group at ``address``; None if it is no group."""
        messages = dict(self._messages(address))
        if _LINK_INFO in messages or _LINK in messages:
            raise self._other_layout("groups that are no symbol tables")
        if _SYMBOL_TABLE not in messages:
            return None
        start, _ = messages[_SYMBOL_TABLE]
        tree, heap = self._number(start, 8), self._number(start + 8, 8)
        return dict(sorted(self._symbols(tree, heap)))

    def dataset(self, address: int) -> Dataset | None:
        """The dataset at ``address``; None if it is something else."""
        messages = dict(self._messages(address))
        if not {_DATASPACE, _DATATYPE, _LAYOUT} <= set(messages):
            return None
        if _EXTERNAL in messages:
            raise self._other_layout("values in other files")
        offset, size = self._layout(*messages[_LAYOUT])
        dtype = self._dtype(messages[_DATATYPE][0])
        return Dataset(self._shape(messages[_DATASPACE][0]), dtype, offset, size)

    def values(self, dataset: Dataset) -> NDArray[np.generic]:
        """The values of a dataset of numbers or text, a view into the file.

        Raises
        ------
        ParseError : they are not all in the file, or are of another type.
        """
        if dataset.dtype is None:
            raise ParseError("values that are neither numbers nor text", self.path)
        count = math.prod(dataset.shape)
        if count * dataset.dtype.itemsize > dataset.size:
            raise ParseError(
                f"shape {dataset.shape} is of {count} values, but {dataset.size} bytes are there",
                self.path,
            )
        if count == 0:
            return np.zeros(dataset.shape, dataset.dtype)
        self._check(dataset.offset, dataset.size)
        values = np.frombuffer(self.buffer, dataset.dtype, count, dataset.offset)
        return values.reshape(dataset.shape)

    def _messages(self, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """(type, (first byte, last)) of the messages in the object header at ``address``."""
        if self.buffer[address : address + 4] == b"OHDR":
            raise self._other_layout("object headers of version 2")
        if self._number(address, 1) != 1:
            raise self._damaged(address, "no object header")
        blocks = [(address + 16, self._number(address + 8, 4))]
        while blocks:
            at, size = blocks.pop()
            self._check(at, size)
            stop = at + size
            while at + 8 <= stop:
                kind, length = self._number(at, 2), self._number(at + 2, 2)
                at += 8
                if at + length > stop:
                    raise self._damaged(at, f"a message of {length} bytes")
                if self._number(at - 4, 1) & _SHARED:
                    raise self._other_layout("messages that headers share")
                if kind == _CONTINUATION:
                    blocks.append((self._number(at, 8), self._number(at + 8, 8)))
                else:
                    yield kind, (at, at + length)
                at += length

    def _symbols(self, tree: int, heap: int) -> Iterator[tuple[str, int]]:
        """(name, address) of the members of a group: a B-tree, its leaves symbol table nodes."""
        self._check_signature(heap, b"HEAP")
        names, names_size = self._number(heap + 24, 8), self._number(heap + 8, 8)
        self._check(names, names_size)
        nodes = [tree]
        while nodes:
            node = nodes.pop()
            if self.buffer[node : node + 4] == b"TREE":
                children = self._number(node + 6, 2)
                nodes += [self._number(node + 32 + 16 * child, 8) for child in range(children)]
                continue
            self._check_signature(node, b"SNOD")
            for entry in range(node + 8, node + 8 + 40 * self._number(node + 6, 2), 40):
                name = self._name(names, names_size, self._number(entry, 8))
                if self._number(entry + 16, 4) == _SYMBOLIC_LINK:
                    raise self._other_layout(f"symbolic links ({name!r})")
                yield name, self._number(entry + 8, 8)

    def _name(self, names: int, size: int, offset: int) -> str:
        """The name at an offset of a local heap."""
        end = self.buffer.find(b"\0", names + offset, names + size) if offset < size else -1
        if end < 0:
            raise self._damaged(names, "a name without an end")
        text = self.buffer[names + offset : end]
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            return text.decode("latin-1")  # as names in binary caffemodels

    def _shape(self, at: int) -> tuple[int, ...]:
        """A dataspace of version 1 or 2."""
        version, rank = self._number(at, 1), self._number(at + 1, 1)
        if version not in (1, 2) or (version == 2 and self._number(at + 3, 1) > 1):
            raise self._damaged(at, "no simple dataspace")
        sizes = at + (8 if version == 1 else 4)
        return tuple(self._number(sizes + 8 * axis, 8) for axis in range(rank))

    def _dtype(self, at: int) -> np.dtype[np.generic] | None:
        """A datatype that numpy has; None for any other."""
        kind, flags, size = (
            self._number(at, 1) & 15,
            self._number(at + 1, 1),
            self._number(at + 4, 4),
        )
        order = ">" if flags & 1 else "<"
        if kind == _INTEGER and size in (1, 2, 4, 8):
            return np.dtype(f"{order}{'i' if flags & 8 else 'u'}{size}")
        if kind == _FLOAT and size in _FLOATS:
            places = (
                *(self._number(at + byte, 1) for byte in range(12, 16)),
                self._number(at + 16, 4),
            )
            return np.dtype(f"{order}f{size}") if places == _FLOATS[size] else None
        return np.dtype(f"S{size}") if kind == _STRING and 0 < size <= len(self.buffer) else None

    def _layout(self, start: int, stop: int) -> tuple[int, int]:
        """Where the values lie, and how many bytes they are."""
        version, kind = self._number(start, 1), self._number(start + 1, 1)
        if version not in (3, 4) or kind not in (_COMPACT, _CONTIGUOUS):
            raise self._other_layout("values in chunks, as compression needs them")
        if kind == _COMPACT:
            return start + 4, min(self._number(start + 2, 2), stop - start - 4)
        offset, size = self._number(start + 2, 8), self._number(start + 10, 8)
        return (0, 0) if offset == _UNDEFINED else (offset, size)

    def _number(self, at: int, width: int) -> int:
        """An unsigned integer; each costs a step."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise self._damaged(
                at, f"more than {_MOST_STEPS} numbers; no file of Caffe's has so many"
            )
        self._check(at, width)
        return int.from_bytes(self.buffer[at : at + width], "little")

    def _check(self, at: int, size: int) -> None:
        if at + size > len(self.buffer):
            raise self._damaged(at, f"{size} bytes, which end beyond the file")

    def _check_signature(self, at: int, signature: bytes) -> None:
        if self.buffer[at : at + 4] != signature:
            raise self._damaged(at, f"no {signature.decode()} where one has to be")

    def _damaged(self, at: int, what: str) -> ParseError:
        return ParseError(f"byte {at}: {what}. The file is damaged: fetch it again.", self.path)

    def _other_layout(self, what: str) -> ParseError:
        return ParseError(
            f"an HDF5 file of a layout that Caffe does not write: {what}. Write it again with"
            " h5py.File(..., libver='earliest') and without compression.",
            self.path,
        )
