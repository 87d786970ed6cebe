"""Transposed convolution with numbers for padding, groups and dilation, as Caffe has it.

Keras has no padding but "valid" and "same" there, and no groups. A transposed convolution is an
ordinary convolution with the turned kernel over the input with stride - 1 zeros between its values
and extent - 1 around it; with one group and no holes the backend's own operation is quicker.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["Deconvolution", "with_zeros_between"]


@keras.saving.register_keras_serializable("zoo")
class Deconvolution(keras.layers.Layer):
    """(n, h, w, channels) to (n, stride * (h - 1) + extent - 2 * pad, ..., filters).

    The kernel has shape (k..., filters / groups, channels), as keras.layers.Conv2DTranspose has it.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: tuple[int, ...],
        strides: tuple[int, ...],
        pads: tuple[int, ...],
        dilation_rate: tuple[int, ...],
        groups: int = 1,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.groups, self.use_bias = filters, groups, use_bias
        self.kernel_size, self.strides = tuple(kernel_size), tuple(strides)
        self.pads, self.dilation_rate = tuple(pads), tuple(dilation_rate)
        self.extent = tuple(
            d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, self.filters // self.groups, channels),
            initializer="glorot_uniform",
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        plain = self.groups == 1 and max(self.dilation_rate) == 1
        # The backend's "valid" is Caffe's size only while the kernel covers the stride.
        covered = all(k >= s for k, s in zip(self.kernel_size, self.strides, strict=True))
        outputs = self._transposed(inputs) if plain and covered else self._zero_inserted(inputs)
        outputs = outputs[(slice(None), *(slice(p, -p if p else None) for p in self.pads))]
        return outputs + self.bias if self.use_bias else outputs

    def _transposed(self, inputs: Any) -> Any:
        return ops.conv_transpose(
            inputs, self.kernel, self.strides, padding="valid", data_format="channels_last"
        )

    def _zero_inserted(self, inputs: Any) -> Any:
        axes = len(self.kernel_size)
        for axis, stride in enumerate(self.strides, start=1):
            inputs = with_zeros_between(inputs, axis, stride)
        around = [(extent - 1, extent - 1) for extent in self.extent]
        inputs = ops.pad(inputs, [(0, 0), *around, (0, 0)])
        return ops.conv(
            inputs,
            self._turned_kernel(axes),
            strides=1,
            padding="valid",
            data_format="channels_last",
            dilation_rate=self.dilation_rate,
        )

    def _turned_kernel(self, axes: int) -> Any:
        """(k..., filters / groups, channels) to (k..., channels / groups, filters), turned."""
        kernel = ops.flip(self.kernel, axis=tuple(range(axes)))
        channels = self.kernel.shape[-1]
        kernel = ops.reshape(
            kernel,
            (*self.kernel_size, self.filters // self.groups, self.groups, channels // self.groups),
        )
        kernel = ops.transpose(kernel, (*range(axes), axes + 2, axes + 1, axes))
        return ops.reshape(kernel, (*self.kernel_size, channels // self.groups, self.filters))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sizes = [
            None if size is None else stride * (size - 1) + extent - 2 * pad
            for size, stride, extent, pad in zip(
                input_shape[1:-1], self.strides, self.extent, self.pads, strict=True
            )
        ]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "pads": self.pads,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "use_bias": self.use_bias,
        }


def with_zeros_between(inputs: Any, axis: int, stride: int) -> Any:
    """The tensor with stride - 1 zeros between its values along an axis."""
    if stride == 1:
        return inputs
    rank = len(inputs.shape)
    shape = ops.shape(inputs)
    wide = ops.expand_dims(inputs, axis + 1)
    pads = [(0, 0)] * (rank + 1)
    pads[axis + 1] = (0, stride - 1)
    wide = ops.pad(wide, pads)
    wide = ops.reshape(wide, (*shape[:axis], shape[axis] * stride, *shape[axis + 1 :]))
    cut = [slice(None)] * rank
    cut[axis] = slice(0, shape[axis] * stride - (stride - 1))
    return wide[tuple(cut)]
