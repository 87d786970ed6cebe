"""Pictures decoded and warped once, for training that sees each of them many times.

They lie in a file that has no name any more, so that nothing is left behind and the memory that
they take is the system's to give back.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from zoo.input_spec import InputSpec
from zoo.resize import resize_bilinear
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import PartProgress, nothing

__all__ = ["warped_once"]

_MOST_BYTES = 8_000_000_000


@contextmanager
def warped_once(
    data: Dataset, spec: InputSpec, progress: PartProgress = nothing
) -> Iterator[Dataset]:
    """The same rows, with the pictures as bytes of the size that `spec` warps them to.

    Data that would take too much room, for which the disk has none, or that are no pictures, are
    given as they are.

    Raises
    ------
    ImageError
        When a picture cannot be decoded; names it.
    """
    height, width = spec.resize or spec.size
    gray = spec.channels == "GRAY"
    shape = (len(data), height, width) if gray else (len(data), height, width, 3)
    if not data.is_pictures or np.prod(shape, dtype=np.int64) > _MOST_BYTES:
        yield data
        return
    size = int(np.prod(shape[1:]))

    def warp(index: int) -> None:
        pixels = resize_bilinear(data.picture(index, gray=gray), (height, width)).tobytes()
        # Not through a map of the file, which would end the process where the disk is full.
        written = os.pwrite(file.fileno(), pixels, index * size)
        if written < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with tempfile.TemporaryFile() as file, ThreadPoolExecutor() as pool:
        try:
            for done, _ in enumerate(pool.map(warp, range(len(data))), 1):
                progress("decoding pictures", done, len(data))
        except OSError:
            rows = data.rows
        else:
            pixels = np.memmap(file, np.uint8, "r", shape=shape)
            places = {int(row): place for place, row in enumerate(data.indices)}
            rows = replace(data.rows, read=lambda row: pixels[places[row]], files=None)
        yield replace(data, rows=rows)
