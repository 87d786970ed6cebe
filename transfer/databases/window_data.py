"""WindowData: windows of pictures, for detectors of the R-CNN family (window_data_layer.cpp).

The source lists pictures and the windows of each. A share of every batch (`fg_fraction`) shows
objects, windows that overlap one by `fg_threshold` or more; the rest shows background, below
`bg_threshold`, with the label 0. Each window is drawn anew at random, widened by `context_pad`,
warped to the crop size, and what lies outside its picture stays 0 after the mean is subtracted. As
in Caffe the scale is that of window_data_param, not of transform_param.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.caffe.mean import read_mean
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, ParseError, UsageError
from zoo.images import read_image
from zoo.resize import resize_bilinear
from zoo.transfer.databases import Batch, batch_rng
from zoo.transfer.databases.parallel import threads
from zoo.transfer.databases.picture_batch import check_layer

__all__ = ["batches"]

Floats = NDArray[np.float32]


class _Window(NamedTuple):
    path: Path
    label: int
    box: tuple[int, int, int, int]
    """Left, top, right, bottom; both ends belong to it."""


class _Place(NamedTuple):
    """What is cut from the picture, what size it is warped to, and where that goes in the crop."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    top: int
    left: int


def batches(
    layer: LayerParameter, folder: Path, phase: str, *, seed: int, start: int
) -> Iterator[Batch]:
    """The layer's batches, see `zoo.transfer.databases.open_source`."""
    param, transform = layer.window_data_param, layer.transform_param
    check_layer(layer, param.batch_size)
    if not transform.crop_size:
        raise NetError("WindowData needs crop_size in transform_param", layer.name)
    if 2 * param.context_pad >= transform.crop_size:
        raise NetError("context_pad leaves nothing of the crop", layer.name)
    if param.crop_mode not in ("warp", "square"):
        raise NetError(f"crop_mode is {param.crop_mode!r}; expected warp or square", layer.name)
    if transform.mean_file and transform.mean_value:
        raise NetError("has both mean_file and mean_value; Caffe takes one of them", layer.name)
    objects, background = _read_windows(layer, folder)
    mean = read_mean(folder / transform.mean_file) if transform.mean_file else None
    reader = _Reader(layer, objects, background, mean, seed)
    reader.check()
    return reader.batches(start)


@dataclass
class _Reader:
    layer: LayerParameter
    objects: list[_Window]
    background: list[_Window]
    mean: Floats | None
    seed: int

    def check(self) -> None:
        """Refuse a source that lacks a kind of window of which batches are made."""
        shown = self._shown()
        param = self.layer.window_data_param
        for windows, needed, what in (
            (self.objects, shown, f"overlaps an object by {param.fg_threshold:g}"),
            (self.background, param.batch_size - shown, "is background"),
        ):
            if needed and not windows:
                raise UsageError(
                    f"layer {self.layer.name!r}: no window of {param.source} {what}, but a batch"
                    f" has {needed} such"
                )
        crop = self.layer.transform_param.crop_size
        if self.mean is not None and min(self.mean.shape[1:]) < crop:
            raise UsageError(
                f"layer {self.layer.name!r}: the mean file is {self.mean.shape}, too small for a"
                f" crop of {crop} x {crop}"
            )

    def batches(self, start: int) -> Iterator[Batch]:
        size, shown = self.layer.window_data_param.batch_size, self._shown()
        with threads() as each:
            for number in count(start):
                rng = batch_rng(self.layer, self.seed, number)
                drawn = [
                    (windows[int(rng.integers(len(windows)))], self._turned(rng))
                    for windows, share in ((self.background, size - shown), (self.objects, shown))
                    for _ in range(share)
                ]
                pictures = each(self._picture, drawn)
                batch = {self.layer.top[0]: np.stack(pictures)}
                if len(self.layer.top) > 1:
                    labels = [window.label for window, _ in drawn]
                    batch[self.layer.top[1]] = np.array(labels, np.float32)
                yield batch

    def _shown(self) -> int:
        param = self.layer.window_data_param
        return int(np.float32(param.batch_size) * np.float32(param.fg_fraction))

    def _turned(self, rng: np.random.Generator) -> bool:
        return self.layer.transform_param.mirror and bool(rng.integers(2))

    def _picture(self, drawn: tuple[_Window, bool]) -> Floats:
        window, mirrored = drawn
        pixels = read_image(window.path)
        crop, param = self.layer.transform_param.crop_size, self.layer.window_data_param
        is_square = param.crop_mode == "square"
        place = _place(window.box, pixels.shape, crop, param.context_pad, is_square, mirrored)
        x1, y1, x2, y2 = place.box
        if not (0 <= x1 <= x2 < pixels.shape[1] and 0 <= y1 <= y2 < pixels.shape[0]):
            raise UsageError(
                f"layer {self.layer.name!r}: window {window.box} lies outside {window.path}, which"
                f" is {pixels.shape[1]} x {pixels.shape[0]} (width x height)"
            )
        warped = resize_bilinear(pixels[y1 : y2 + 1, x1 : x2 + 1], place.size).transpose(2, 0, 1)
        height, width = place.size
        to = (..., slice(place.top, place.top + height), slice(place.left, place.left + width))
        out = np.zeros((3, crop, crop), np.float32)
        out[to] = warped[..., ::-1] if mirrored else warped
        out[to] -= self._mean(crop)[to]
        return out * np.float32(param.scale)

    def _mean(self, crop: int) -> Floats:
        """(3, crop, crop): the centre of the mean file, the mean values, or zeros."""
        if self.mean is not None:
            start = (self.mean.shape[2] - crop) // 2
            return self.mean[:, start : start + crop, start : start + crop]
        values = np.array(self.layer.transform_param.mean_value or [0], np.float32)
        if len(values) not in (1, 3):
            raise NetError(f"{len(values)} mean_value; expected 1 or 3", self.layer.name)
        return np.broadcast_to(values[:, None, None], (3, crop, crop))


