"""Convolution and Deconvolution over any number of spatial axes, with groups and dilation.

Caffe: base_conv_layer.cpp, conv_layer.cpp, deconv_layer.cpp. Output sizes of a convolution round
down. Weights are (out, in/group, k...) for Convolution and (in, out/group, k...) for Deconvolution.
The axes in front of the channels are all batch; force_nd_im2col and engine change no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.reach import Reach, Reaches, windows
from zoo.layers.site import Blob, Site
from zoo.layers.window import Window

__all__ = ["Convolution", "Deconvolution", "kernel_to_caffe", "kernel_to_keras"]


class _ConvolutionBase(Kind):
    bottom_count = (1, None)
    top_count = (1, None)

    def sizes(self, layer: Any, window: Window, sizes: Sequence[int]) -> tuple[int, ...]:
        """Spatial sizes of the output."""
        raise NotImplementedError

    def weight_shape(self, layer: Any, channels: int) -> tuple[int, int]:
        """The first two axes of the weight."""
        raise NotImplementedError

    def window(self, layer: Any, bottom: Shape) -> tuple[int, Window]:
        """The axis of the channels, and the window over the axes behind it, if there are any."""
        axis = axis_of(layer, layer.convolution_param.axis, len(bottom))
        return axis, Window(layer, len(bottom) - axis - 1)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        axis, window = self.window(layer, bottoms[0])
        outputs = layer.convolution_param.num_output
        if outputs < 1:
            raise NetError("num_output is missing or 0", layer.name)
        shapes = []
        for bottom in bottoms:
            if len(bottom) != len(bottoms[0]) or bottom[axis] != bottoms[0][axis]:
                raise ShapeError(
                    f"all bottoms need the axes and channels of the first, {bottoms[0]}; received"
                    f" {bottom}",
                    layer.name,
                )
            sizes = self.sizes(layer, window, bottom[axis + 1 :])
            if min(sizes, default=1) < 1:
                raise ShapeError(
                    f"a kernel of {window.extent} with pad {window.pad} leaves nothing of an input"
                    f" of {bottom[axis + 1 :]}",
                    layer.name,
                )
            shapes.append((*bottom[:axis], outputs, *sizes))
        return shapes

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        axis, window = self.window(layer, bottoms[0])
        param, channels = layer.convolution_param, bottoms[0][axis]
        if param.group < 1 or channels % param.group or param.num_output % param.group:
            raise ShapeError(
                f"group {param.group} must divide the {channels} input channels and the"
                f" {param.num_output} outputs",
                layer.name,
            )
        weight = (*self.weight_shape(layer, channels), *window.kernel)
        return [weight, (param.num_output,)] if param.bias_term else [weight]

    def fillers(self, layer: Any) -> list[Any]:
        param = layer.convolution_param
        return [param.weight_filler, param.bias_filler]

    def patch_layer(self, site: Site, keras_class: Any) -> list[Blob]:
        """The tops by a Keras layer that takes Caffe's order of axes and layout of weights."""
        param, bottom = site.layer.convolution_param, site.bottoms[0].shape
        axis, window = self.window(site.layer, bottom)

        def make() -> Any:
            return keras_class(
                axis,
                window.kernel,
                window.stride,
                window.pad,
                window.dilation,
                filters=param.num_output,
                channels=bottom[axis],
                groups=param.group,
                use_bias=param.bias_term,
                name=site.name,
            )

        computed = site.weighted(make, list, list)
        return [Blob(computed(site.caffe_order(index)), top) for index, top in enumerate(site.tops)]


