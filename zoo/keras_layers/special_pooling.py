"""The mask of MAX pooling, STOCHASTIC pooling, and spatial pyramids, over channels-last pictures.

Caffe: pooling_layer.cpp, pooling_layer.cu (STOCHASTIC exists on the GPU only), spp_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.keras_layers.pooling import CaffePooling2D

__all__ = [
    "GlobalPoolingMask",
    "PoolingMask",
    "SpatialPyramidPooling",
    "StochasticPooling2D",
]

Sizes = tuple[int | None, ...]
# What Caffe's maximum starts from; a window without any larger value has the mask -1.
LOWEST = float(np.finfo(np.float32).min)


class _Walk(CaffePooling2D):
    """Looks at all windows at once, one place of the window after the other, row by row."""

    def places(self, inputs: Any, fill: float) -> Iterator[tuple[Any, Any]]:
        """For each place of the window what all windows see there, and its index in the plane.

        Values are (n, h', w', c), indices (h', w', 1): row * width + column.
        """
        sizes = ops.shape(inputs)[1:3]
        windows = [self.windows(axis, size) for axis, size in enumerate(sizes)]
        over = self.over(sizes, windows)
        padded = ops.pad(inputs, self.around(over), constant_values=fill)
        (tall, wide), (high, broad) = self.strides, windows
        for row in range(self.pool_size[0]):
            rows = ops.arange(high) * tall + row - self.pads[0]
            for column in range(self.pool_size[1]):
                columns = ops.arange(broad) * wide + column - self.pads[1]
                seen = padded[
                    :,
                    row : row + (high - 1) * tall + 1 : tall,
                    column : column + (broad - 1) * wide + 1 : wide,
                ]
                index = ops.expand_dims(rows, 1) * sizes[1] + columns
                yield seen, ops.expand_dims(index, -1)


@keras.saving.register_keras_serializable("zoo")
class PoolingMask(_Walk):
    """Where the largest value of each window stands in its plane, row * width + column.

    Of equal values it is the first, row by row. There is no gradient.
    """

    def call(self, inputs: Any) -> Any:
        inputs = ops.stop_gradient(inputs)
        best: Any = ops.cast(LOWEST, inputs.dtype)
        where: Any = ops.cast(-1, "int32")
        for seen, index in self.places(inputs, -float("inf")):
            better = seen > best
            best = ops.where(better, seen, best)
            where = ops.where(better, ops.cast(index, "int32"), where)
        return ops.cast(where, inputs.dtype)


@keras.saving.register_keras_serializable("zoo")
class GlobalPoolingMask(keras.layers.Layer):
    """`PoolingMask` of one window over the whole plane: (n, h, w, c) to (n, 1, 1, c)."""

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = ops.shape(inputs)
        flat = ops.reshape(ops.stop_gradient(inputs), (batch, height * width, channels))
        where = ops.cast(ops.argmax(flat, axis=1), inputs.dtype)
        return ops.reshape(where, (batch, 1, 1, channels))

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return (input_shape[0], 1, 1, input_shape[3])


@keras.saving.register_keras_serializable("zoo")
class StochasticPooling2D(_Walk):
    """One value of each window, drawn in proportion to the values (Zeiler and Fergus 2013).

    In training that is; otherwise what is to be expected, sum of x^2 / sum of x, or 0 where the sum
    is not positive. Values are not negative, and there is no padding.
    """

    def __init__(self, *window: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__("stochastic", *window, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self._drawn(inputs) if training else self._expected(inputs)

    def _expected(self, inputs: Any) -> Any:
        total, squares = 0.0, 0.0
        for seen, _ in self.places(inputs, 0.0):
            total, squares = total + seen, squares + ops.square(seen)
        positive = total > 0
        return ops.where(positive, squares / ops.where(positive, total, 1.0), 0.0)

    def _drawn(self, inputs: Any) -> Any:
        """The value at which the running sum first reaches a random part of the whole sum."""
        walk = [seen for seen, _ in self.places(inputs, 0.0)]
        shape = ops.shape(walk[0])
        threshold = keras.random.uniform(shape, seed=self.seed_generator, dtype=inputs.dtype)
        threshold = ops.stop_gradient(threshold * sum(walk))
        running, drawn = ops.zeros_like(walk[0]), ops.zeros_like(walk[0])
        waiting = ops.ones_like(walk[0], dtype="bool")
        for seen in walk:
            running = running + seen
            now = ops.logical_and(waiting, running >= threshold)
            drawn = ops.where(now, seen, drawn)
            waiting = ops.logical_and(waiting, ops.logical_not(now))
        return drawn

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "seed": self.seed}
        del config["mode"]
        return config


@keras.saving.register_keras_serializable("zoo")
class SpatialPyramidPooling(keras.layers.Layer):
    """(n, h, w, c) to (n, c * (1 + 4 + ... + 4^(levels - 1))), or to (n, 1, 1, c) for one level.

    At a level of b bins an axis the picture is padded to b whole bins, half on each side, and more
    in front; AVE counts the padding. Values lie in Caffe's order, channel by channel.
    """

    def __init__(self, mode: str, levels: int, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mode, self.levels, self.seed = mode, levels, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        levels = [self._level(inputs, 2**level, training) for level in range(self.levels)]
        if self.levels == 1:
            return ops.expand_dims(ops.transpose(levels[0], (0, 2, 1)), 1)
        batch, channels = ops.shape(inputs)[0], inputs.shape[-1]
        return ops.concatenate(
            [ops.reshape(bins, (batch, channels * 4**level)) for level, bins in enumerate(levels)],
            axis=1,
        )

    def _level(self, inputs: Any, bins: int, training: bool | None) -> Any:
        """(n, c, bins * bins)."""
        values = self._binned(inputs, bins, -float("inf") if self.mode == "max" else 0.0)
        if self.mode == "average":
            return ops.mean(values, axis=-1)
        if self.mode == "max":
            # Of equal values the first has the gradient, as in Caffe.
            return _at(values, ops.argmax(values, axis=-1))
        if training:
            running = ops.cumsum(values, axis=-1)
            draw = keras.random.uniform(
                ops.shape(running[..., :1]), seed=self.seed_generator, dtype=inputs.dtype
            )
            reached = running >= ops.stop_gradient(draw * running[..., -1:])
            return _at(values, ops.argmax(ops.cast(reached, "int32"), axis=-1))
        total = ops.sum(values, axis=-1)
        positive = total > 0
        squares = ops.sum(ops.square(values), axis=-1)
        return ops.where(positive, squares / ops.where(positive, total, 1.0), 0.0)

    def _binned(self, inputs: Any, bins: int, fill: float) -> Any:
        """(n, c, bins * bins, values of a bin), rows of bins and of values first."""
        batch, *sizes, channels = ops.shape(inputs)
        kernels = [-(-size // bins) for size in sizes]
        rest = [kernel * bins - size for kernel, size in zip(kernels, sizes, strict=True)]
        around = [((more + 1) // 2, more // 2) for more in rest]
        padded = ops.pad(inputs, [(0, 0), *around, (0, 0)], constant_values=fill)
        tall, wide = kernels
        cut = ops.reshape(padded, (batch, bins, tall, bins, wide, channels))
        cut = ops.transpose(cut, (0, 5, 1, 3, 2, 4))
        return ops.reshape(cut, (batch, channels, bins * bins, tall * wide))

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        batch, channels = input_shape[0], input_shape[-1]
        if self.levels == 1:
            return (batch, 1, 1, channels)
        bins = sum(4**level for level in range(self.levels))
        return (batch, None if channels is None else channels * bins)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mode": self.mode,
            "levels": self.levels,
            "seed": self.seed,
        }


def _at(values: Any, index: Any) -> Any:
    """From the last axis the value at an index."""
    return ops.squeeze(ops.take_along_axis(values, ops.expand_dims(index, -1), axis=-1), axis=-1)
