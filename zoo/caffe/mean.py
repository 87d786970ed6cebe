"""Mean files: the average picture of a training set, ``.binaryproto`` or ``.npy``.

Caffe's compute_image_mean writes a BlobProto of 1 x channels x height x width in the fields num,
channels, height and width of its early days; pycaffe's users keep the same picture as a numpy
array of (channels, height, width). Channels are blue, green, red. A DataTransformer subtracts the
picture at the place of the crop (caffe/data_transformer.cpp); a deployed network mostly subtracts
the mean of each channel instead, which `channel_mean` gives.
"""

from __future__ import annotations

import os
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.caffe.blob import read_blob
from zoo.caffe.mapped_file import map_file
from zoo.caffe.pieces import Piece, field, varint_field, write_pieces
from zoo.caffe.replacing import replacing
from zoo.caffe.schema.caffe_pb2 import BlobProto
from zoo.caffe.sniff import FileKind, check_kind
from zoo.caffe.wire import Wire
from zoo.errors import ParseError, UsageError, WeightsError

__all__ = ["channel_mean", "read_mean", "write_mean"]

_LEGACY = (
    BlobProto.NUM_FIELD_NUMBER,
    BlobProto.CHANNELS_FIELD_NUMBER,
    BlobProto.HEIGHT_FIELD_NUMBER,
    BlobProto.WIDTH_FIELD_NUMBER,
)


def read_mean(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """The mean picture of either format, told by its content.

    Returns
    -------
    float32 array of shape (channels, height, width); (channels, 1, 1) where an array holds no more
    than one number a channel.

    Raises
    ------
    ParseError : cut, damaged, or something else.
    UsageError : there is no such file.
    UnavailableError : the system does not let the file be read.
    """
    path = Path(path)
    mapping = map_file(path, ".binaryproto")
    check_kind(mapping, path, FileKind.MEAN)
    try:
        is_array = mapping[:6] == b"\x93NUMPY"
        found = _read_array(path) if is_array else read_blob(Wire(mapping, path), 0, len(mapping))
        return _picture(found)
    except WeightsError as error:
        raise ParseError(f"no mean picture: {error}", path) from None


def write_mean(path: str | os.PathLike[str], mean: ArrayLike) -> None:
    """Write a mean picture: as an array when the name ends with ``.npy``, else as Caffe does.

    Parameters
    ----------
    path : the file to make or to replace.
    mean : array of shape (channels, height, width).

    Raises
    ------
    UsageError : it has another shape, or holds no numbers.
    UnavailableError : the disk or a permission is in the way.
    """
    path = Path(path)
    try:
        picture = _picture(np.asarray(mean))
    except WeightsError as error:
        raise UsageError(f"{path}: no mean picture: {error}") from None
    if path.suffix == ".npy":
        with replacing(path) as partial, partial.open("xb") as file:
            np.save(file, picture)
        return
    sizes = (1, *picture.shape)
    pieces: list[Piece] = [
        varint_field(number, size) for number, size in zip(_LEGACY, sizes, strict=True)
    ]
    write_pieces(path, pieces + field(BlobProto.DATA_FIELD_NUMBER, [picture]))


def channel_mean(mean: ArrayLike) -> list[float]:
    """The mean of each channel of a mean picture.

    >>> channel_mean(np.array([[[103, 105]], [[117, 117]], [[123, 123]]]))
    [104.0, 117.0, 123.0]
    """
    means: list[float] = np.asarray(mean, np.float64).mean(axis=(1, 2)).tolist()
    return means


def _read_array(path: Path) -> NDArray[np.float32]:
    try:
        # Mapped, so that a shape of more values than the file has is refused before it is filled.
        found: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, OverflowError, TypeError, SyntaxError, TokenError) as error:
        # A damaged header reaches Python's own parser.
        raise WeightsError(f"{error}. Expected an array of numbers") from None
    return found


def _picture(array: NDArray[np.generic]) -> NDArray[np.float32]:
    """The array as (channels, height, width)."""
    shape = array.shape
    if array.dtype.kind not in "fiu":
        raise WeightsError(f"an array of {array.dtype}; expected numbers")
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    elif len(shape) == 1:
        shape = (*shape, 1, 1)
    if len(shape) != 3 or 0 in shape:
        raise WeightsError(f"shape {array.shape}; expected (channels, height, width)")
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32).reshape(shape)
