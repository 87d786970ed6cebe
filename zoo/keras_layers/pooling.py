"""Pooling as Caffe rounds and clips it, over channels-last pictures.

Windows may hang over the right and bottom edge. MAX ignores what lies outside; AVE divides by the
part of the window inside the padded picture, so that padding counts and what is beyond it does not.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["CaffePooling2D", "GlobalMaxPooling"]


@keras.saving.register_keras_serializable("zoo")
class CaffePooling2D(keras.layers.Layer):
    """(n, h, w, c) to (n, h', w', c).

    `mode` is "max" or "average", `rounding` is "ceil" or "floor".
    """

    def __init__(
        self,
        mode: str,
        pool_size: tuple[int, int],
        strides: tuple[int, int],
        pads: tuple[int, int],
        rounding: str = "ceil",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mode, self.rounding = mode, rounding
        self.pool_size, self.strides, self.pads = tuple(pool_size), tuple(strides), tuple(pads)

    def call(self, inputs: Any) -> Any:
        sizes = ops.shape(inputs)[1:3]
        windows = [self.windows(axis, size) for axis, size in enumerate(sizes)]
        over = self.over(sizes, windows)
        if self.mode == "max":
            return self._maximum(inputs, sizes, windows, over)
        return self._average(inputs, sizes, windows, over)

    def windows(self, axis: int, size: Any) -> Any:
        """How many windows there are along an axis; a number, or a tensor where size is one."""
        stride, pad = self.strides[axis], self.pads[axis]
        room = size + 2 * pad - self.pool_size[axis]
        windows = (
            (room + stride - 1) // stride + 1 if self.rounding == "ceil" else room // stride + 1
        )
        if not any(self.pads):
            return windows
        dropped = (windows - 1) * stride >= size + pad
        return windows - (int(dropped) if isinstance(dropped, bool) else ops.cast(dropped, "int32"))

    def over(self, sizes: Any, windows: list[Any]) -> list[Any]:
        """How far the last window reaches beyond the picture along each axis; negative if not."""
        return [
            (windows[axis] - 1) * self.strides[axis] + self.pool_size[axis] - sizes[axis] - pad
            for axis, pad in enumerate(self.pads)
        ]

    def around(self, over: list[Any]) -> list[tuple[Any, Any]]:
        """How much to pad each axis, so that every window is full."""
        return [(0, 0), *zip(self.pads, map(_positive, over), strict=True), (0, 0)]

    def _maximum(self, inputs: Any, sizes: Any, windows: list[Any], over: list[Any]) -> Any:
        padding = "valid"
        if self._is_same(sizes, windows, over):
            padding = "same"
        elif not _nothing(self.pads, over):
            # Values that never win, and never meet arithmetic.
            lowest = -float("inf")
            inputs = ops.pad(inputs, self.around(over), constant_values=lowest)
        return ops.max_pool(inputs, self.pool_size, self.strides, padding, "channels_last")

    def _is_same(self, sizes: Any, windows: list[Any], over: list[Any]) -> bool:
        """Whether "same" padding, which needs no copy, puts the windows where Caffe does."""
        for axis, pad in enumerate(self.pads):
            if not isinstance(sizes[axis], int):
                return False
            total = pad + over[axis]
            rounded_up = -(-sizes[axis] // self.strides[axis])
            if total < 0 or total // 2 != pad or windows[axis] != rounded_up:
                return False
        return True

    def _average(self, inputs: Any, sizes: Any, windows: list[Any], over: list[Any]) -> Any:
        if not _nothing(self.pads, over):
            inputs = ops.pad(inputs, self.around(over))
        pooled = ops.average_pool(inputs, self.pool_size, self.strides, "valid", "channels_last")
        if all(
            isinstance(more, int) and more <= pad for more, pad in zip(over, self.pads, strict=True)
        ):
            return pooled
        height, width = (
            self._inside(axis, sizes[axis], windows[axis], inputs.dtype) for axis in (0, 1)
        )
        share = ops.reshape(height, (-1, 1, 1)) * ops.reshape(width, (1, -1, 1))
        return pooled / share

    def _inside(self, axis: int, size: Any, windows: Any, dtype: str) -> Any:
        """The part of each window along an axis that lies inside the padded picture, 0 to 1."""
        kernel, stride, pad = self.pool_size[axis], self.strides[axis], self.pads[axis]
        start = ops.arange(windows) * stride - pad
        end = ops.minimum(start + kernel, size + pad)
        return ops.cast(end - start, dtype) / kernel

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sizes = [
            None if size is None else self.windows(axis, size)
            for axis, size in enumerate(input_shape[1:3])
        ]
        return (input_shape[0], *sizes, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mode": self.mode,
            "pool_size": self.pool_size,
            "strides": self.strides,
            "pads": self.pads,
            "rounding": self.rounding,
        }


@keras.saving.register_keras_serializable("zoo")
class GlobalMaxPooling(keras.layers.Layer):
    """(n, h, w, c) to (n, 1, 1, c).

    Of equal values the first has the gradient, as in Caffe; Keras's own shares it out.
    """

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = ops.shape(inputs)
        values = ops.reshape(inputs, (batch, height * width, channels))
        first = ops.expand_dims(ops.argmax(values, axis=1), 1)
        return ops.expand_dims(ops.take_along_axis(values, first, axis=1), 1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 1, 1, input_shape[3])


def _nothing(pads: tuple[int, ...], over: list[Any]) -> bool:
    """Whether no window leaves the picture, known before it runs."""
    return not any(pads) and all(isinstance(more, int) and more <= 0 for more in over)


def _positive(value: Any) -> Any:
    return max(value, 0) if isinstance(value, int) else ops.maximum(value, 0)
