"""What SegNet computes and Keras does not: unpooling, and normalisation by the batch alone.

caffe-segnet: upsample_layer.cpp, bn_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["BatchAffine", "Unpooling"]

Sizes = tuple[int | None, ...]
# What SegNet adds to a variance, whatever is written.
EPSILON = 1e-9


@keras.saving.register_keras_serializable("zoo")
class Unpooling(keras.layers.Layer):
    """Values (n, h, w, c) and the mask of a MAX pooling, same shape, to (n, h', w', c).

    Each value goes to the place in its channel's plane that the mask names, row * w' + column;
    between them are zeros. Where several go to one place, the last in Caffe's order stays.

    Parameters
    ----------
    sizes : (h', w'), or None where they are the size times `scale` less `less`.
    """

    def __init__(
        self,
        sizes: tuple[int, int] | None = None,
        scale: tuple[int, int] = (2, 2),
        less: tuple[int, int] = (0, 0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = None if sizes is None else tuple(sizes)
        self.scale, self.less = tuple(scale), tuple(less)

    def call(self, inputs: Sequence[Any]) -> Any:
        values, mask = inputs
        batch, height, width, channels = ops.shape(values)
        high, wide = self._sizes((height, width))
        planes = ops.reshape(ops.arange(batch), (-1, 1, 1, 1)) * (high * wide)
        places = (planes + ops.cast(mask, "int32")) * channels + ops.arange(channels)
        places = ops.reshape(places, (-1,))
        total = batch * high * wide * channels
        order = ops.arange(ops.shape(places)[0])
        last = ops.segment_max(order, places, num_segments=total)
        values = ops.reshape(values, (-1,))
        values = ops.where(ops.take(last, places) == order, values, ops.zeros_like(values))
        summed = ops.segment_sum(values, places, num_segments=total)
        return ops.reshape(summed, (batch, high, wide, channels))

    def _sizes(self, sizes: Sequence[Any]) -> tuple[Any, Any]:
        if self.sizes is not None:
            return self.sizes[0], self.sizes[1]
        height, width = (
            None if size is None else size * by - less
            for size, by, less in zip(sizes, self.scale, self.less, strict=True)
        )
        return height, width

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        values = input_shape[0]
        return (values[0], *self._sizes(values[1:3]), values[3])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sizes": self.sizes,
            "scale": self.scale,
            "less": self.less,
        }


@keras.saving.register_keras_serializable("zoo")
class BatchAffine(keras.layers.Layer):
    """The input with mean 0 and variance 1 over the batch that comes, times scale, plus shift.

    It is the same in training and inference, since it keeps no statistics.

    Parameters
    ----------
    axis : the axis of the channels.
    statistics : 1 to give out the batch's mean, (1, c, 1, 1), too, 2 for its variance as well.
    """

    def __init__(self, axis: int, statistics: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.statistics = axis, statistics

    def build(self, input_shape: Sizes) -> None:
        shape = (input_shape[self.axis],)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.shift = self.add_weight(name="shift", shape=shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        axes = [axis for axis in range(len(inputs.shape)) if axis != self.axis]
        mean = ops.mean(inputs, axis=axes, keepdims=True)
        centred = inputs - mean
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        shape = [-1 if axis == self.axis else 1 for axis in range(len(inputs.shape))]
        outputs = centred / ops.sqrt(variance + EPSILON) * ops.reshape(self.scale, shape)
        outputs = outputs + ops.reshape(self.shift, shape)
        if not self.statistics:
            return outputs
        wanted = [mean, variance][: self.statistics]
        return [outputs, *(ops.reshape(each, (1, -1, 1, 1)) for each in wanted)]

    def compute_output_shape(self, input_shape: Sizes) -> Any:
        one = (1, input_shape[self.axis], 1, 1)
        return [input_shape, *[one] * self.statistics] if self.statistics else input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "statistics": self.statistics}
