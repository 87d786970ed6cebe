"""Im2col: the patches that a convolution would see, one column for each place of the window.

Caffe: im2col_layer.cpp; parameters are those of a convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.reach import Reaches, windows
from zoo.layers.site import Blob, Site
from zoo.layers.window import Window

__all__ = ["Im2col"]


@layer("Im2col")
class Im2col(Kind):
    """(N, C, H, W) to (N, C * kh * kw, H', W'); rows count through C, then kh, then kw."""

    def window(self, layer: Any, bottom: Shape) -> tuple[int, Window]:
        """The axis of the channels, and the window over the axes behind it."""
        axis = axis_of(layer, layer.convolution_param.axis, len(bottom))
        return axis, Window(layer, len(bottom) - axis - 1)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        axis, window = self.window(layer, bottom)
        sizes = window.convolved_sizes(bottom[axis + 1 :])
        if min(sizes, default=1) < 1:
            raise ShapeError(
                f"a kernel of {window.extent} with pad {window.pad} leaves nothing of an input of"
                f" {bottom[axis + 1 :]}",
                layer.name,
            )
        return [(*bottom[:axis], bottom[axis] * count(window.kernel), *sizes)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        axis, window = self.window(layer, bottoms[0])
        return [windows(window.extent, window.stride, window.pad) if axis == 1 else "whole"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.patches import Im2col as KerasIm2col

        axis, window = self.window(site.layer, site.bottoms[0].shape)
        columns = KerasIm2col(
            axis, window.kernel, window.stride, window.pad, window.dilation, name=site.name
        )
        return [Blob(columns(site.caffe_order()), site.tops[0])]
