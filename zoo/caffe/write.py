"""Writing what Caffe reads: ``.caffemodel`` and ``.prototxt``.

A caffemodel is written as ``Net::ToProto`` and protobuf's serialiser write it: current format,
fields in the order of their numbers, packed ``data`` then ``shape`` in each blob. So the bytes
depend on nothing but the definition and the weights, and a file that Caffe wrote comes out the same
again. Weights go to the file straight from the arrays, one after another; there is never a second
copy of the model. A file appears under its name only when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import EncodeError, Message
from numpy.typing import ArrayLike

from zoo.caffe.foreign import restored
from zoo.caffe.pieces import Piece, blob_pieces, field, size_of, write_pieces
from zoo.caffe.replacing import replacing
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.caffe.wire import LARGEST_MESSAGE, Wire
from zoo.errors import NetError, WeightsError, did_you_mean

__all__ = ["prototxt_text", "write_caffemodel", "write_prototxt"]

_LAYER = NetParameter.LAYER_FIELD_NUMBER
_BLOBS = LayerParameter.BLOBS_FIELD_NUMBER


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
        pieces += field(_LAYER, _layer(layer, weights.get(layer.name, ())))
    size = size_of(pieces)
    if size > LARGEST_MESSAGE:
        raise WeightsError(
            f"{path} would have {size} bytes; protobuf, and so Caffe, reads no message of more than"
            f" {LARGEST_MESSAGE} (2 GiB). Split the network, or leave out layers."
        )
    write_pieces(path, pieces)


def write_prototxt(path: str | os.PathLike[str], message: Message) -> None:
    """Write a message (a NetParameter, a SolverParameter) as text, see `prototxt_text`.

    Raises
    ------
    UnavailableError : the disk or a permission is in the way.
    """
    with replacing(path) as partial:
        partial.write_bytes(prototxt_text(message).encode("utf-8"))


def prototxt_text(message: Message) -> str:
    """A message as the text that Caffe's tools read: the fields in the order of their numbers.

    Each float has the fewest digits that give the same float again. Fields that the schema does
    not have are written as they were read.

    >>> from zoo.caffe.schema.caffe_pb2 import DropoutParameter
    >>> prototxt_text(DropoutParameter(dropout_ratio=0.9))
    'dropout_ratio: 0.9\\n'
    """
    return restored(text_format.MessageToString(message, as_utf8=True))


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
        pieces += field(_BLOBS, blob_pieces(array))
    return [*pieces, body[split:]]


def _without(message: NetParameter | LayerParameter, field: str) -> bytes:
    """A message in protobuf's own bytes, less one field; fields of a fork's schema stay in it."""
    copy: Message = type(message)()
    copy.CopyFrom(message)
    copy.ClearField(field)
    try:
        return copy.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise NetError(f"{error}. Give them a value.", message.name) from error
