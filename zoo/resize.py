"""Arithmetic on bytes exactly as OpenCV does it: bilinear resizing, and grey from colour.

Caffe warps every picture with ``cv::resize`` and its default, ``INTER_LINEAR``. That is not what
other libraries call bilinear: weights have 11 bits, the sums are cut off at fixed places, and
nothing is filtered when a picture shrinks, so a large photograph keeps its aliasing. A network
sees the difference, hence the same arithmetic here, in numpy.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Bytes", "Window", "gray_from_bgr", "resize_bilinear"]

Bytes: TypeAlias = npt.NDArray[np.uint8]
Integers: TypeAlias = npt.NDArray[np.int32]
Window: TypeAlias = tuple[int, int, int, int]
"""Part of a picture: top, left, height, width."""

# Rows of the result that are made at a time. With larger intermediate arrays more time goes into
# getting memory from the system, over and over, than into arithmetic; with smaller ones threads
# wait for each other between the short steps.
_BAND = 64


def gray_from_bgr(image: Bytes) -> Bytes:
    """One channel from three with the weights of BT.601, rounded as OpenCV's ``cvtColor`` does.

    >>> gray_from_bgr(np.array([[[255, 0, 0], [9, 9, 9]]], np.uint8)).tolist()
    [[29, 9]]
    """
    weights = np.array([3735, 19235, 9798], np.int32)  # of 2**15, for blue, green, red
    gray: Bytes = ((image @ weights + (1 << 14)) >> 15).astype(np.uint8)
    return gray


def resize_bilinear(image: Bytes, size: tuple[int, int], window: Window | None = None) -> Bytes:
    """Warp a picture to a size, bit for bit as ``cv2.resize`` with ``INTER_LINEAR`` does.

    Pixel centres lie at one half, weights have 11 bits, and nothing is filtered when the picture
    shrinks. The intermediate sums are cut off where OpenCV's vector code cuts them off.

    Parameters
    ----------
    image : uint8 array of shape (height, width) or (height, width, channels).
    size : the new (height, width).
    window : the part of the warped picture that is wanted, and that alone is computed; None for
        all of it.

    Returns
    -------
    uint8 array of the height and width of the window, with the channels of `image`. It is `image`
    itself, or a view of it, if that has the size already.

    Examples
    --------
    >>> resize_bilinear(np.array([[0, 100]], np.uint8), (1, 4)).tolist()
    [[0, 25, 75, 100]]
    >>> resize_bilinear(np.array([[0, 100]], np.uint8), (1, 4), (0, 1, 1, 2)).tolist()
    [[25, 75]]
    """
    height, width = image.shape[:2]
    top, left, rows, columns = window or (0, 0, *size)
    if (height, width) == size:
        return image if window is None else image[top : top + rows, left : left + columns]
    rest = image.shape[2:]
    channels = int(np.prod(rest, dtype=np.int64))
    across = _across(width, size[1], left, columns, channels)
    resized = np.empty((rows, columns * channels), np.uint8)
    _warp(
        image.reshape(height, width * channels), across, _bands(height, size[0], top, rows), resized
    )
    return resized.reshape(rows, columns, *rest)


def _warp(image: Bytes, across: _Taps, bands: tuple[_Band, ...], resized: Bytes) -> None:
    """Warp the rows of each band across, then down, as OpenCV does, into `resized`."""
    most, width = max(len(band.used) for band in bands), resized.shape[1]
    gathered = np.empty((most, width), np.uint8)
    first, second = np.empty((2, max(most, _BAND), width), np.int32)
    for band in bands:
        old, count = image.take(band.used, axis=0), len(band.used)
        warped = first[:count]
        _weighted(old, across.first, across.first_weight, gathered[:count], warped)
        _weighted(old, across.second, across.second_weight, gathered[:count], second[:count])
        warped += second[:count]
        warped >>= 4
        result = warped.take(band.below, axis=0, out=second[: len(band.below)], mode="clip")
        result *= band.below_weight
        result >>= 16
        above = warped.take(band.above, axis=0)
        above *= band.above_weight
        above >>= 16
        result += above
        result += 2
        result >>= 2
        resized[band.start : band.start + len(result)] = result


def _weighted(
    old: Bytes, places: npt.NDArray[np.intp], weights: Integers, gathered: Bytes, result: Integers
) -> None:
    old.take(places, axis=1, out=gathered, mode="clip")  # numpy copies `out` in any other mode
    np.multiply(gathered, weights, out=result, dtype=np.int32)


class _Taps(NamedTuple):
    """What each new pixel along one axis is made of: two places and their 11-bit weights."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    first_weight: Integers
    second_weight: Integers


class _Band(NamedTuple):
    """Some rows of the result, from `start` on.

    `used` are the rows of the picture that they are made of, `above` and `below` the places of
    each row's two among them, and the weights columns.
    """

    start: int
    used: npt.NDArray[np.intp]
    above: npt.NDArray[np.intp]
    below: npt.NDArray[np.intp]
    above_weight: Integers
    below_weight: Integers


@lru_cache(maxsize=64)  # the pictures of a dataset have few sizes
def _across(old: int, new: int, start: int, count: int, channels: int) -> _Taps:
    """The taps along a row whose places count bytes of interleaved pixels."""
    taps = _taps(old, new, start, count)
    places = [
        (place[:, None] * channels + np.arange(channels)).ravel()
        for place in (taps.first, taps.second)
    ]
    weights = [np.repeat(weight, channels) for weight in (taps.first_weight, taps.second_weight)]
    return _Taps(places[0], places[1], weights[0], weights[1])


@lru_cache(maxsize=64)
def _bands(old: int, new: int, start: int, count: int) -> tuple[_Band, ...]:
    """The taps down the columns, a band at a time."""
    taps = _taps(old, new, start, count)
    found = []
    for first in range(0, count, _BAND):
        part = _Taps._make(tap[first : first + _BAND] for tap in taps)
        used, place = np.unique(np.concatenate([part.first, part.second]), return_inverse=True)
        above, below = place[: len(part.first)], place[len(part.first) :]
        weights = part.first_weight[:, None], part.second_weight[:, None]
        found.append(_Band(first, used, above, below, *weights))
    return tuple(found)


def _taps(old: int, new: int, start: int, count: int) -> _Taps:
    """The two places along one axis that each new pixel is made of, and their 11-bit weights.

    Beyond the edge both places are the edge pixel, and their weights add up to one.
    """
    wanted = np.arange(start, start + count)
    centre = ((wanted + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(centre).astype(np.intp)
    share = centre - first.astype(np.float32)
    weights = [np.rint(part * np.float32(2048)).astype(np.int32) for part in (1 - share, share)]
    places = [np.clip(first + i, 0, old - 1) for i in (0, 1)]
    return _Taps(places[0], places[1], weights[0], weights[1])
