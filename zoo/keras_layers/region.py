"""Pooling of regions of interest, over channels-last pictures.

Caffe's forks: roi_pooling_layer.cpp (Fast R-CNN, MS-CNN), psroi_pooling_layer.cu (R-FCN). Features
are (n, h, w, c), regions are rows of picture index, x1, y1, x2, y2; the output has one entry for
each region. Bins of a region may overlap; one that lies outside of the picture gives 0. Positions
have no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["PSROIPooling", "ROIPooling"]

Sizes = tuple[int | None, ...]


@keras.saving.register_keras_serializable("zoo")
class ROIPooling(keras.layers.Layer):
    """The maximum of each bin of each region, (regions, pooled_h, pooled_w, c).

    Parameters
    ----------
    pool_size : (pooled_h, pooled_w).
    spatial_scale : size of the features over size of the picture in which regions are measured.
    pad_ratio : by which share of its size a region grows on each side; where it does, it is cut
        off at the picture's edges.
    """

    def __init__(
        self,
        pool_size: tuple[int, int],
        spatial_scale: float = 1.0,
        pad_ratio: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = tuple(pool_size)
        self.spatial_scale, self.pad_ratio = spatial_scale, pad_ratio

    def call(self, inputs: Sequence[Any]) -> Any:
        features, regions = inputs
        regions = ops.reshape(ops.stop_gradient(regions), (-1, 5))
        return ops.map(lambda region: self._pooled(features, region), regions)

    def _pooled(self, features: Any, region: Any) -> Any:
        """One region, (pooled_h, pooled_w, c): maxima of its rows, and of columns of these."""
        picture = features[ops.cast(region[0], "int32")]
        height, width = ops.shape(picture)[:2]
        top, bottom = self._bins(region[2], region[4], height, self.pool_size[0])
        left, right = self._bins(region[1], region[3], width, self.pool_size[1])
        columns = picture[:, left[0] : right[-1]]
        rows = ops.stack([_maximum(columns[start:end], 0) for start, end in _pairs(top, bottom)])
        bins = [
            _maximum(rows[:, start - left[0] : end - left[0]], 1)
            for start, end in _pairs(left, right)
        ]
        filled = ops.logical_and(ops.expand_dims(bottom > top, 1), ops.expand_dims(right > left, 0))
        return ops.where(ops.expand_dims(filled, 2), ops.stack(bins, axis=1), 0.0)

    def _bins(self, first: Any, last: Any, size: Any, number: int) -> tuple[Any, Any]:
        """Where the bins along one axis start and end, as places of the features."""
        pad = (last - first + 1) * self.pad_ratio
        start = _rounded((first - pad) * self.spatial_scale)
        end = _rounded((last + pad) * self.spatial_scale)
        if self.pad_ratio:
            picture = _rounded(ops.cast(size, "float32") / self.spatial_scale)
            start, end = ops.maximum(start, 0.0), ops.minimum(end, picture - 1)
        length = ops.maximum(end - start + 1, 1.0) / number
        index = ops.arange(number, dtype="float32")
        starts = ops.floor(index * length) + start
        ends = ops.ceil((index + 1) * length) + start
        return _inside(starts, size), _inside(ends, size)

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        features, regions = input_shape
        return (regions[0], *self.pool_size, features[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "spatial_scale": self.spatial_scale,
            "pad_ratio": self.pad_ratio,
        }


@keras.saving.register_keras_serializable("zoo")
class PSROIPooling(keras.layers.Layer):
    """The mean of each bin of each region in the channels of that bin, (regions, g, g, outputs).

    Parameters
    ----------
    outputs : how many channels come out; the features have outputs * g * g.
    group : g, the bins along each axis.
    spatial_scale : size of the features over size of the picture in which regions are measured.
    """

    def __init__(self, outputs: int, group: int, spatial_scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outputs, self.group, self.spatial_scale = outputs, group, spatial_scale

    def call(self, inputs: Sequence[Any]) -> Any:
        features, regions = inputs
        regions = ops.reshape(ops.stop_gradient(regions), (-1, 5))
        pictures, height, width = ops.shape(features)[:3]
        rows = self._inside_bins(regions[:, 2], regions[:, 4], height)
        columns = self._inside_bins(regions[:, 1], regions[:, 3], width)
        area = ops.sum(rows, axis=2)[:, :, None] * ops.sum(columns, axis=2)[:, None, :]
        # Rows of all pictures stand below each other, and only those of the own one count.
        own = ops.one_hot(ops.cast(regions[:, 0], "int32"), pictures, dtype=rows.dtype)
        rows = ops.expand_dims(own, (1, 3)) * ops.expand_dims(rows, 2)
        rows = ops.reshape(rows, (-1, self.group, pictures * height))
        split = ops.reshape(
            features, (pictures * height, width, self.outputs, self.group, self.group)
        )
        sums = ops.einsum("rpy,yxdpq->rpxdq", rows, split)
        sums = ops.einsum("rqx,rpxdq->rpqd", columns, sums)
        return sums / ops.expand_dims(ops.maximum(area, 1.0), 3)

    def _inside_bins(self, first: Any, last: Any, size: Any) -> Any:
        """1 where a place along an axis lies in a bin, else 0: (regions, g, size)."""
        start = _rounded(first) * self.spatial_scale
        end = (_rounded(last) + 1.0) * self.spatial_scale
        length = ops.maximum(end - start, 0.1) / self.group
        index = ops.arange(self.group, dtype="float32")
        starts = ops.floor(index * length[:, None] + start[:, None])
        ends = ops.ceil((index + 1) * length[:, None] + start[:, None])
        places = ops.cast(ops.arange(size), "float32")
        inside = ops.logical_and(places >= starts[:, :, None], places < ends[:, :, None])
        return ops.cast(inside, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        return (input_shape[1][0], self.group, self.group, self.outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "outputs": self.outputs,
            "group": self.group,
            "spatial_scale": self.spatial_scale,
        }


def _rounded(value: Any) -> Any:
    """To the nearest whole number, halves away from 0, as C rounds."""
    return ops.sign(value) * ops.floor(ops.abs(value) + 0.5)


def _inside(places: Any, size: Any) -> Any:
    return ops.clip(ops.cast(places, "int32"), 0, size)


def _pairs(starts: Any, ends: Any) -> list[tuple[Any, Any]]:
    return [(starts[index], ends[index]) for index in range(starts.shape[0])]


def _maximum(values: Any, axis: int) -> Any:
    """The largest along an axis, lowest of all where there is none."""
    return ops.max(values, axis=axis, initial=-float("inf"))
