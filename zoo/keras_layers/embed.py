"""Embedding of numbers that come as floats, with a bias, as Caffe has it (embed_layer.cpp)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["Embed"]

Sizes = tuple[int | None, ...]


@keras.saving.register_keras_serializable("zoo")
class Embed(keras.layers.Layer):
    """(...) whole numbers below `rows` to (..., units): for each its row, plus the bias."""

    def __init__(self, rows: int, units: int, use_bias: bool = True, **kwargs: Any) -> None:
        # Half precision does not hold the numbers of a larger vocabulary.
        super().__init__(autocast=False, **kwargs)
        self.rows, self.units, self.use_bias = rows, units, use_bias

    def build(self, input_shape: Sizes) -> None:
        self.weight = self.add_weight(
            name="weight", shape=(self.rows, self.units), initializer="uniform"
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        outputs = ops.take(self.weight, ops.cast(inputs, "int32"), axis=0)
        if self.use_bias:
            outputs = outputs + self.bias
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return (*input_shape, self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rows": self.rows,
            "units": self.units,
            "use_bias": self.use_bias,
        }
