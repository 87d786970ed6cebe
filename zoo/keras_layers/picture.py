"""Preprocessing as a layer: from pictures as they are decoded to what a Caffe network reads.

The arithmetic is that of `zoo.preprocess` and `zoo.resize`, bit for bit: bytes are resized with
weights of 11 bits and sums cut off where OpenCV cuts them off, in int32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["PictureInput"]

# Of 2**15, for red, green and blue.
GRAY_WEIGHTS = (9798, 19235, 3735)


@keras.saving.register_keras_serializable("zoo")
class PictureInput(keras.layers.Layer):
    """uint8 RGB pictures (n, any height, any width, 3) to float32 (n, height, width, channels).

    Parameters
    ----------
    size : height and width of the network's input, cut from the centre.
    channels : BGR, RGB or GRAY.
    mean : subtracted from each channel.
    scale : multiplied after that.
    resize : height and width that the whole picture is warped to first.
    """

    def __init__(
        self,
        size: Sequence[int],
        channels: str,
        mean: Sequence[float],
        scale: float,
        resize: Sequence[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.channels, self.resize = list(size), channels, list(resize)
        self.mean, self.scale = list(mean), scale

    def call(self, inputs: Any) -> Any:
        pictures = self._in_order(ops.cast(inputs, "int32"))
        top, left = ((old - new) // 2 for old, new in zip(self.resize, self.size, strict=True))
        warped = _resized(pictures, self.resize)
        cut = warped[:, top : top + self.size[0], left : left + self.size[1]]
        mean = ops.reshape(ops.convert_to_tensor(self.mean, "float32"), (1, 1, 1, -1))
        centred = ops.cast(cut, "float32") - mean
        return centred if self.scale == 1 else centred * self.scale

    def _in_order(self, pictures: Any) -> Any:
        if self.channels == "RGB":
            return pictures
        if self.channels == "BGR":
            return ops.flip(pictures, axis=-1)
        weights = ops.convert_to_tensor(GRAY_WEIGHTS, "int32")
        gray = ops.sum(pictures * weights, axis=-1, keepdims=True)
        return (gray + (1 << 14)) // (1 << 15)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self.size, len(self.mean))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "channels": self.channels,
            "mean": self.mean,
            "scale": self.scale,
            "resize": self.resize,
        }


def _resized(pictures: Any, size: Sequence[int]) -> Any:
    """(n, h, w, c) of bytes as int32, warped to a size."""
    sizes = ops.shape(pictures)
    *rows, upper, lower = _taps(sizes[1], size[0])
    *columns, left, right = _taps(sizes[2], size[1])

    def across(row: Any) -> Any:
        lines = ops.take(pictures, row, axis=1)
        one = ops.take(lines, columns[0], axis=2) * ops.reshape(left, (1, 1, -1, 1))
        other = ops.take(lines, columns[1], axis=2) * ops.reshape(right, (1, 1, -1, 1))
        return (one + other) // 16

    above = across(rows[0]) * ops.reshape(upper, (1, -1, 1, 1)) // 65536
    below = across(rows[1]) * ops.reshape(lower, (1, -1, 1, 1)) // 65536
    return (above + below + 2) // 4


def _taps(old: Any, new: int) -> tuple[Any, Any, Any, Any]:
    """The two places along an axis that each new pixel is made of, and their weights of 2048."""
    # A divisor that is no constant: TensorFlow multiplies by the rounded reciprocal of one.
    divisor = 2 * new * ops.minimum(old, 1)
    centre = (2 * ops.arange(new, dtype="int32") + 1) * old - new
    centre = ops.cast(centre, "float32") / ops.cast(divisor, "float32")
    first = ops.floor(centre)
    share = centre - first
    place = ops.cast(first, "int32")
    places = [ops.clip(place + index, 0, old - 1) for index in (0, 1)]
    weights = [ops.cast(ops.round(part * 2048.0), "int32") for part in (1.0 - share, share)]
    return places[0], places[1], weights[0], weights[1]
