"""SPP: pooling into 1, 4, 16, ... bins, whatever the size of the picture (He et al. 2014).

Caffe: spp_layer.cpp, which makes pooling layers of these windows and concatenates what they give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.reach import Reaches
from zoo.layers.site import Blob, Site

__all__ = ["SPP"]


@layer("SPP")
class SPP(Kind):
    """(N, C, H, W) to (N, C * (1 + 4 + ...)); with one level it stays a map, (N, C, 1, 1)."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, levels = bottoms[0], layer.spp_param.pyramid_height
        if levels < 1:
            raise NetError("pyramid_height is missing or 0", layer.name)
        if len(bottom) != 4:
            raise ShapeError(f"expected a blob of 4 axes, received {bottom}", layer.name)
        stochastic = layer.spp_param.pool == layer.spp_param.STOCHASTIC
        for level in range(levels):
            for size in bottom[2:]:
                self._check(layer, size, 2**level, stochastic)
        if levels == 1:
            return [(*bottom[:2], 1, 1)]
        return [(bottom[0], bottom[1] * sum(4**level for level in range(levels)))]

    def _check(self, layer: Any, size: int, bins: int, stochastic: bool) -> None:
        """Raise ShapeError where Caffe's pooling layers would not take their padding."""
        kernel = -(-size // bins)
        pad = (kernel * bins - size + 1) // 2
        if pad >= kernel or (stochastic and pad):
            most = "0 with STOCHASTIC pooling" if stochastic else f"less than the bin, {kernel}"
            raise ShapeError(
                f"{bins} bins along an axis of {size} need padding of {pad}, which must be {most};"
                " give larger pictures or a smaller pyramid_height",
                layer.name,
            )

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["whole"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.special_pooling import SpatialPyramidPooling

        param = site.layer.spp_param
        mode = {param.MAX: "max", param.AVE: "average", param.STOCHASTIC: "stochastic"}[param.pool]
        pool = SpatialPyramidPooling(mode, param.pyramid_height, name=site.name)
        last = param.pyramid_height == 1
        return [Blob(pool(site.channels_last()), site.tops[0], last)]
