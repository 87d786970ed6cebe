"""Losses of forks as layers: numbers over the batch that comes, in float32.

Forks: smooth_L1_loss_layer.cpp (Fast R-CNN), l1_loss_layer.cpp (NVCaffe).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["AsVector", "L1Loss", "SmoothL1Loss"]


@keras.saving.register_keras_serializable("zoo")
class SmoothL1Loss(keras.layers.Layer):
    """Sum of w2 * f(w1 * (x - y)) of [x, y, w1, w2], over the batch; weights may be left out.

    f(d) is (sigma * d)^2 / 2 where |d| is below 1 / sigma^2, else |d| - 1 / (2 * sigma^2).
    """

    def __init__(self, sigma: float = 1.0, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.sigma = sigma

    def call(self, inputs: Sequence[Any]) -> Any:
        first, second, *weights = (ops.reshape(tensor, (-1,)) for tensor in inputs)
        difference = first - second
        if weights:
            difference = difference * weights[0]
        square, size = self.sigma**2, ops.abs(difference)
        near = size < 1 / square
        terms = ops.where(near, square * ops.square(difference) / 2, size - 0.5 / square)
        if len(weights) > 1:
            terms = terms * weights[1]
        return ops.sum(terms) / _batch(inputs[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sigma": self.sigma}


@keras.saving.register_keras_serializable("zoo")
class L1Loss(keras.layers.Layer):
    """Sum of the absolute differences of two blobs, over the batch."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def call(self, inputs: Sequence[Any]) -> Any:
        first, second = (ops.reshape(tensor, (-1,)) for tensor in inputs)
        return ops.sum(ops.abs(first - second)) / _batch(inputs[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ()


@keras.saving.register_keras_serializable("zoo")
class AsVector(keras.layers.Layer):
    """One number as a blob of shape (1,)."""

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (1,))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (1,)


def _batch(blob: Any) -> Any:
    """The batch that came, as a float."""
    return ops.cast(ops.shape(blob)[0], "float32")
