"""Layers that move, cut, repeat, order or gather values without changing them, and sums over axes.

Caffe: reshape_layer.cpp, flatten_layer.cpp, crop_layer.cpp, slice_layer.cpp, tile_layer.cpp,
argmax_layer.cpp, reduction_layer.cpp. Axes here are those of the tensor, in whatever order it is;
sizes that are not known before a picture comes are taken from the tensor itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["ArgMax", "Crop", "Reduction", "Reshape", "Slice", "Tile"]

Sizes = tuple[int | None, ...]


@keras.saving.register_keras_serializable("zoo")
class Reshape(keras.layers.Layer):
    """The same values under new axes, the first axis included.

    Parameters
    ----------
    sizes : size of each new axis; -1, at most once, is whatever is left; None where it is copied.
    copied : for each new axis, the axis of the input whose size it takes, or None.
    """

    def __init__(
        self, sizes: Sequence[int | None], copied: Sequence[int | None], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sizes, self.copied = list(sizes), list(copied)

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, self._target(ops.shape(inputs)))

    def _target(self, shape: Sequence[Any]) -> list[Any]:
        return [
            size if axis is None else shape[axis]
            for size, axis in zip(self.sizes, self.copied, strict=True)
        ]

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        target = self._target(input_shape)
        if -1 not in target:
            return tuple(target)
        # A size that is copied cancels, so an unknown one only matters where it is not.
        copied = {axis for axis in self.copied if axis is not None}
        rest = [size for axis, size in enumerate(input_shape) if axis not in copied]
        stated = [
            size
            for size, axis in zip(self.sizes, self.copied, strict=True)
            if axis is None and size is not None and size != -1
        ]
        known = [size for size in rest if size is not None]
        left = math.prod(known) // math.prod(stated) if len(known) == len(rest) else None
        return tuple(left if size == -1 else size for size in target)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": self.sizes, "copied": self.copied}


@keras.saving.register_keras_serializable("zoo")
class Crop(keras.layers.Layer):
    """The part of the first input that begins at `offsets` and is as large as the second.

    Parameters
    ----------
    axes : the axes that are cut; the others stay whole.
    offsets : where the part begins, one number per cut axis.
    """

    def __init__(self, axes: Sequence[int], offsets: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes, self.offsets = list(axes), list(offsets)

    def call(self, inputs: Sequence[Any]) -> Any:
        blob, reference = inputs
        sizes, wanted = list(ops.shape(blob)), ops.shape(reference)
        starts = [0] * len(sizes)
        for axis, offset in zip(self.axes, self.offsets, strict=True):
            self._check(axis, sizes[axis], offset, wanted[axis])
            starts[axis], sizes[axis] = offset, wanted[axis]
        return ops.slice(blob, starts, sizes)

    def _check(self, axis: int, size: Any, offset: int, wanted: Any) -> None:
        """Say what does not fit, where sizes are known: a backend may cut short in silence."""
        if isinstance(size, int) and isinstance(wanted, int) and offset + wanted > size:
            raise ValueError(
                f"layer {self.name!r}: cannot crop {wanted} values at offset {offset} from the"
                f" {size} on axis {axis} of the tensor"
            )

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        blob, reference = input_shape
        return tuple(
            reference[axis] if axis in self.axes else size for axis, size in enumerate(blob)
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "offsets": self.offsets}


@keras.saving.register_keras_serializable("zoo")
class Slice(keras.layers.Layer):
    """The input cut along one axis, as a list.

    Parameters
    ----------
    axis : which axis is cut.
    pieces : how many parts there are.
    points : where each part but the first begins; None cuts into equal parts.
    """

    def __init__(
        self, axis: int, pieces: int, points: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.pieces = axis, pieces
        self.points = None if points is None else list(points)

    def call(self, inputs: Any) -> list[Any]:
        bounds = self._bounds(ops.shape(inputs)[self.axis])
        before = (slice(None),) * self.axis
        return [
            inputs[(*before, slice(start, end))]
            for start, end in zip(bounds[:-1], bounds[1:], strict=True)
        ]

    def _bounds(self, size: Any) -> list[Any]:
        """Where the parts begin and end along an axis of that size."""
        if self.points is not None:
            return [0, *self.points, size]
        return [size * index // self.pieces for index in range(self.pieces + 1)]

    def compute_output_shape(self, input_shape: Sizes) -> list[Sizes]:
        size = input_shape[self.axis]
        if size is None:
            inner = [] if self.points is None else [0, *self.points]
            lengths: list[int | None] = [
                end - start for start, end in zip(inner[:-1], inner[1:], strict=True)
            ]
            lengths += [None] * (self.pieces - len(lengths))
        else:
            bounds = self._bounds(size)
            lengths = [end - start for start, end in zip(bounds[:-1], bounds[1:], strict=True)]
        before, after = input_shape[: self.axis], input_shape[self.axis + 1 :]
        return [(*before, length, *after) for length in lengths]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "pieces": self.pieces,
            "points": self.points,
        }


@keras.saving.register_keras_serializable("zoo")
class Tile(keras.layers.Layer):
    """The input `tiles` times behind itself along one axis."""

    def __init__(self, axis: int, tiles: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.tiles = axis, tiles

    def call(self, inputs: Any) -> Any:
        return ops.concatenate([inputs] * self.tiles, axis=self.axis)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        size = input_shape[self.axis]
        tiled = None if size is None else size * self.tiles
        return (*input_shape[: self.axis], tiled, *input_shape[self.axis + 1 :])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "tiles": self.tiles}


@keras.saving.register_keras_serializable("zoo")
class ArgMax(keras.layers.Layer):
    """Where the `top_k` largest values along an axis stand, or what they are, largest first.

    Of equal values the one with the larger index comes first, as in Caffe. There is no gradient.

    Parameters
    ----------
    axis : along which values compete; its size becomes `top_k`.
    result : "index", "value", or "both": a new axis in front of `axis` holds indices, then values.
    """

    def __init__(self, axis: int, top_k: int = 1, result: str = "index", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis, self.top_k, self.result = axis, top_k, result

    def call(self, inputs: Any) -> Any:
        # Keras finds the smaller index first among equals: look from the other end.
        turned = ops.flip(ops.moveaxis(inputs, self.axis, -1), axis=-1)
        values, places = ops.top_k(turned, self.top_k)
        last = ops.cast(ops.shape(turned)[-1] - 1, inputs.dtype)
        values = ops.moveaxis(values, -1, self.axis)
        indices = ops.moveaxis(last - ops.cast(places, inputs.dtype), -1, self.axis)
        if self.result == "both":
            return ops.stop_gradient(ops.stack([indices, values], axis=self.axis))
        return ops.stop_gradient(values if self.result == "value" else indices)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        before, after = input_shape[: self.axis], input_shape[self.axis + 1 :]
        both = (2,) if self.result == "both" else ()
        return (*before, *both, self.top_k, *after)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "top_k": self.top_k,
            "result": self.result,
        }


@keras.saving.register_keras_serializable("zoo")
class Reduction(keras.layers.Layer):
    """Values gathered over axes, times a coefficient.

    Parameters
    ----------
    operation : SUM, ASUM (of absolute values), SUMSQ (of squares) or MEAN.
    axes : the axes that vanish.
    """

    def __init__(
        self, operation: str, axes: Sequence[int], coefficient: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.operation, self.axes, self.coefficient = operation, list(axes), coefficient

    def call(self, inputs: Any) -> Any:
        axes = tuple(self.axes)
        if self.operation == "MEAN":
            return self.coefficient * ops.mean(inputs, axis=axes)
        terms = {"SUM": lambda x: x, "ASUM": ops.abs, "SUMSQ": ops.square}[self.operation](inputs)
        return self.coefficient * ops.sum(terms, axis=axes)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return tuple(size for axis, size in enumerate(input_shape) if axis not in self.axes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "operation": self.operation,
            "axes": self.axes,
            "coefficient": self.coefficient,
        }
