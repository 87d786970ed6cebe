"""Planes in a square grid, as Caffe's notebook 00-classification shows filters and maps.

Its `vis_square`: values between the smallest and the largest of all become 0 to 1, planes are put
in a square with a white line after each row and column of them, and so is what is left over.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.resize import Bytes

__all__ = ["enlarged", "grid", "normalised", "tiled"]


def grid(planes: NDArray[Any]) -> Bytes:
    """A picture of planes, normalised together.

    Parameters
    ----------
    planes : (n, height, width) or (n, height, width, 3), any numbers.

    Returns
    -------
    uint8 array of shape (rows, columns) or (rows, columns, 3).

    Raises
    ------
    UsageError
        When there is no plane, or a value is not finite.

    Examples
    --------
    >>> grid(np.array([[[0, 1]], [[2, 4]]])).tolist()
    [[0, 64, 255, 128, 255, 255], [255, 255, 255, 255, 255, 255]]
    """
    return tiled(np.rint(255 * normalised(planes)).astype(np.uint8))


def normalised(values: NDArray[Any]) -> NDArray[np.float64]:
    """The same with the smallest value at 0 and the largest at 1; all 0 where they agree."""
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers)
    if not numbers.size or not finite.all():
        raise UsageError(
            f"{numbers.size - finite.sum()} of {numbers.size} values are NaN or infinite"
            if numbers.size
            else "there are no values, so there is nothing to draw"
        )
    low, high = numbers.min(), numbers.max()
    result: NDArray[np.float64] = (numbers - low) / ((high - low) or 1.0)
    return result


def tiled(planes: Bytes) -> Bytes:
    """Planes of bytes, (n, height, width) or (n, height, width, 3), in a square grid on white."""
    count, height, width = planes.shape[:3]
    side = math.ceil(math.sqrt(count))
    rows = math.ceil(count / side)
    cells = np.full((rows * side, height + 1, width + 1, *planes.shape[3:]), 255, np.uint8)
    cells[:count, :height, :width] = planes
    cells = cells.reshape(rows, side, *cells.shape[1:]).swapaxes(1, 2)
    return cells.reshape(rows * (height + 1), side * (width + 1), *planes.shape[3:])


def enlarged(picture: Bytes, least: int = 480) -> Bytes:
    """A picture with each pixel as a square of them, so that its longer side has at least `least`.

    >>> enlarged(np.zeros((1, 3), np.uint8), 5).shape
    (2, 6)
    """
    times = max(1, math.ceil(least / max(picture.shape[:2])))
    return picture.repeat(times, axis=0).repeat(times, axis=1)
