"""Kinds of the small networks for phones: MobileNet's and ShuffleNet's layers.

Forks: depthwise_conv_layer.cpp, conv_dw_layer.cpp, relu6_layer.cpp, shuffle_channel_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ShapeError
from zoo.layers.convolution import Convolution
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.reach import Reaches
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["DepthwiseConvolution", "ReLU6", "ShuffleChannel"]


@layer("DepthwiseConvolution", "ConvolutionDepthwise")
class DepthwiseConvolution(Convolution):
    """A Convolution with as many groups as there are channels, unless `group` is written."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return super().tops(_grouped(layer, bottoms[0]), bottoms)

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return super().params(_grouped(layer, bottoms[0]), bottoms)

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return super().reach(_grouped(layer, bottoms[0]), bottoms, tops)

    def build(self, site: Site) -> list[Blob]:
        site.layer = _grouped(site.layer, site.bottoms[0].shape)
        return super().build(site)


def _grouped(layer: Any, bottom: Shape) -> Any:
    """The layer as a Convolution says it."""
    if layer.convolution_param.HasField("group") or len(bottom) < 2:
        return layer
    copy = type(layer)()
    copy.CopyFrom(layer)
    copy.convolution_param.group = bottom[1]
    return copy


@layer("ReLU6")
class ReLU6(Kind):
    """x between 0 and 6, and negative_slope * x below 0 if `relu_param` has one."""

    def build(self, site: Site) -> list[Blob]:
        import keras

        slope = site.layer.relu_param.negative_slope
        return site.elementwise(
            keras.layers.ReLU(max_value=6.0, negative_slope=slope, name=site.name)
        )


@layer("ShuffleChannel")
class ShuffleChannel(Kind):
    """Channels dealt out in turn: channel c of g groups of n goes to place (c % n) * g + c // n."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, group = bottoms[0], layer.shuffle_channel_param.group
        if len(bottom) < 2 or group < 1 or bottom[1] % group:
            raise ShapeError(
                f"expected a blob whose channels {group} groups divide, received {bottom}",
                layer.name,
            )
        return [bottom]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.channels import ShuffleChannel as KerasShuffleChannel

        bottom = site.bottoms[0]
        axis = axis_in(1, len(bottom.shape), bottom.channels_last)
        group = site.layer.shuffle_channel_param.group
        return site.elementwise(KerasShuffleChannel(axis, group, name=site.name))
