"""From photographs to the input of a network, as the model's card says.

One place for what Caffe's users did in three (``caffe/data_transformer.cpp``, ``caffe.io`` and
``caffe.Classifier`` of pycaffe): decode, warp, crop, subtract the mean, scale, and the ten
standard crops. Arrays come out as Keras models want them (n, height, width, channels);
:meth:`Preprocessor.caffe` gives Caffe's order (n, channels, height, width).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.errors import ImageError, UsageError
from zoo.images import convert_image, find_images, read_image
from zoo.input_spec import InputSpec
from zoo.resize import Bytes, Window, gray_from_bgr, resize_bilinear

__all__ = [
    "Batch",
    "InputSpec",
    "Preprocessor",
    "find_images",
    "oversample",
    "preprocess_batches",
]

Picture: TypeAlias = str | Path | bytes | Image.Image | Bytes
Floats: TypeAlias = npt.NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)


class Preprocessor:
    """Turns pictures into the input of one model.

    A picture is a path, the bytes of a file, a Pillow image, or a uint8 array of shape
    (height, width, 3), BGR, or (height, width), grey.

    Parameters
    ----------
    spec : what the model wants.

    Examples
    --------
    >>> preprocess = Preprocessor(InputSpec((2, 2), "RGB", mean=(1, 2, 3)))
    >>> blue = np.zeros((5, 7, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    >>> preprocess(blue)[0, 0, 0].tolist()
    [-1.0, -2.0, 252.0]
    """

    def __init__(self, spec: InputSpec) -> None:
        self.spec = spec
        # A whole row of it: numpy is ten times as slow with three values at a time.
        self._mean = np.tile(np.array(spec.mean, np.float32), spec.size[1])

    def __repr__(self) -> str:
        return f"Preprocessor({self.spec!r})"

    def __call__(self, pictures: Picture | Sequence[Picture]) -> Floats:
        """The central crop of one picture or of several.

        Returns
        -------
        float32 array of shape (n, height, width, channels), in the spec's order of channels.

        Raises
        ------
        ImageError
            If a picture cannot be read; the message names it.
        """
        return self.finished([self.central(picture) for picture in _listed(pictures)])

    def caffe(self, pictures: Picture | Sequence[Picture]) -> Floats:
        """The same in Caffe's order, float32 array of shape (n, channels, height, width)."""
        return np.ascontiguousarray(self(pictures).transpose(0, 3, 1, 2))

    def crops(self, picture: Picture, count: int = 10) -> Floats:
        """The standard crops of one picture, as pycaffe's ``io.oversample`` orders them.

        Parameters
        ----------
        picture : one picture.
        count : 10 for top left, top right, bottom left, bottom right, centre, then the same
            mirrored; 1 for the centre alone.

        Returns
        -------
        float32 array of shape (count, height, width, channels).

        Raises
        ------
        UsageError
            If `count` is another number, or the spec leaves nothing to crop from.
        ImageError
            If the picture cannot be read.
        """
        self.check_crops(count)
        if count == 1:
            return self(picture)
        return self.finished(oversample(self._warped(picture), self.spec.size))

    def check_crops(self, count: int) -> None:
        """Raise the UsageError of :meth:`crops` before any picture is read."""
        if count not in (1, 10):
            raise UsageError(f"crops: expected 1 (the centre) or 10 (standard), received {count}.")
        if count == 10 and self.spec.resize in (None, self.spec.size):
            raise UsageError(
                f"crops: the model's pictures are warped straight to {list(self.spec.size)}, so"
                " all corner crops are the same. Give the input section of its card a larger"
                " 'resize' (Caffe's ImageNet models: 256) to cut ten crops from."
            )

    def central(self, picture: Picture) -> Bytes:
        """The central crop of one picture before mean and scale.

        Returns
        -------
        uint8 array of shape (height, width, channels), in the spec's order of channels.

        Raises
        ------
        ImageError
            If the picture cannot be read; the message names it.
        """
        height, width = self.spec.size
        whole = self.spec.resize or self.spec.size
        window = ((whole[0] - height) // 2, (whole[1] - width) // 2, height, width)
        return self._warped(picture, window)

    def _warped(self, picture: Picture, window: Window | None = None) -> Bytes:
        """(height, width, channels) of `resize` or `size`, in the spec's order of channels."""
        pixels = _decoded(picture, gray=self.spec.channels == "GRAY")
        pixels = resize_bilinear(pixels, self.spec.resize or self.spec.size, window)
        if self.spec.channels == "GRAY":
            return pixels[:, :, None]
        return pixels[:, :, ::-1] if self.spec.channels == "RGB" else pixels

    def finished(self, pictures: Sequence[Bytes]) -> Floats:
        """A batch of such crops, minus the mean, times the scale.

        Returns
        -------
        float32 array of shape (n, height, width, channels).
        """
        height, width = self.spec.size
        batch = np.empty((len(pictures), height, len(self._mean)), np.float32)
        for row, pixels in zip(batch, pictures, strict=True):
            np.subtract(pixels.reshape(height, -1), self._mean, out=row)
        if self.spec.scale != 1:
            batch *= np.float32(self.spec.scale)
        return batch.reshape(len(pictures), height, width, len(self.spec.mean))


def oversample(image: npt.NDArray[Scalar], size: tuple[int, int]) -> list[npt.NDArray[Scalar]]:
    """Cut the ten standard crops, as pycaffe's ``io.oversample`` does.

    Parameters
    ----------
    image : array of shape (height, width, channels), no smaller than `size`.
    size : (height, width) of the crops.

    Returns
    -------
    Views of `image`: top left, top right, bottom left, bottom right, centre (odd remainders are
    rounded down), then the same mirrored.
    """
    height, width = size
    bottom, right = image.shape[0] - height, image.shape[1] - width
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = [image[top : top + height, left : left + width] for top, left in corners]
    return crops + [crop[:, ::-1] for crop in crops]


def _listed(pictures: Picture | Sequence[Picture]) -> Sequence[Picture]:
    if isinstance(pictures, list | tuple):
        return pictures
    if isinstance(pictures, np.ndarray) and pictures.ndim == 4:
        return list(pictures)
    return [cast(Picture, pictures)]


def _decoded(picture: Picture, gray: bool) -> Bytes:
    if isinstance(picture, str | Path | bytes):
        return read_image(picture, gray=gray)
    if isinstance(picture, Image.Image):
        return convert_image(picture, gray=gray)
    if not isinstance(picture, np.ndarray):
        raise ImageError(
            f"a picture is a path, bytes, a Pillow image or an array, not {picture!r}."
        )
    if (
        picture.dtype != np.uint8
        or picture.size == 0
        or not (picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3))
    ):
        raise ImageError(
            "picture given as an array: expected uint8 of shape (height, width, 3), BGR, or"
            f" (height, width), grey; received {picture.dtype} of shape {picture.shape}. Values"
            " are 0 to 255 here; mean and scale are applied by the preprocessor."
        )
    if picture.ndim == 3:
        return gray_from_bgr(picture) if gray else picture
    return picture if gray else np.repeat(picture[:, :, None], 3, axis=2)


class Batch(NamedTuple):
    """Pictures that went through together.

    `paths` are those that could be read and `array` their inputs, `crops` rows for each;
    `failures` are (path, error) of those in between that could not.
    """

    paths: list[Path]
    array: Floats
    failures: list[tuple[Path, ImageError]]


def preprocess_batches(
    paths: Iterable[str | Path],
    preprocessor: Preprocessor,
    batch_size: int = 32,
    *,
    crops: int = 1,
    workers: int | None = None,
) -> Iterator[Batch]:
    """Decode many pictures in threads, in order, a batch at a time.

    The next batch is prepared while the caller works on the last, and nothing beyond it. A
    picture that cannot be read is reported in its batch and its place taken by the next one, so
    that every batch but the last is full.

    Parameters
    ----------
    paths : files, read in this order.
    preprocessor : what to make of each.
    batch_size : pictures in a batch.
    crops : 1 or 10, as in :meth:`Preprocessor.crops`; a batch has that many rows for each picture.
    workers : threads; None for one on each processor, 8 at most.

    Yields
    ------
    Batch
        With an array of shape (batch_size x crops, height, width, channels). The last may have
        fewer rows, and none at all if it only reports failures.

    Raises
    ------
    UsageError
        If `crops` is not possible, `batch_size` or `workers` is less than 1.
    """
    preprocessor.check_crops(crops)
    workers = min(8, os.cpu_count() or 1) if workers is None else workers
    if batch_size < 1 or workers < 1:
        raise UsageError(
            f"expected batch_size and workers of 1 or more, received {batch_size} and {workers}."
        )
    return _batches(map(Path, paths), preprocessor, batch_size, crops, workers)


def _batches(
    paths: Iterator[Path], preprocessor: Preprocessor, batch_size: int, crops: int, workers: int
) -> Iterator[Batch]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="zoo-preprocess")
    waiting: deque[tuple[Path, Future[Floats]]] = deque()

    def submit(count: int) -> None:
        for path in islice(paths, count):
            waiting.append((path, pool.submit(preprocessor.crops, path, crops)))

    def gather() -> Batch:
        done: list[Path] = []
        rows = [preprocessor([])]  # no rows yet, but their shape
        failures: list[tuple[Path, ImageError]] = []
        while waiting and len(done) < batch_size:
            path, future = waiting.popleft()
            submit(1)
            try:
                rows.append(future.result())
                done.append(path)
            except ImageError as error:
                failures.append((path, error))
        return Batch(done, np.concatenate(rows), failures)

    try:
        submit(batch_size)
        while waiting:
            yield gather()
    finally:  # also when the caller stops early
        pool.shutdown(cancel_futures=True)
