"""Patches of a blob, and convolution computed from them as Caffe itself does.

Caffe: im2col.cpp (im2col_nd), base_conv_layer.cpp, deconv_layer.cpp. Works in Caffe's order of
axes, with the channels on any axis, any number of axes behind them, and every combination of
stride, dilation and groups. Slower than the backend's convolution, so only for what that cannot do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.keras_layers.deconvolution import with_zeros_between

__all__ = ["Im2col", "PatchConvolution", "PatchDeconvolution"]

Sizes = tuple[int | None, ...]


class _Patches(keras.layers.Layer):
    """What the layers here share: a window over the axes behind `axis`."""

    def __init__(
        self,
        axis: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        pad: Sequence[int],
        dilation: Sequence[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.kernel, self.stride = tuple(kernel), tuple(stride)
        self.pad, self.dilation = tuple(pad), tuple(dilation)
        self.extent = tuple(
            d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "kernel": self.kernel,
            "stride": self.stride,
            "pad": self.pad,
            "dilation": self.dilation,
        }

    def convolved_sizes(self, sizes: Sizes) -> Sizes:
        """How many places the window has along each of these axes."""
        return tuple(
            None if size is None else (size + 2 * pad - extent) // stride + 1
            for size, pad, extent, stride in zip(
                sizes, self.pad, self.extent, self.stride, strict=True
            )
        )


@keras.saving.register_keras_serializable("zoo")
class Im2col(_Patches):
    """(..., C, H, W) to (..., C * kh * kw, H', W'): each column is what one window sees."""

    def call(self, inputs: Any) -> Any:
        axis, axes = self.axis, len(self.kernel)
        columns = columns_of(inputs, axis, self.kernel, self.stride, self.pad, self.dilation)
        shape = ops.shape(columns)
        rows = math.prod(shape[axis : axis + 1 + axes])
        return ops.reshape(columns, (*shape[:axis], rows, *shape[axis + 1 + axes :]))

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        channels = input_shape[self.axis]
        rows = None if channels is None else channels * math.prod(self.kernel)
        behind = input_shape[self.axis + 1 :]
        return (*input_shape[: self.axis], rows, *self.convolved_sizes(behind))


class _PatchProduct(_Patches):
    """A product of patches with a learned kernel, in Caffe's own layout of weights."""

    def __init__(self, *window: Any, filters: int, channels: int, groups: int, use_bias: bool,
                 **kwargs: Any) -> None:  # fmt: skip
        super().__init__(*window, **kwargs)
        self.filters, self.channels = filters, channels
        self.groups, self.use_bias = groups, use_bias

    def weight_shape(self) -> tuple[int, int]:
        """The first two axes of the weight."""
        raise NotImplementedError

    def build(self, input_shape: Sizes) -> None:
        self.weight = self.add_weight(
            name="weight",
            shape=(*self.weight_shape(), *self.kernel),
            initializer="glorot_uniform",
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def product(self, columns: Any, weight: Any) -> Any:
        """Columns (..., C, k..., places...) times (groups, filters / groups, C / groups * k...)."""
        shape, axes = ops.shape(columns), len(self.kernel)
        before, places = shape[: self.axis], shape[self.axis + 1 + axes :]
        rows = self.channels // self.groups * math.prod(self.kernel)
        columns = ops.reshape(columns, (math.prod(before), self.groups, rows, math.prod(places)))
        outputs = ops.reshape(ops.matmul(weight, columns), (*before, self.filters, *places))
        if self.use_bias:
            outputs = outputs + ops.reshape(self.bias, (self.filters, *(1,) * len(places)))
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "channels": self.channels,
            "groups": self.groups,
            "use_bias": self.use_bias,
        }


@keras.saving.register_keras_serializable("zoo")
class PatchConvolution(_PatchProduct):
    """(..., C, H, W) to (..., filters, H', W'); the weight is (filters, C / groups, kh, kw)."""

    def weight_shape(self) -> tuple[int, int]:
        return self.filters, self.channels // self.groups

    def call(self, inputs: Any) -> Any:
        columns = columns_of(inputs, self.axis, self.kernel, self.stride, self.pad, self.dilation)
        weight = ops.reshape(self.weight, (self.groups, self.filters // self.groups, -1))
        return self.product(columns, weight)

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        behind = input_shape[self.axis + 1 :]
        return (*input_shape[: self.axis], self.filters, *self.convolved_sizes(behind))


@keras.saving.register_keras_serializable("zoo")
class PatchDeconvolution(_PatchProduct):
    """(..., C, H, W) to (..., filters, s * (H - 1) + extent - 2 * pad, ...).

    The weight is (C, filters / groups, kh, kw). A transposed convolution is a convolution with the
    turned kernel over the input with zeros between its values and around them.
    """

    def weight_shape(self) -> tuple[int, int]:
        return self.channels, self.filters // self.groups

    def call(self, inputs: Any) -> Any:
        for index, stride in enumerate(self.stride):
            inputs = with_zeros_between(inputs, self.axis + 1 + index, stride)
        ones, around = (1,) * len(self.kernel), tuple(extent - 1 for extent in self.extent)
        columns = columns_of(inputs, self.axis, self.kernel, ones, around, self.dilation)
        outputs = self.product(columns, self._turned_weight())
        inner = tuple(slice(pad, -pad if pad else None) for pad in self.pad)
        return outputs[(slice(None),) * (self.axis + 1) + inner]

    def _turned_weight(self) -> Any:
        """(groups, filters / groups, C / groups * k...), each kernel turned round."""
        groups, axes = self.groups, len(self.kernel)
        weight = ops.flip(self.weight, axis=tuple(range(2, 2 + axes))) if axes else self.weight
        each = (self.channels // groups, self.filters // groups, math.prod(self.kernel))
        weight = ops.transpose(ops.reshape(weight, (groups, *each)), (0, 2, 1, 3))
        return ops.reshape(weight, (groups, each[1], each[0] * each[2]))

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        sizes = tuple(
            None if size is None else stride * (size - 1) + extent - 2 * pad
            for size, stride, extent, pad in zip(
                input_shape[self.axis + 1 :], self.stride, self.extent, self.pad, strict=True
            )
        )
        return (*input_shape[: self.axis], self.filters, *sizes)


def columns_of(
    inputs: Any,
    axis: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
) -> Any:
    """(..., C, H, W) to (..., C, kh, kw, H', W'): what the window sees at each place."""
    if any(pad):
        inputs = ops.pad(inputs, [(0, 0)] * (axis + 1) + [(p, p) for p in pad])
    axes = len(kernel)
    for index, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        # The axes in front have become two each: place in the kernel, place of the window.
        here = axis + 1 + 2 * index
        places = (ops.shape(inputs)[here] - (d * (k - 1) + 1)) // s + 1
        seen = ops.expand_dims(ops.arange(k) * d, 1) + ops.arange(places) * s
        inputs = ops.take(inputs, seen, axis=here)
    behind = range(axis + 1, axis + 1 + 2 * axes)
    return ops.transpose(inputs, (*range(axis + 1), *behind[::2], *behind[1::2]))
