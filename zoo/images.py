"""Pictures as Caffe saw them: decoded as OpenCV does, without OpenCV.

Caffe reads a picture with ``cv::imread`` (``caffe/util/io.cpp``), so the numbers that its models
were trained on are OpenCV's: rows of BGR bytes. Pillow decodes JPEG with the same library and
settings. What else OpenCV does to a picture on the way is done here: it turns it as its EXIF tag
says, drops alpha and keeps the high byte of 16 bits. Where OpenCV shows the upper part of a
damaged file, an error is raised here: half a picture gets a label like any other. Known to differ
besides: OpenCV paints transparent pixels of a GIF in its background colour and multiplies the
alpha of a TIFF into its colours, neither is done here; 16-bit colours of TIFF and PPM and the grey
of coloured files other than JPEG and PNG may be off by one.
"""

from __future__ import annotations

import glob
import io
import os
import struct
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from zoo.errors import ImageError, UsageError
from zoo.resize import Bytes, gray_from_bgr

__all__ = ["convert_image", "find_images", "read_image"]

# Pillow knows more formats, some of which start other programs (EPS) or wrap whole documents.
_FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
_ENDINGS = tuple(ending for endings in _FORMATS.values() for ending in endings)
# Formats whose decoders never warn, and so may run beside each other.
_QUIET_FORMATS = frozenset({"JPEG", "MPO", "PNG", "BMP", "WEBP", "PPM"})
_WARNINGS_LOCK = threading.Lock()
_ORIENTATION_TAG = 0x0112


def read_image(source: str | Path | bytes, *, gray: bool = False) -> Bytes:
    """Decode a picture as ``cv2.imread`` does.

    Parameters
    ----------
    source : the path of a picture, or the bytes of one: JPEG, PNG, GIF (its first frame), BMP,
        WebP, TIFF, PPM/PGM/PBM.
    gray : False for three channels (``IMREAD_COLOR``), True for one (``IMREAD_GRAYSCALE``; a JPEG
        then gives its own luma, as in OpenCV).

    Returns
    -------
    uint8 array of shape (height, width, 3), BGR; or (height, width) if `gray`.

    Raises
    ------
    ImageError
        If the file is missing, empty, damaged, cut short, too large, or not a picture.

    Examples
    --------
    >>> read_image(b"P5 2 1 255 " + bytes([7, 200])).tolist()
    [[[7, 7, 7], [200, 200, 200]]]
    """
    if isinstance(source, bytes):
        return _read_stream(io.BytesIO(source), f"picture of {len(source)} bytes in memory", gray)
    try:
        with open(source, "rb") as stream:
            return _read_stream(stream, str(source), gray)
    except (OSError, ValueError) as error:  # a ValueError is a path with a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{source}: cannot be opened as a picture: {reason}.") from error


def convert_image(image: Image.Image, *, gray: bool = False) -> Bytes:
    """Turn a Pillow image into the array that :func:`read_image` gives for its file.

    Raises
    ------
    ImageError
        If its pixels cannot be read or have no meaning as 8-bit colours (floating point).

    Examples
    --------
    >>> convert_image(Image.new("RGBA", (1, 1), (10, 20, 30, 0))).tolist()
    [[[30, 20, 10]]]
    """
    try:
        return _convert(image, gray)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"Pillow image {image!r}: cannot be decoded: {error}.") from error


