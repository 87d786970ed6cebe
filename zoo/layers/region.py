"""Kinds that pool regions of interest: ROIPooling (Fast R-CNN) and PSROIPooling (R-FCN).

Caffe: roi_pooling_layer.cpp of Fast R-CNN's fork (and MS-CNN's, for `pad_ratio`), and
psroi_pooling_layer of R-FCN's. A region is a row of the second bottom: the index of the picture in
the batch, then x1, y1, x2, y2 in pixels of the network's input, both ends included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, count, layer
from zoo.layers.shape import in_element_order
from zoo.layers.site import Blob, Site

__all__ = ["PSROIPooling", "ROIPooling"]


class _RegionPooling(Kind):
    """Features and regions; the regions get no gradient."""

    bottom_count = (2, 2)

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        """Raise ShapeError unless the bottoms are features and regions."""
        features, regions = bottoms
        if len(features) != 4:
            raise ShapeError(f"expected a first bottom of 4 axes, received {features}", layer.name)
        if len(regions) < 2 or count(regions[1:]) != 5:
            raise ShapeError(
                "expected a second bottom of regions (R, 5), each the index of a picture and x1,"
                f" y1, x2, y2; received {regions}",
                layer.name,
            )

    def spatial_scale(self, layer: Any) -> float:
        """Size of the features over size of the picture in which regions are measured."""
        raise NotImplementedError

    def differentiates(self, layer: Any, index: int) -> bool:
        return index == 0

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        if index == 0:
            return rng.standard_normal(bottoms[0])
        (pictures, _, height, width), number = bottoms[0], bottoms[1][0]
        corners = np.sort(rng.random((number, 2, 2)), axis=1) * [width, height]
        picture = rng.integers(0, pictures, (number, 1))
        rows = [picture, corners.reshape(number, 4) / self.spatial_scale(layer)]
        return np.concatenate(rows, axis=1).reshape(bottoms[1])


@layer("ROIPooling")
class ROIPooling(_RegionPooling):
    """(N, C, H, W) and R regions to (R, C, pooled_h, pooled_w): the maxima of a grid of bins."""

    def spatial_scale(self, layer: Any) -> float:
        return float(layer.roi_pooling_param.spatial_scale)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check(layer, bottoms)
        param = layer.roi_pooling_param
        if min(param.pooled_h, param.pooled_w) < 1:
            raise NetError(
                "roi_pooling_param needs pooled_h and pooled_w of at least 1, received"
                f" {param.pooled_h} and {param.pooled_w}",
                layer.name,
            )
        return [(bottoms[1][0], bottoms[0][1], param.pooled_h, param.pooled_w)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.region import ROIPooling as KerasROIPooling

        param = site.layer.roi_pooling_param
        pool = KerasROIPooling(
            (param.pooled_h, param.pooled_w),
            param.spatial_scale,
            param.pad_ratio,
            name=site.name,
        )
        regions, _ = in_element_order(site, 1)
        return [Blob(pool([site.channels_last(), regions]), site.tops[0], channels_last=True)]


@layer("PSROIPooling")
class PSROIPooling(_RegionPooling):
    """(N, D * g * g, H, W) and R regions to (R, D, g, g): means, each bin from channels of its own.

    Bin (i, j) of output d averages channel (d * g + i) * g + j.
    """

    def spatial_scale(self, layer: Any) -> float:
        return float(layer.psroi_pooling_param.spatial_scale)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check(layer, bottoms)
        param = layer.psroi_pooling_param
        outputs, group = param.output_dim, param.group_size
        if min(outputs, group) < 1 or param.spatial_scale <= 0:
            raise NetError(
                "psroi_pooling_param needs output_dim, group_size and spatial_scale above 0,"
                f" received {outputs}, {group} and {param.spatial_scale}",
                layer.name,
            )
        if bottoms[0][1] != outputs * group**2:
            raise ShapeError(
                f"expected {outputs} x {group} x {group} = {outputs * group**2} channels, received"
                f" {bottoms[0]}",
                layer.name,
            )
        return [(bottoms[1][0], outputs, group, group)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.region import PSROIPooling as KerasPSROIPooling

        param = site.layer.psroi_pooling_param
        pool = KerasPSROIPooling(
            param.output_dim, param.group_size, param.spatial_scale, name=site.name
        )
        regions, _ = in_element_order(site, 1)
        return [Blob(pool([site.channels_last(), regions]), site.tops[0], channels_last=True)]
