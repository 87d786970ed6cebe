"""The mean picture of a dataset, as Caffe's compute_image_mean makes it, and its sheet of pictures.

Both show what a network gets to see: the mean that is subtracted, and pictures as they come out of
augmentation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.input_spec import InputSpec
from zoo.resize import Bytes, resize_bilinear
from zoo.transfer.augment import Augment
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import Progress, nothing

__all__ = ["mean_picture", "sheet"]


def mean_picture(
    data: Dataset, size: tuple[int, int] | None = None, *, progress: Progress = nothing
) -> NDArray[np.float32]:
    """The mean of all pictures, place by place.

    Parameters
    ----------
    size : (height, width) that pictures are warped to first; None where all have one size.
    progress : called with the number of rows that are done and of all.

    Returns
    -------
    float32 array of shape (3, height, width), BGR, for :func:`zoo.caffe.mean.write_mean`.

    Raises
    ------
    UsageError
        When pictures have several sizes and none is given.
    """
    total: NDArray[np.float64] | None = None
    for index in range(len(data)):
        pixels = data.picture(index)
        pixels = resize_bilinear(pixels, size) if size else pixels
        if total is None:
            total = np.zeros(pixels.shape)
        if pixels.shape != total.shape:
            raise UsageError(
                f"{data.path}: {data.keys[index]} is {pixels.shape[:2]}, {data.keys[0]}"
                f" {total.shape[:2]} (height, width); a mean needs one size: give one"
                " (--size 256,256)"
            )
        total += pixels
        progress(index + 1, len(data))
    if total is None:
        raise UsageError(f"{data.path} holds no picture")
    mean: NDArray[np.float32] = (total / len(data)).transpose(2, 0, 1).astype(np.float32)
    return mean


def sheet(
    data: Dataset, spec: InputSpec, augment: Augment, *, rows: int = 6, columns: int = 8, seed: int
) -> Bytes:
    """Pictures as a network sees them: one to a row, first as it is, then as augmentation makes it.

    Returns
    -------
    uint8 array of shape (rows x height, columns x width, 3), RGB, ready to be saved.
    """
    plain = Augment(mirror=False, crop=False)
    chosen = np.linspace(0, len(data) - 1, min(rows, len(data))).astype(int)
    lines = []
    for index in chosen:
        pixels = data.picture(int(index))
        rng = np.random.default_rng([seed, int(index)])
        seen = [plain(pixels, spec, rng)]
        seen += [augment(pixels, spec, rng) for _ in range(columns - 1)]
        lines.append(np.concatenate(seen, axis=1))
    bgr = np.concatenate(lines)
    return np.ascontiguousarray(bgr[..., ::-1])
