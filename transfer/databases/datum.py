"""Datum, a row of Caffe's databases: a picture and its label (caffe/util/io.cpp).

Its values are bytes, floats, or the bytes of an encoded picture. An encoded one is decoded as
OpenCV does: in colour or grey where the transformer forces that, else as it is stored
(`IMREAD_UNCHANGED`), which keeps alpha and does not turn the picture as its EXIF tag says.
"""

from __future__ import annotations

import io

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from PIL import Image

from zoo.caffe.schema.caffe_pb2 import Datum
from zoo.errors import ImageError, UsageError
from zoo.images import convert_image, read_image

__all__ = ["Values", "datum_values", "parse_datum"]

Values = NDArray[np.uint8] | NDArray[np.float32]


def parse_datum(value: bytes, where: str) -> Datum:
    """The row as a message.

    Raises
    ------
    UsageError
        When the bytes are no Datum; `where` names the row.
    """
    try:
        return Datum.FromString(value)
    except DecodeError as error:
        raise UsageError(f"{where}: {len(value)} bytes that are no Datum: {error}") from None


def datum_values(
    datum: Datum, where: str, *, force_color: bool = False, force_gray: bool = False
) -> Values:
    """The values of a row.

    Returns
    -------
    array of shape (channels, height, width): uint8, colours in the order BGR, or float32 where the
    row holds floats.

    Raises
    ------
    ImageError
        When an encoded picture cannot be decoded; `where` names the row.
    UsageError
        When the row holds another number of values than its shape has.

    Examples
    --------
    >>> datum_values(Datum(channels=1, height=1, width=2, data=bytes([3, 4])), "row 0").tolist()
    [[[3, 4]]]
    """
    if datum.encoded:
        return _decoded(datum.data, where, force_color, force_gray)
    shape = (datum.channels, datum.height, datum.width)
    values: Values = (
        np.frombuffer(datum.data, np.uint8)
        if datum.data
        else np.array(datum.float_data, np.float32)
    )
    if min(shape) < 1 or values.size != np.prod(shape, dtype=np.int64):
        raise UsageError(
            f"{where}: {values.size} values for a shape of {shape}"
            " (channels, height, width); the database is damaged or was not written by Caffe"
        )
    return values.reshape(shape)


def _decoded(content: bytes, where: str, color: bool, gray: bool) -> Values:
    try:
        if color or gray:
            return _channels_first(read_image(content, gray=gray))
        return _channels_first(_unchanged(content))
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from None


def _unchanged(content: bytes) -> NDArray[np.uint8]:
    try:
        image = Image.open(io.BytesIO(content))
        image.info.pop("exif", None)
        transparent = "transparency" in image.info
        image.load()
        if image.mode in ("RGBA", "LA", "PA") or (transparent and image.mode in ("P", "RGB")):
            bgra: NDArray[np.uint8] = np.asarray(image.convert("RGBA"))[..., [2, 1, 0, 3]]
            return bgra
    except Exception:  # whatever is wrong with it is told by the reader of all pictures
        return read_image(content)
    if image.mode.startswith(("I", "F")):
        raise ImageError("the encoded picture has 16 bits or more a channel; Caffe reads 8")
    return convert_image(image, gray=image.mode in ("1", "L"))


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
