"""Messages on their way to a file: runs of bytes, and arrays that are never copied into one.

protobuf's own serialiser would need a message that holds every weight as a Python list, and then
the whole file in memory. Here the headers are bytes and the weights stay where they are until they
are written. Fields stand in the order of their numbers, as protobuf's serialiser puts them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo.caffe.replacing import replacing
from zoo.caffe.schema.caffe_pb2 import BlobProto, BlobShape
from zoo.caffe.wire import LENGTH, VARINT, varint_bytes

__all__ = ["Piece", "blob_pieces", "field", "size_of", "varint_field", "write_pieces"]

_DATA, _SHAPE = BlobProto.DATA_FIELD_NUMBER, BlobProto.SHAPE_FIELD_NUMBER
_DIM = BlobShape.DIM_FIELD_NUMBER

Piece: TypeAlias = bytes | NDArray[Any]


def blob_pieces(array: NDArray[Any]) -> list[Piece]:
    """A BlobProto as ``Blob::ToProto`` writes it: a scalar has no shape, an empty blob no data."""
    dims = b"".join(varint_bytes(size) for size in array.shape)
    data = field(_DATA, [array]) if array.size else []
    return data + (field(_SHAPE, field(_DIM, [dims])) if dims else [])


def field(number: int, pieces: list[Piece]) -> list[Piece]:
    """Pieces as the value of a length-delimited field."""
    return [varint_bytes(number << 3 | LENGTH) + varint_bytes(size_of(pieces)), *pieces]


def varint_field(number: int, value: int) -> bytes:
    """A field of a non-negative integer.

    >>> varint_field(1, 5).hex()
    '0805'
    """
    return varint_bytes(number << 3 | VARINT) + varint_bytes(value)


def size_of(pieces: list[Piece]) -> int:
    """How many bytes the pieces will take in the file."""
    return sum(len(piece) if isinstance(piece, bytes) else 4 * piece.size for piece in pieces)


def write_pieces(path: Path, pieces: list[Piece]) -> None:
    """Write a file of these pieces, arrays as float32; it appears when it is complete.

    Raises
    ------
    UsageError, UnavailableError : as `replacing`.
    """
    with replacing(path) as partial, partial.open("xb") as file:
        for piece in pieces:
            file.write(piece if isinstance(piece, bytes) else _float_bytes(piece))


def _float_bytes(array: NDArray[Any]) -> memoryview:
    """The values as float32 bytes in C order; no copy if that is what they are."""
    return np.asarray(array, dtype="<f4", order="C").reshape(-1).view(np.uint8).data
