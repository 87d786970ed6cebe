"""Writing what Caffe reads: ``.caffemodel`` and ``.prototxt``.

A caffemodel is written as ``Net::ToProto`` and protobuf's serialiser write it: current format,
fields in the order of their numbers, packed ``data`` then ``shape`` in each blob. So the bytes
depend on nothing but the definition and the weights, and a file that Caffe wrote comes out the same
again. Weights go to the file straight from the arrays, one after another; there is never a second
copy of the model.

A file appears under its name only when it is complete: it is written beside the target, brought to
the disk, and renamed. What was there before stays until then.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import EncodeError, Message
from numpy.typing import ArrayLike, NDArray

from zoo.caffe.schema.caffe_pb2 import BlobProto, BlobShape, LayerParameter, NetParameter
from zoo.caffe.wire import LARGEST_MESSAGE, LENGTH, Wire, varint_bytes
from zoo.errors import NetError, UnavailableError, UsageError, WeightsError, did_you_mean

__all__ = ["prototxt_text", "write_caffemodel", "write_prototxt"]

_LAYER = NetParameter.LAYER_FIELD_NUMBER
_BLOBS = LayerParameter.BLOBS_FIELD_NUMBER
_DATA, _SHAPE = BlobProto.DATA_FIELD_NUMBER, BlobProto.SHAPE_FIELD_NUMBER
_DIM = BlobShape.DIM_FIELD_NUMBER

Piece = bytes | NDArray[Any]


def write_caffemodel(
    path: str | os.PathLike[str],
    net: NetParameter,
    weights: Mapping[str, Sequence[ArrayLike]],
) -> None:
    """Write a definition and its weights as a binary caffemodel in the current format.

    Parameters
    ----------
    path : the file to make or to replace.
    net : the definition in the current format. Blobs that it holds itself are not written.
    weights : layer name -> blobs in Caffe's shapes, any numeric type; stored as float32.

    Raises
    ------
    WeightsError : ``weights`` names a layer that ``net`` has not, a blob holds no numbers, or the
        file would exceed protobuf's limit of 2 GiB.
    NetError : ``net`` is in an old format, or lacks a field that must be there.
    UnavailableError : the disk or a permission is in the way.
    """
    path = Path(path)
    _check(net, weights)
    pieces: list[Piece] = [_without(net, "layer")]
    for layer in net.layer:
        pieces += _field(_LAYER, _layer(layer, weights.get(layer.name, ())))
    size = _size(pieces)
    if size > LARGEST_MESSAGE:
        raise WeightsError(
            f"{path} would have {size} bytes; protobuf, and so Caffe, reads no message of more than"
            f" {LARGEST_MESSAGE} (2 GiB). Split the network, or leave out layers."
        )
    with _replacing(path) as file:
        for piece in pieces:
            file.write(piece if isinstance(piece, bytes) else _float_bytes(piece))


def write_prototxt(path: str | os.PathLike[str], message: Message) -> None:
    """Write a message (a NetParameter, a SolverParameter) as text, see `prototxt_text`.

    Raises
    ------
    UnavailableError : the disk or a permission is in the way.
    """
    with _replacing(Path(path)) as file:
        file.write(prototxt_text(message).encode("utf-8"))


def prototxt_text(message: Message) -> str:
    """A message as the text that Caffe's tools read: the fields in the order of their numbers.

    Each float has the fewest digits that give the same float again.

    >>> from zoo.caffe.schema.caffe_pb2 import DropoutParameter
    >>> prototxt_text(DropoutParameter(dropout_ratio=0.9))
    'dropout_ratio: 0.9\\n'
    """
    return text_format.MessageToString(message, as_utf8=True)


def _check(net: NetParameter, weights: Mapping[str, Sequence[ArrayLike]]) -> None:
    """Refuse what would lose something or give a file that nobody can read."""
    if net.layers:
        raise NetError(
            f"{len(net.layers)} layers are in the old format (`layers`); upgrade the network first"
        )
    names = [layer.name for layer in net.layer]
    unknown = [name for name in weights if name not in set(names)]
    if unknown:
        raise WeightsError(
            f"weights for {len(unknown)} layer(s) that the network has not:"
            f" {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}."
            f"{did_you_mean(unknown[0], names)}"
        )


def _layer(layer: LayerParameter, blobs: Sequence[ArrayLike]) -> list[Piece]:
    """A layer message with these blobs at the place that their field number gives them."""
    body = _without(layer, "blobs")
    split = 0
    for number, _, _, end in Wire(body, Path(layer.name)).fields(0, len(body)):
        if number > _BLOBS:
            break
        split = end
    pieces: list[Piece] = [body[:split]]
    for index, blob in enumerate(blobs):
        array = np.asarray(blob)
        if array.dtype.kind not in "fiub":
            raise WeightsError(f"layer {layer.name!r}, blob {index}: {array.dtype} are no weights")
        pieces += _field(_BLOBS, _blob(array))
    return [*pieces, body[split:]]


def _blob(array: NDArray[Any]) -> list[Piece]:
    """A BlobProto as ``Blob::ToProto`` writes it: a scalar has no shape, an empty blob no data."""
    dims = b"".join(varint_bytes(size) for size in array.shape)
    data = _field(_DATA, [array]) if array.size else []
    return data + (_field(_SHAPE, _field(_DIM, [dims])) if dims else [])


def _field(number: int, pieces: list[Piece]) -> list[Piece]:
    """Pieces as the value of a length-delimited field."""
    return [varint_bytes(number << 3 | LENGTH) + varint_bytes(_size(pieces)), *pieces]


def _size(pieces: list[Piece]) -> int:
    """How many bytes the pieces will take in the file."""
    return sum(len(piece) if isinstance(piece, bytes) else 4 * piece.size for piece in pieces)


def _float_bytes(array: NDArray[Any]) -> memoryview:
    """The values as float32 bytes in C order; no copy if that is what they are."""
    return np.asarray(array, dtype="<f4", order="C").reshape(-1).view(np.uint8).data


def _without(message: NetParameter | LayerParameter, field: str) -> bytes:
    """A message in protobuf's own bytes, less one field; fields of a fork's schema stay in it."""
    copy: Message = type(message)()
    copy.CopyFrom(message)
    copy.ClearField(field)
    try:
        return copy.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise NetError(f"{error}. Give them a value.", message.name) from error


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` once all of it is on the disk."""
    # Its own name, so that two writers do not share one; not from tempfile, which makes files that
    # only their owner may read.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}. Name a file in a folder that exists."
        ) from error
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # mostly because it is renamed by now
            partial.unlink()
