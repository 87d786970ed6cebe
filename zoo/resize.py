"""Arithmetic on bytes exactly as OpenCV does it: bilinear resizing, and grey from colour.

Caffe warps every picture with ``cv::resize`` and its default, ``INTER_LINEAR``. That is not what
other libraries call bilinear: weights have 11 bits, the sums are cut off at fixed places, and
nothing is filtered when a picture shrinks, so a large photograph keeps its aliasing. A network
sees the difference, hence the same arithmetic here, in numpy.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Bytes", "gray_from_bgr", "resize_bilinear"]

Bytes: TypeAlias = npt.NDArray[np.uint8]

# Bytes of the result that are made at a time. With larger intermediate arrays more time goes into
# getting memory from the system, over and over, than into arithmetic.
_BAND = 1 << 16


def gray_from_bgr(image: Bytes) -> Bytes:
    """One channel from three with the weights of BT.601, rounded as OpenCV's ``cvtColor`` does.

    >>> gray_from_bgr(np.array([[[255, 0, 0], [9, 9, 9]]], np.uint8)).tolist()
    [[29, 9]]
    """
    weights = np.array([3735, 19235, 9798], np.int32)  # of 2**15, for blue, green, red
    gray: Bytes = ((image @ weights + (1 << 14)) >> 15).astype(np.uint8)
    return gray


def resize_bilinear(image: Bytes, size: tuple[int, int]) -> Bytes:
    """Warp a picture to a size, bit for bit as ``cv2.resize`` with ``INTER_LINEAR`` does.

    Pixel centres lie at one half, weights have 11 bits, and nothing is filtered when the picture
    shrinks. The intermediate sums are cut off where OpenCV's vector code cuts them off.

    Parameters
    ----------
    image : uint8 array of shape (height, width) or (height, width, channels).
    size : the new (height, width).

    Returns
    -------
    uint8 array of the new height and width, with the channels of `image`. It is `image` itself
    if that has the size already.

    Examples
    --------
    >>> resize_bilinear(np.array([[0, 100]], np.uint8), (1, 4)).tolist()
    [[0, 25, 75, 100]]
    """
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    rest = image.shape[2:]
    channels = int(np.prod(rest, dtype=np.int64))
    across, down = _taps(width, size[1], channels), _taps(height, size[0])
    rows = image.reshape(height, width * channels)
    resized = np.empty((size[0], size[1] * channels), np.uint8)
    band = max(1, _BAND // resized.shape[1])
    for first in range(0, size[0], band):
        part = slice(first, first + band)
        resized[part] = _warped(rows, across, _Taps._make(tap[part] for tap in down))
    return resized.reshape(*size, *rest)


def _warped(rows: Bytes, across: _Taps, down: _Taps) -> npt.NDArray[np.int32]:
    """New rows, first warped across, then down, as OpenCV does."""
    used, place = np.unique(np.concatenate([down.first, down.second]), return_inverse=True)
    old = rows[used]
    warped = np.multiply(old.take(across.first, axis=1), across.first_weight, dtype=np.int32)
    warped += np.multiply(old.take(across.second, axis=1), across.second_weight, dtype=np.int32)
    warped >>= 4
    count = len(down.first)
    result: npt.NDArray[np.int32] = warped[place[:count]]
    result *= down.first_weight[:, None]
    result >>= 16
    below = warped[place[count:]]
    below *= down.second_weight[:, None]
    below >>= 16
    result += below
    result += 2
    result >>= 2
    return result


class _Taps(NamedTuple):
    """What each new pixel along one axis is made of: two places and their 11-bit weights."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    first_weight: npt.NDArray[np.int32]
    second_weight: npt.NDArray[np.int32]


def _taps(old: int, new: int, channels: int = 1) -> _Taps:
    """The two places along one axis that each new pixel is made of, and their 11-bit weights.

    Beyond the edge both places are the edge pixel, and their weights add up to one. With
    `channels`, the places count bytes of interleaved pixels and come once for each channel.
    """
    centre = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(centre).astype(np.intp)
    share = centre - first.astype(np.float32)
    weights = [np.rint(part * np.float32(2048)).astype(np.int32) for part in (1 - share, share)]
    places = [np.clip(first + i, 0, old - 1) for i in (0, 1)]
    if channels > 1:
        places = [(p[:, None] * channels + np.arange(channels)).ravel() for p in places]
        weights = [np.repeat(weight, channels) for weight in weights]
    return _Taps(places[0], places[1], weights[0], weights[1])
