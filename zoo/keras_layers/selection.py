"""Layers that choose pictures of a batch (Caffe: filter_layer.cpp, batch_reindex_layer.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["BatchReindex", "Filter"]

Sizes = tuple[int | None, ...]


class _Selection(keras.layers.Layer):
    def __init__(self, **kwargs: Any) -> None:
        # Half precision does not hold indices beyond 2048.
        super().__init__(autocast=False, **kwargs)


@keras.saving.register_keras_serializable("zoo")
class Filter(_Selection):
    """Of each input but the last the pictures for which the last, (n, ...), is not 0, as a list."""

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        *blobs, selector = inputs
        (chosen,) = ops.nonzero(ops.reshape(selector, (-1,)))
        return [ops.take(blob, chosen, axis=0) for blob in blobs]

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> list[Sizes]:
        return [(None, *shape[1:]) for shape in input_shape[:-1]]


@keras.saving.register_keras_serializable("zoo")
class BatchReindex(_Selection):
    """The pictures of the first input that the second, (m,) indices, names, in its order."""

    def call(self, inputs: Sequence[Any]) -> Any:
        blob, indices = inputs
        return ops.take(blob, ops.cast(indices, "int32"), axis=0)

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        return (*input_shape[1], *input_shape[0][1:])