def _place(
    box: tuple[int, int, int, int],
    shape: tuple[int, ...],
    crop: int,
    pad: int,
    square: bool,
    mirrored: bool,
) -> _Place:
    """Widen a window so that `pad` pixels of the crop show what is around it.

    In float32 as in Caffe, since it is rounded; a mirrored window has the padding of its right
    side at the left.
    """
    if not pad and not square:
        return _Place(box, (crop, crop), 0, 0)
    x1, y1, x2, y2 = box
    half_height, half_width = np.float32(y2 - y1 + 1) / 2, np.float32(x2 - x1 + 1) / 2
    centre_x, centre_y = x1 + half_width, y1 + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    factor = np.float32(crop) / np.float32(crop - 2 * pad)
    x1, x2 = (_round(centre_x + side * half_width * factor) for side in (-1, 1))
    y1, y2 = (_round(centre_y + side * half_height * factor) for side in (-1, 1))
    scale_x, scale_y = (np.float32(crop) / np.float32(side) for side in (x2 - x1 + 1, y2 - y1 + 1))
    out_left, out_top = max(0, -x1), max(0, -y1)
    out_right, out_bottom = max(0, x2 - shape[1] + 1), max(0, y2 - shape[0] + 1)
    inside = (x1 + out_left, y1 + out_top, x2 - out_right, y2 - out_bottom)
    top = _round(out_top * scale_y)
    left = _round((out_right if mirrored else out_left) * scale_x)
    height = min(_round((inside[3] - inside[1] + 1) * scale_y), crop - top)
    width = min(_round((inside[2] - inside[0] + 1) * scale_x), crop - left)
    return _Place(inside, (max(height, 1), max(width, 1)), top, left)


def _round(value: np.floating) -> int:
    """Halves away from zero, as in C."""
    return int(np.copysign(np.floor(abs(value) + 0.5), value))


def _read_windows(layer: LayerParameter, folder: Path) -> tuple[list[_Window], list[_Window]]:
    """The windows of objects and of background."""
    param = layer.window_data_param
    source = folder / param.source
    try:
        words = iter(source.read_text(encoding="utf-8", errors="surrogateescape").split())
    except OSError as error:
        raise UsageError(
            f"layer {layer.name!r}: cannot read the source {source}: {error.strerror}"
        ) from None
    objects: list[_Window] = []
    background: list[_Window] = []
    picture = 0
    try:
        for mark in words:
            if mark != "#":
                raise ValueError(f"expected '#', received {mark!r}")
            picture = int(next(words))
            path = folder / (param.root_folder + next(words))
            _channels, _height, _width, windows = (int(next(words)) for _ in range(4))
            for _ in range(windows):
                label, overlap = int(next(words)), np.float32(next(words))
                x1, y1, x2, y2 = (int(next(words)) for _ in range(4))
                if overlap >= param.fg_threshold:
                    if label < 1:
                        raise ValueError(f"an object has the label {label}; they begin with 1")
                    objects.append(_Window(path, label, (x1, y1, x2, y2)))
                elif overlap < param.bg_threshold:
                    background.append(_Window(path, 0, (x1, y1, x2, y2)))
    except (ValueError, StopIteration, RuntimeError) as error:
        raise ParseError(f"picture {picture}: {error or 'cut short'}", source) from None
    return objects, background