def find_images(arguments: Iterable[str | Path]) -> list[Path]:
    """The pictures that files, folders and patterns stand for, each once, in order.

    A file is taken whatever its name; of a folder (searched to the bottom, sorted) or a pattern
    (``photos/*``, ``**`` for any depth) only files with a picture's ending count, and hidden ones
    do not.

    Raises
    ------
    UsageError
        If an argument stands for nothing; the message names it.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        found.update(dict.fromkeys(_images_of(Path(argument), str(argument))))
    return list(found)


def _images_of(path: Path, argument: str) -> list[Path]:
    if os.path.isdir(path):
        images = sorted(_images_below(path))
    elif os.path.exists(path):
        return [path]
    elif glob.has_magic(argument):
        matches = sorted(Path(match) for match in glob.glob(argument, recursive=True))
        images = [match for match in matches if _is_image(match.name) and match.is_file()]
    else:
        raise UsageError(f"{argument}: there is no such file or folder.")
    if not images:
        raise UsageError(f"{argument}: no pictures there (files ending in {', '.join(_ENDINGS)}).")
    return images


def _images_below(top: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        raise UsageError(f"{error.filename}: cannot be searched: {error.strerror}.") from error

    for folder, subfolders, names in os.walk(top, onerror=stop):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if _is_image(name))


def _is_image(name: str) -> bool:
    return name.lower().endswith(_ENDINGS) and not name.startswith(".")


def _read_stream(stream: BinaryIO, name: str, gray: bool) -> Bytes:
    start = stream.read(64)
    if not start:
        raise ImageError(f"{name}: the file is empty (0 bytes), not a picture.")
    try:
        with _quiet():
            image = Image.open(stream, formats=tuple(_FORMATS))
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            if gray:
                image.draft("L", None)  # no effect but on JPEG, which then gives its luma
            if image.format not in _QUIET_FORMATS:
                image.load()
        return _convert(image, gray)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: not a picture in a known format ({', '.join(_FORMATS)}); it begins with"
            f" {start[:16]!r}.{_likely_cause(start)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name}: the picture is too large: {error}. Make it smaller, or raise"
            " PIL.Image.MAX_IMAGE_PIXELS if you trust where it comes from."
        ) from error
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind on damaged files
        raise ImageError(
            f"{name}: the picture is damaged or cut short: {error}. Nothing of it was used; copy"
            " or download the file again."
        ) from error


def _likely_cause(start: bytes) -> str:
    head = start.lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return " That is a web page: the download may have led to a login or an error page."
    if head.startswith(b"version https://git-lfs"):
        return " That is a Git LFS pointer: run `git lfs pull` to get the picture itself."
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing that Pillow warns of reaches the user: what matters is raised as an ImageError.

    Filters of warnings belong to the whole process, so one thread at a time may change them.
    """
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _convert(image: Image.Image, gray: bool) -> Bytes:
    pixels = _pixels(image)
    # A TIFF is turned by Pillow while it loads; other formats leave their tag behind.
    pixels = _turned(pixels, _orientation(image.info.get("exif", b"")))
    if pixels.ndim == 2:
        return np.array(pixels, order="C") if gray else np.repeat(pixels[:, :, None], 3, axis=2)
    bgr = np.array(pixels, order="C")  # one's own: what Pillow gives cannot be written to
    if not gray:
        return bgr
    return _png_gray(bgr) if image.format == "PNG" else gray_from_bgr(bgr)


def _png_gray(bgr: Bytes) -> Bytes:
    """The grey of a coloured PNG, which libpng makes: other weights, and cut off, not rounded."""
    gray: Bytes = (bgr @ np.array([3737, 19234, 9797], np.int32) >> 15).astype(np.uint8)
    return gray


def _pixels(image: Image.Image) -> Bytes:
    """(height, width) of a grey image, otherwise (height, width, 3) in BGR, not turned yet."""
    image.load()
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and image.format == "PPM"):
        return (np.asarray(image) >> 8).astype(np.uint8)
    if mode in ("I", "F"):
        raise ImageError(
            f"its pixels are 32-bit {'integers' if mode == 'I' else 'floating-point numbers'}"
            " without a stated range. Save it with 8 or 16 bits for each channel."
        )
    if mode == "CMYK" and image.format in ("JPEG", "MPO"):
        return _bgr_from_cmyk(np.asarray(image))
    if mode in ("L", "LA", "La"):
        return np.asarray(image.getchannel("L"))
    if mode == "1":
        return np.asarray(image.convert("L"))
    if mode == "P" and "transparency" in image.info:
        image = image.copy()
        del image.info["transparency"]  # Pillow would warn that alpha is lost; it is meant to be
    if mode != "RGB":
        image = image.convert("RGB")
    packed = np.frombuffer(image.tobytes("raw", "BGR"), np.uint8)
    return packed.reshape(image.height, image.width, 3)


def _bgr_from_cmyk(inverted: Bytes) -> Bytes:
    """Colours of a CMYK JPEG; Pillow inverts what the file holds, OpenCV's rule does not."""
    cmyk = 255 - inverted.astype(np.int32)
    black = cmyk[..., 3:]
    return (black - ((255 - cmyk[..., 2::-1]) * black >> 8)).astype(np.uint8)


def _orientation(exif: object) -> int:
    """The orientation tag (1 to 8) of a block of EXIF data; 1 where there is none to be read.

    It is read here because Pillow's own reader warns of damage elsewhere in the block.
    """
    if not isinstance(exif, bytes):
        return 1
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", block, entry)
            if tag == _ORIENTATION_TAG:
                return int(value)
    except struct.error:
        pass
    return 1


def _turned(pixels: Bytes, orientation: int) -> Bytes:
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
