"""Kinds that forks of Caffe added and that nets of all sorts use: Permute, Normalize, Interp.

SSD: permute_layer.cpp, normalize_layer.cpp. DeepLab and PSPNet: interp_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.reach import Reach, Reaches
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["Interp", "Normalize", "Permute"]


@layer("Permute")
class Permute(Kind):
    """The axes in the written `order`; those that are not written follow as they stand."""

    def order(self, layer: Any, rank: int) -> list[int]:
        """For each axis of the top, the axis of the bottom that it is."""
        written = list(layer.permute_param.order)
        if len(set(written)) < len(written) or any(axis >= rank for axis in written):
            raise ShapeError(
                f"expected different axes below {rank} as the order, received {written}",
                layer.name,
            )
        return written + [axis for axis in range(rank) if axis not in written]

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        return [tuple(bottom[axis] for axis in self.order(layer, len(bottom)))]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["moved"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.common_forks import Transpose

        bottom = site.bottoms[0]
        rank = len(bottom.shape)
        order = self.order(site.layer, rank)
        axes = [axis_in(axis, rank, bottom.channels_last) for axis in order]
        if axes == list(range(rank)):  # SSD's 0 2 3 1 is what a channels-last blob is already
            return [Blob(bottom.tensor, site.tops[0])]
        return [Blob(Transpose(axes, name=site.name)(bottom.tensor), site.tops[0])]


@layer("Normalize")
class Normalize(Kind):
    """Values over their L2 norm, of a picture or of each place, times a learned scale.

    Forks before SSD had a Normalize without parameters: the norm is that of the whole picture and
    nothing is learned. A layer without `norm_param` is taken for one of these.
    """

    ones_vary = True

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) < 2:
            raise ShapeError(f"expected 2 or more axes, received {bottoms[0]}", layer.name)
        return [bottoms[0]]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if not layer.HasField("norm_param"):
            return []
        return [() if layer.norm_param.channel_shared else bottoms[0][1:2]]

    def fillers(self, layer: Any) -> list[Any]:
        param = layer.norm_param
        return [param.scale_filler if param.HasField("scale_filler") else FillerParameter(value=1)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["whole"] if layer.norm_param.across_spatial else super().reach(layer, bottoms, tops)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.common_forks import L2Normalization

        param, bottom = site.layer.norm_param, site.bottoms[0]

        def make() -> Any:
            return L2Normalization(
                axis_in(1, len(bottom.shape), bottom.channels_last),
                across_spatial=param.across_spatial,
                scale_shape=site.params[0] if site.params else None,
                epsilon=param.eps,
                name=site.name,
            )

        return site.elementwise(site.weighted(make, list, list) if site.params else make())


@layer("Interp")
class Interp(Kind):
    """Bilinear interpolation that keeps the corners, to a stated, zoomed or shrunk size.

    Padding is 0 or negative: so many places at the edges are cut off first. A second bottom, which
    some forks take in place of parameters, has the size.
    """

    bottom_count = (1, 2)

    def plan(self, layer: Any) -> tuple[tuple[int, int] | None, int, int]:
        """The stated (height, width) or None, the factor to shrink by, and the one to zoom by."""
        param = layer.interp_param
        factors = param.HasField("zoom_factor") + param.HasField("shrink_factor")
        # One factor counts before a stated size, two factors only without one.
        if param.HasField("height") and param.HasField("width") and factors != 1:
            return (param.height, param.width), 1, 1
        return None, param.shrink_factor, param.zoom_factor

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        """Raise when the parameters are out of range, or do not say one size."""
        param = layer.interp_param
        if any(len(bottom) != 4 for bottom in bottoms):
            raise ShapeError(f"expected blobs of 4 axes, received {list(bottoms)}", layer.name)
        if max(param.pad_beg, param.pad_end) > 0 or min(param.zoom_factor, param.shrink_factor) < 1:
            raise NetError(
                "expected pad_beg and pad_end not above 0, zoom_factor and shrink_factor not below"
                f" 1; received {param.pad_beg}, {param.pad_end}, {param.zoom_factor} and"
                f" {param.shrink_factor}",
                layer.name,
            )
        stated = self.plan(layer)[0] is not None
        factor = param.HasField("zoom_factor") or param.HasField("shrink_factor")
        if (stated or factor) == (len(bottoms) == 2):
            raise NetError(
                "the size must come either from height and width, zoom_factor or shrink_factor, or"
                " from a second bottom",
                layer.name,
            )

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check(layer, bottoms)
        param, bottom = layer.interp_param, bottoms[0]
        cut = tuple(size + param.pad_beg + param.pad_end for size in bottom[2:])
        stated, shrink, zoom = self.plan(layer)
        zoomed = tuple((size - 1) // shrink * zoom + 1 for size in cut)
        top = zoomed if stated is None else stated
        if len(bottoms) == 2:
            top = bottoms[1][2:]
        if min(*cut, *top) < 1:
            raise ShapeError(
                f"expected sizes of at least 1; {bottom[2:]} is cut to {cut} and becomes {top}",
                layer.name,
            )
        return [(*bottom[:2], *top)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        param, bottom = layer.interp_param, bottoms[0]
        axes = [
            _window(size + param.pad_beg + param.pad_end, top, -param.pad_beg)
            for size, top in zip(bottom[2:], tops[0][2:], strict=True)
        ]
        known = tuple(axis for axis in axes if axis is not None)
        first: Reaches = known if len(known) == len(axes) else "whole"
        reaches: list[Reaches] = [first, "nothing"]
        return reaches[: len(bottoms)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.common_forks import Interpolation

        param, bottom = site.layer.interp_param, site.bottoms[0]
        tensors, last = site.same_order()
        stated, shrink, zoom = self.plan(site.layer)
        interpolation = Interpolation(
            axis_in(2, len(bottom.shape), last),
            stated,
            shrink=shrink,
            zoom=zoom,
            cut=(-param.pad_beg, -param.pad_end),
            name=site.name,
        )
        top = interpolation(tensors if len(tensors) == 2 else tensors[0])
        return [Blob(top, site.tops[0], last)]


def _window(size: int, top: int, skipped: int) -> Reach | None:
    """What a place of the top reads along one axis, where the sizes are a whole factor apart."""
    if top == 1:
        return Reach(before=-skipped)
    if size > 1 and (size - 1) % (top - 1) == 0:
        return Reach(step=(size - 1) // (top - 1), before=-skipped)
    if size > 1 and (top - 1) % (size - 1) == 0:
        zoom = (top - 1) // (size - 1)
        return Reach(extent=2 * zoom - 1, before=zoom - 1 - skipped * zoom, zoom=zoom)
    return None
