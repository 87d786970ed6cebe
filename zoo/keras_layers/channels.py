"""Layers that deal with channels: shuffle them, weigh them, double them, trade them for places.

Axes are those of the tensor, in whatever order it is, unless a layer says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["Axpy", "CReLU", "Reorg", "ShuffleChannel"]

Sizes = tuple[int | None, ...]


@keras.saving.register_keras_serializable("zoo")
class ShuffleChannel(keras.layers.Layer):
    """Channels dealt out in turn (ShuffleNet, Zhang et al. 2018).

    Parameters
    ----------
    axis : the axis of the channels.
    groups : how many groups of neighbours the channels are in before; their size is how many there
        are after.
    """

    def __init__(self, axis: int, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.groups = axis, groups

    def call(self, inputs: Any) -> Any:
        shape = list(ops.shape(inputs))
        before, after = shape[: self.axis], shape[self.axis + 1 :]
        size = shape[self.axis] // self.groups
        split = ops.reshape(inputs, (*before, self.groups, size, *after))
        return ops.reshape(ops.swapaxes(split, self.axis, self.axis + 1), shape)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "groups": self.groups}


@keras.saving.register_keras_serializable("zoo")
class Axpy(keras.layers.Layer):
    """a * x + y of [a, x, y], with one a for each picture and channel; `axis` is the channels'."""

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Sequence[Any]) -> Any:
        factors, first, second = inputs
        shape = [1] * len(first.shape)
        shape[0], shape[self.axis] = -1, first.shape[self.axis]
        return ops.reshape(factors, shape) * first + second

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        return input_shape[1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable("zoo")
class CReLU(keras.layers.Layer):
    """ReLU of x and of -x behind each other along `axis` (Shang et al. 2016)."""

    def __init__(self, axis: int, slope: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.slope = axis, slope

    def call(self, inputs: Any) -> Any:
        both = ops.concatenate([inputs, -inputs], axis=self.axis)
        return ops.leaky_relu(both, self.slope) if self.slope else ops.relu(both)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        size = input_shape[self.axis]
        doubled = None if size is None else 2 * size
        return (*input_shape[: self.axis], doubled, *input_shape[self.axis + 1 :])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "slope": self.slope}


@keras.saving.register_keras_serializable("zoo")
class Reorg(keras.layers.Layer):
    """Blocks of stride x stride values to channels, or back, on (n, c, h, w) as darknet does it.

    (n, c, h, w) becomes (n, c * s * s, h / s, w / s); `reverse` is the other way round.
    """

    def __init__(self, stride: int, reverse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride, self.reverse = stride, reverse

    def call(self, inputs: Any) -> Any:
        batch, channels, height, width = ops.shape(inputs)
        s, few = self.stride, channels // self.stride**2
        if self.reverse:
            split = ops.reshape(inputs, (batch, s, s, few, height, width))
            moved = ops.transpose(split, (0, 3, 4, 1, 5, 2))
        else:
            split = ops.reshape(inputs, (batch, few, height, s, width, s))
            moved = ops.transpose(split, (0, 3, 5, 1, 2, 4))
        return ops.reshape(moved, self._target((batch, channels, height, width)))

    def _target(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        batch, channels, height, width = shape
        s = self.stride
        if self.reverse:
            sizes = [None if size is None else size * s for size in (height, width)]
            return (batch, channels // s**2, *sizes)
        sizes = [None if size is None else size // s for size in (height, width)]
        return (batch, channels * s**2, *sizes)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return self._target(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride, "reverse": self.reverse}