@layer("Convolution")
class Convolution(_ConvolutionBase):
    """Correlation with learned kernels, (N, C, H, W) to (N, num_output, H', W')."""

    def sizes(self, layer: Any, window: Window, sizes: Sequence[int]) -> tuple[int, ...]:
        return window.convolved_sizes(sizes)

    def weight_shape(self, layer: Any, channels: int) -> tuple[int, int]:
        param = layer.convolution_param
        return param.num_output, channels // param.group

    def macs(self, params: Sequence[Shape], bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return sum(count(params[0][1:]) * count(top) for top in tops)

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        axis, window = self.window(layer, bottoms[0])
        if axis != 1:
            return ["whole"] * len(bottoms)
        return [windows(window.extent, window.stride, window.pad)] * len(bottoms)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.patches import PatchConvolution

        axis, window = self.window(site.layer, site.bottoms[0].shape)
        # Keras has no stride together with dilation.
        both = max(window.stride, default=1) > 1 and max(window.dilation, default=1) > 1
        if axis != 1 or not 1 <= window.axes <= 3 or both:
            return self.patch_layer(site, PatchConvolution)
        # Keras knows no numbers for padding, but its "same" is Caffe's pad where both put
        # (extent - 1) / 2 on each side, whatever the size of the input.
        same = any(window.pad) and all(
            stride == 1 and 2 * pad == extent - 1
            for stride, pad, extent in zip(window.stride, window.pad, window.extent, strict=True)
        )
        convolution = self.keras_layer(site, window, "same" if same else "valid")
        blobs = []
        for index, top in enumerate(site.tops):
            tensor = site.channels_last(index)
            if any(window.pad) and not same:
                pads = [(pad, pad) for pad in window.pad]
                tensor = keras_class("ZeroPadding", window.axes)(
                    pads if window.axes > 1 else pads[0], name=f"{site.name}_pad{index or ''}"
                )(tensor)
            blobs.append(Blob(convolution(tensor), top, channels_last=True))
        return blobs

    def keras_layer(self, site: Site, window: Window, padding: str) -> Any:
        """The Keras layer that computes it over channels-last data, with the weights."""
        param, channels = site.layer.convolution_param, site.bottoms[0].shape[1]
        settings = {
            "strides": window.stride,
            "padding": padding,
            "dilation_rate": window.dilation,
            "use_bias": param.bias_term,
            "name": site.name,
        }
        # TensorFlow's depthwise operation takes no other stride down than across.
        if 1 < channels == param.group and window.axes == 2 and len(set(window.stride)) == 1:
            multiplier = param.num_output // channels
            depthwise = keras_class("DepthwiseConv", 2)
            return site.weighted(
                partial(depthwise, window.kernel, depth_multiplier=multiplier, **settings),
                depthwise_to_keras,
                partial(depthwise_to_caffe, outputs=param.num_output),
            )
        convolution = keras_class("Conv", window.axes)
        if 1 < param.group < channels and window.axes == 2:
            from zoo.keras_layers.grouped import GroupedConv2D as convolution
        make = partial(convolution, param.num_output, window.kernel, groups=param.group, **settings)
        return site.weighted(make, kernel_to_keras, kernel_to_caffe)


@layer("Deconvolution")
class Deconvolution(_ConvolutionBase):
    """Transposed convolution: a size becomes stride * (size - 1) + extent - 2 * pad."""

    def sizes(self, layer: Any, window: Window, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(
            stride * (size - 1) + extent - 2 * pad
            for size, pad, extent, stride in zip(
                sizes, window.pad, window.extent, window.stride, strict=True
            )
        )

    def weight_shape(self, layer: Any, channels: int) -> tuple[int, int]:
        param = layer.convolution_param
        return channels, param.num_output // param.group

    def macs(self, params: Sequence[Shape], bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return sum(count(params[0][1:]) * count(bottom) for bottom in bottoms)

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        axis, window = self.window(layer, bottoms[0])
        if axis != 1:
            return ["whole"] * len(bottoms)
        each = tuple(
            Reach(extent, 1, extent - 1 - pad, stride)
            for extent, pad, stride in zip(window.extent, window.pad, window.stride, strict=True)
        )
        return [each] * len(bottoms)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.deconvolution import Deconvolution as KerasDeconvolution
        from zoo.keras_layers.patches import PatchDeconvolution

        axis, window = self.window(site.layer, site.bottoms[0].shape)
        if axis != 1 or not 1 <= window.axes <= 3:
            return self.patch_layer(site, PatchDeconvolution)
        param = site.layer.convolution_param

        def make() -> Any:
            return KerasDeconvolution(
                param.num_output,
                window.kernel,
                strides=window.stride,
                pads=window.pad,
                dilation_rate=window.dilation,
                groups=param.group,
                use_bias=param.bias_term,
                name=site.name,
            )

        deconvolution = site.weighted(make, kernel_to_keras, kernel_to_caffe)
        return [
            Blob(deconvolution(site.channels_last(index)), top, channels_last=True)
            for index, top in enumerate(site.tops)
        ]


def keras_class(name: str, axes: int) -> Any:
    """The Keras layer class of that name for so many spatial axes, such as Conv2D."""
    import keras

    return getattr(keras.layers, f"{name}{axes}D")


def depthwise_to_keras(blobs: list[np.ndarray]) -> list[np.ndarray]:
    """(channels * multiplier, 1, h, w) to (h, w, channels, multiplier), and the bias.

    Left as (h, w, channels * multiplier, 1), which holds the same values in the same order.
    """
    return [blobs[0].transpose(2, 3, 0, 1), *blobs[1:]]


def depthwise_to_caffe(arrays: list[np.ndarray], outputs: int) -> list[np.ndarray]:
    """The inverse of `depthwise_to_keras`."""
    height, width = arrays[0].shape[:2]
    return [arrays[0].reshape(height, width, outputs, 1).transpose(2, 3, 0, 1), *arrays[1:]]


def kernel_to_keras(blobs: list[np.ndarray]) -> list[np.ndarray]:
    """(a, b, k...) to (k..., b, a), and the bias; the same for both kinds."""
    weight = blobs[0]
    return [weight.transpose(*range(2, weight.ndim), 1, 0), *blobs[1:]]


def kernel_to_caffe(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The inverse of `kernel_to_keras`."""
    last = arrays[0].ndim - 1
    return [arrays[0].transpose(last, last - 1, *range(last - 1)), *arrays[1:]]
