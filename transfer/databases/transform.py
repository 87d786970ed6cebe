"""What Caffe's data layers do to each picture: `transform_param` (caffe/data_transformer.cpp).

In this order: cut a window of `crop_size` (in the centre, rounded down, in the TEST phase; anywhere
in the TRAIN phase), mirror it in one half of the cases, in every phase, when `mirror` is set,
subtract the mean of the place in the picture it came from, multiply by the scale.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.caffe.mean import read_mean
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError
from zoo.transfer.databases.datum import Values

__all__ = ["Transformer"]

Floats = NDArray[np.float32]
_FORKS_ONLY = ("resize_param", "noise_param", "distort_param", "expand_param", "emit_constraint")


class Transformer:
    """The `transform_param` of one layer in one phase.

    Parameters
    ----------
    layer : the layer.
    folder : what the path of a mean file is relative to.
    phase : "TRAIN" or "TEST".

    Raises
    ------
    NetError
        When what it says cannot be done: both a mean file and mean values, both colour and grey
        forced, or fields that only forks of Caffe have.
    UsageError
        When the mean file cannot be read.
    """

    def __init__(self, layer: LayerParameter, folder: Path, phase: str) -> None:
        param = layer.transform_param
        self._name = layer.name
        self._cuts_anywhere = phase == "TRAIN"
        self._mirror = param.mirror
        self._scale = np.float32(param.scale)
        self._crop = (param.crop_h or param.crop_size, param.crop_w or param.crop_size)
        self.force_color, self.force_gray = param.force_color, param.force_gray
        self._check(layer)
        self._picture = read_mean(folder / param.mean_file) if param.mean_file else None
        self._values = np.array(param.mean_value, np.float32)

    @property
    def is_random(self) -> bool:
        """Whether the same picture may come out in several ways."""
        return self._mirror or (self._cuts_anywhere and any(self._crop))

    def __call__(self, values: Values, rng: np.random.Generator | None, where: str) -> Floats:
        """One picture.

        Parameters
        ----------
        values : array of shape (channels, height, width).
        rng : where chance comes from; None will do if not `is_random`.
        where : the picture, for messages.

        Returns
        -------
        float32 array of shape (channels, crop height, crop width).

        Raises
        ------
        UsageError
            When the picture does not fit the crop or the mean.
        """
        mirrored = self._mirror and rng is not None and bool(rng.integers(2))
        top, left, height, width = self._window(values.shape, rng, where)
        cut = (..., slice(top, top + height), slice(left, left + width))
        mean = self._mean(values.shape, where)
        out = values[cut].astype(np.float32)
        if mean is not None:
            out -= mean[cut] if mean.shape[1:] == values.shape[1:] else mean
        if self._scale != 1:
            out *= self._scale
        return np.ascontiguousarray(out[..., ::-1]) if mirrored else out

    def _window(
        self, shape: tuple[int, ...], rng: np.random.Generator | None, where: str
    ) -> tuple[int, int, int, int]:
        height, width = (crop or side for crop, side in zip(self._crop, shape[1:], strict=True))
        free = (shape[1] - height, shape[2] - width)
        if min(free) < 0:
            raise UsageError(
                f"layer {self._name!r}: {where} is {shape[1]} x {shape[2]} (height x width), too"
                f" small for a crop of {height} x {width}"
            )
        if self._cuts_anywhere and rng is not None:
            top, left = (int(rng.integers(room + 1)) for room in free)
        else:
            top, left = (room // 2 for room in free)
        return top, left, height, width

    def _mean(self, shape: tuple[int, ...], where: str) -> Floats | None:
        if self._picture is not None:
            if self._picture.shape != shape:
                raise UsageError(
                    f"layer {self._name!r}: {where} has the shape {shape} (channels, height,"
                    f" width), but its mean_file {self._picture.shape}; make the mean of these"
                    " pictures, or use mean_value"
                )
            return self._picture
        if not self._values.size:
            return None
        if self._values.size not in (1, shape[0]):
            raise UsageError(
                f"layer {self._name!r}: {self._values.size} mean_value for {shape[0]} channel(s)"
                f" of {where}; expected 1 or one a channel"
            )
        return self._values[:, None, None]

    def _check(self, layer: LayerParameter) -> None:
        param = layer.transform_param
        if param.mean_file and param.mean_value:
            raise NetError("has both mean_file and mean_value; Caffe takes one of them", layer.name)
        if param.force_color and param.force_gray:
            raise NetError("has both force_color and force_gray; choose one", layer.name)
        if any(self._crop) and not all(self._crop):
            raise NetError("crop_h and crop_w go together", layer.name)
        foreign = [name for name in _FORKS_ONLY if param.HasField(name)]
        if foreign:
            raise NetError(
                f"transform_param has {', '.join(foreign)}, which only a fork of Caffe knows;"
                " prepare the pictures beforehand, or leave it out",
                layer.name,
            )
