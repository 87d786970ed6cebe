"""Kinds that join blobs, part them, or repeat them.

Caffe: eltwise_layer.cpp, concat_layer.cpp, slice_layer.cpp, split_layer.cpp, silence_layer.cpp,
tile_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, layer
from zoo.layers.site import Blob, Site, axis_in

__all__ = [
    "Concat",
    "Eltwise",
    "Silence",
    "Slice",
    "Split",
    "Tile",
]


@layer("Eltwise")
class Eltwise(Kind):
    """Blobs of one shape: their sum with coefficients, their product, or the largest of each."""

    bottom_count = (2, None)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        for index, bottom in enumerate(bottoms):
            if bottom != bottoms[0]:
                raise ShapeError(
                    f"expected all bottoms to have the shape of the first, {bottoms[0]}; bottom"
                    f" {index} ({layer.bottom[index]!r}) is {bottom}",
                    layer.name,
                )
        param = layer.eltwise_param
        if param.coeff and param.operation == param.PROD:
            raise NetError("coeff goes with operation SUM, not with PROD", layer.name)
        if param.coeff and len(param.coeff) != len(bottoms):
            raise NetError(
                f"expected one coeff for each of the {len(bottoms)} bottoms, received"
                f" {len(param.coeff)}",
                layer.name,
            )
        return [bottoms[0]]

    def build(self, site: Site) -> list[Blob]:
        import keras

        from zoo.keras_layers.elementwise import Eltwise as KerasEltwise

        param = site.layer.eltwise_param
        operation = param.EltwiseOp.Name(param.operation)
        weighted = operation == "SUM" and any(coeff != 1 for coeff in param.coeff)
        join: Any
        if weighted or not site.tops[0]:
            join = KerasEltwise(operation, param.coeff if weighted else None, name=site.name)
        else:
            word = {"SUM": "Add", "PROD": "Multiply", "MAX": "Maximum"}[operation]
            join = getattr(keras.layers, word)(name=site.name)
        tensors, last = site.same_order()
        if operation == "MAX":
            # Of equal values the one that is joined first has the gradient: in Caffe the second of
            # the first two, and then whichever comes before.
            tensors = [tensors[1], tensors[0], *tensors[2:]]
        return [Blob(join(tensors), site.tops[0], last)]


@layer("Concat")
class Concat(Kind):
    """Blobs that agree on every axis but one, behind each other along that one."""

    bottom_count = (1, None)

    def axis(self, layer: Any, rank: int) -> int:
        """Along which axis; `concat_dim` is its old name."""
        param = layer.concat_param
        return _axis_or_dim(layer, param, "concat_dim", rank)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        first = bottoms[0]
        axis = self.axis(layer, len(first))
        for index, bottom in enumerate(bottoms):
            if len(bottom) != len(first) or _without(bottom, axis) != _without(first, axis):
                raise ShapeError(
                    f"expected bottoms that differ on axis {axis} only; bottom 0"
                    f" ({layer.bottom[0]!r}) is {first}, bottom {index} ({layer.bottom[index]!r})"
                    f" is {bottom}",
                    layer.name,
                )
        total = sum(bottom[axis] for bottom in bottoms)
        return [(*first[:axis], total, *first[axis + 1 :])]

    def build(self, site: Site) -> list[Blob]:
        import keras

        top = site.tops[0]
        tensors, last = site.same_order()
        if len(tensors) == 1:
            return [Blob(tensors[0], top, last)]
        axis = axis_in(self.axis(site.layer, len(top)), len(top), last)
        return [Blob(keras.layers.Concatenate(axis=axis, name=site.name)(tensors), top, last)]


@layer("Slice")
class Slice(Kind):
    """A blob cut along one axis, at `slice_point`s or into equal parts."""

    top_count = (1, None)

    def axis(self, layer: Any, rank: int) -> int:
        """Along which axis; `slice_dim` is its old name."""
        return _axis_or_dim(layer, layer.slice_param, "slice_dim", rank)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, pieces = bottoms[0], len(layer.top)
        axis = self.axis(layer, len(bottom))
        size, points = bottom[axis], list(layer.slice_param.slice_point)
        if not points:
            if size % pieces:
                raise ShapeError(
                    f"{pieces} tops do not divide the {size} values on axis {axis} of {bottom}",
                    layer.name,
                )
            points = [size // pieces * index for index in range(1, pieces)]
        if len(points) != pieces - 1:
            raise NetError(
                f"expected {pieces - 1} slice_point(s) for {pieces} tops, received {points}",
                layer.name,
            )
        bounds = [0, *points, size]
        lengths = [end - start for start, end in zip(bounds[:-1], bounds[1:], strict=True)]
        if min(lengths) < 1:
            raise ShapeError(
                f"slice_points must grow, from above 0 to below the {size} values on axis {axis}"
                f" of {bottom}; received {points}",
                layer.name,
            )
        return [(*bottom[:axis], length, *bottom[axis + 1 :]) for length in lengths]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.shape import Slice as KerasSlice

        bottom = site.bottoms[0]
        rank = len(bottom.shape)
        axis = axis_in(self.axis(site.layer, rank), rank, bottom.channels_last)
        points = list(site.layer.slice_param.slice_point) or None
        cut = KerasSlice(axis, len(site.tops), points, name=site.name)
        return [
            Blob(tensor, top, bottom.channels_last)
            for tensor, top in zip(cut(bottom.tensor), site.tops, strict=True)
        ]


@layer("Split")
class Split(Kind):
    """The same blob under several names."""

    top_count = (1, None)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]] * len(layer.top)

    def build(self, site: Site) -> list[Blob]:
        return [site.bottoms[0]] * len(site.tops)


@layer("Silence")
class Silence(Kind):
    """Takes blobs that nobody reads, so that Caffe does not print them as outputs."""

    bottom_count = (1, None)
    top_count = (0, 0)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def build(self, site: Site) -> list[Blob]:
        return []


@layer("Tile")
class Tile(Kind):
    """A blob `tiles` times behind itself along an axis."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, tiles = bottoms[0], layer.tile_param.tiles
        axis = axis_of(layer, layer.tile_param.axis, len(bottom))
        if tiles < 1:
            raise NetError(f"tiles must be stated and at least 1, received {tiles}", layer.name)
        return [(*bottom[:axis], bottom[axis] * tiles, *bottom[axis + 1 :])]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.shape import Tile as KerasTile

        param, rank = site.layer.tile_param, len(site.tops[0])
        last = site.bottoms[0].channels_last
        axis = axis_in(axis_of(site.layer, param.axis, rank), rank, last)
        return site.elementwise(KerasTile(axis, param.tiles, name=site.name))


def _axis_or_dim(layer: Any, param: Any, old_name: str, rank: int) -> int:
    """The axis of a layer that may state it under its old name, where it cannot be negative."""
    if not param.HasField(old_name):
        return axis_of(layer, param.axis, rank)
    if param.HasField("axis"):
        raise NetError(f"axis and {old_name} are the same; state only axis", layer.name)
    return axis_of(layer, getattr(param, old_name), rank)


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])
