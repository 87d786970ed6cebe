"""The window that Convolution, Deconvolution and Im2col move over their spatial axes.

Caffe: base_conv_layer.cpp, im2col_layer.cpp: `kernel_size`, `pad`, `stride` and `dilation` are
given once, once per axis, or for two axes as `_h` and `_w`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError

__all__ = ["Window"]


class Window:
    """Kernel, stride, pad and dilation of a layer, one number per spatial axis.

    >>> from zoo.caffe.schema.caffe_pb2 import LayerParameter
    >>> message = LayerParameter(name="conv")
    >>> message.convolution_param.kernel_size.append(3)
    >>> Window(message, 2).kernel
    (3, 3)
    """

    def __init__(self, layer: Any, axes: int) -> None:
        param = layer.convolution_param
        self.layer, self.axes = layer, axes
        self.kernel = self._values("kernel_size", "kernel_h", "kernel_w", None)
        self.stride = self._values("stride", "stride_h", "stride_w", 1)
        self.pad = self._values("pad", "pad_h", "pad_w", 0)
        self.dilation = self._listed("dilation", param.dilation, 1)
        for word in ("kernel_size", "stride", "dilation"):
            values = getattr(self, word.removesuffix("_size"))
            if min(values, default=1) < 1:
                raise ShapeError(f"{word} must be at least 1, received {values}", layer.name)

    @property
    def extent(self) -> tuple[int, ...]:
        """Size of the kernel with its holes."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def _values(self, word: str, tall: str, wide: str, default: int | None) -> tuple[int, ...]:
        param = self.layer.convolution_param
        listed = getattr(param, word)
        if not (param.HasField(tall) or param.HasField(wide)):
            return self._listed(word, listed, default)
        if self.axes != 2 or listed:
            raise NetError(
                f"{tall} and {wide} go with two spatial axes and without {word}", self.layer.name
            )
        return (getattr(param, tall), getattr(param, wide))

    def _listed(self, word: str, listed: Sequence[int], default: int | None) -> tuple[int, ...]:
        if not listed and default is not None:
            return (default,) * self.axes
        if len(listed) not in (1, self.axes):
            raise NetError(
                f"{word} is given {len(listed)} times for {self.axes} spatial axes; expected once"
                " or once per axis",
                self.layer.name,
            )
        return tuple(int(value) for value in listed) * (self.axes if len(listed) == 1 else 1)

    def convolved_sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """How many places the window has along each axis, rounded down; 0 or less for none."""
        return tuple(
            (size + 2 * pad - extent) // stride + 1
            for size, pad, extent, stride in zip(
                sizes, self.pad, self.extent, self.stride, strict=True
            )
        )
