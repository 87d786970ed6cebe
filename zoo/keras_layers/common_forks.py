"""Turning axes, dividing by an L2 norm, and interpolation that keeps the corners.

SSD: permute_layer.cpp, normalize_layer.cpp. DeepLab and PSPNet: interp_layer.cpp, util/interp.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["Interpolation", "L2Normalization", "Transpose"]

Sizes = tuple[int | None, ...]


@keras.saving.register_keras_serializable("zoo")
class Transpose(keras.layers.Layer):
    """The axes in another order, the first included: axis i of the output is `axes[i]`."""

    def __init__(self, axes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = list(axes)

    def call(self, inputs: Any) -> Any:
        return ops.transpose(inputs, self.axes)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return tuple(input_shape[axis] for axis in self.axes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes}


@keras.saving.register_keras_serializable("zoo")
class L2Normalization(keras.layers.Layer):
    """x / sqrt(sum of x^2 + epsilon), times a learned scale.

    Parameters
    ----------
    axis : that of the channels.
    across_spatial : the sum is over a picture; without it, over the channels of each place.
    scale_shape : () for one scale, (channels,) for one a channel, None for none.
    """

    def __init__(
        self,
        axis: int,
        across_spatial: bool,
        scale_shape: Sequence[int] | None,
        epsilon: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.across_spatial, self.epsilon = axis, across_spatial, epsilon
        self.scale_shape = None if scale_shape is None else tuple(scale_shape)

    def build(self, input_shape: Sizes) -> None:
        if self.scale_shape is not None:
            self.scale = self.add_weight(name="scale", shape=self.scale_shape, initializer="ones")

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        axes = list(range(1, rank)) if self.across_spatial else [self.axis]
        squares = ops.sum(ops.square(inputs), axis=axes, keepdims=True)
        outputs = inputs * ops.rsqrt(squares + self.epsilon)
        if self.scale_shape is None:
            return outputs
        if self.scale_shape:
            sizes = [-1 if axis == self.axis else 1 for axis in range(rank)]
            return outputs * ops.reshape(self.scale, sizes)
        return outputs * self.scale

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "across_spatial": self.across_spatial,
            "scale_shape": self.scale_shape,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable("zoo")
class Interpolation(keras.layers.Layer):
    """Bilinear interpolation in which the corner places keep their values.

    With a second input, the output has its height and width.

    Parameters
    ----------
    axis : that of the rows; the columns are on the next.
    size : (height, width) of the output, or None where the factors say it.
    shrink, zoom : without a size, each `shrink`-th place is kept, `zoom - 1` are put between two.
    cut : how many places are cut off before and behind on both axes.
    """

    def __init__(
        self,
        axis: int,
        size: Sequence[int] | None,
        shrink: int = 1,
        zoom: int = 1,
        cut: Sequence[int] = (0, 0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.size = axis, None if size is None else tuple(size)
        self.shrink, self.zoom, self.cut = shrink, zoom, tuple(cut)

    def call(self, inputs: Any) -> Any:
        outputs, *reference = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        sizes = ops.shape(outputs)
        wanted = self._sizes(sizes, ops.shape(reference[0]) if reference else None)
        for axis, size in zip((self.axis, self.axis + 1), wanted, strict=True):
            outputs = self._along(outputs, axis, sizes[axis] - sum(self.cut), size)
        return outputs

    def _along(self, inputs: Any, axis: int, size: Any, wanted: Any) -> Any:
        """One axis of `size` places behind the cut, interpolated to `wanted` places."""
        ratio = ops.cast(size - 1, "float32") / ops.cast(ops.maximum(wanted - 1, 1), "float32")
        places = ops.arange(wanted, dtype="float32") * ratio
        lower = ops.cast(places, "int32")
        share = ops.cast(places - ops.cast(lower, "float32"), inputs.dtype)
        share = ops.reshape(share, [-1 if a == axis else 1 for a in range(len(inputs.shape))])
        upper = ops.minimum(lower + 1, size - 1)
        first = ops.take(inputs, lower + self.cut[0], axis=axis)
        return first * (1 - share) + ops.take(inputs, upper + self.cut[0], axis=axis) * share

    def _sizes(self, given: Any, reference: Any) -> tuple[Any, ...]:
        """Height and width of the output; None where the input's are not known."""
        if self.size is not None:
            return self.size
        source = given if reference is None else reference
        pair = source[self.axis : self.axis + 2]
        if reference is not None:
            return tuple(pair)
        return tuple(
            None if size is None else (size - sum(self.cut) - 1) // self.shrink * self.zoom + 1
            for size in pair
        )

    def compute_output_shape(self, input_shape: Any) -> Sizes:
        two = isinstance(input_shape[0], (list, tuple))
        first, reference = input_shape if two else (input_shape, None)
        return (*first[: self.axis], *self._sizes(first, reference), *first[self.axis + 2 :])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "size": self.size,
            "shrink": self.shrink,
            "zoom": self.zoom,
            "cut": self.cut,
        }
