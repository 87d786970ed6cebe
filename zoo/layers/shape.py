"""Kinds that give the values of a blob other axes, or cut it: Flatten, Reshape, Crop.

Caffe: flatten_layer.cpp, reshape_layer.cpp, crop_layer.cpp. Flatten and Reshape keep the order in
which values lie in a (N, C, H, W) blob. The batch, and sizes that are copied, are taken from the
picture that comes, not from the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.reach import Reach, Reaches, same_place
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["Crop", "Flatten", "Reshape", "in_element_order"]


def in_element_order(site: Site, index: int = 0) -> tuple[Any, bool]:
    """A bottom whose values lie in Caffe's order, and whether its axes are still channels last.

    With one channel, or a spatial extent of 1, both orders of axes hold the same values one after
    the other, so the tensor stays as it is.
    """
    bottom = site.bottoms[index]
    if bottom.channels_last and len(bottom.shape) > 2:
        *spatial, channels = bottom.tensor.shape[1:]
        if channels == 1 or all(size == 1 for size in spatial):
            return bottom.tensor, True
    return site.caffe_order(index), False


@dataclass(frozen=True)
class _Plan:
    """The axes of a top: `sizes` has None where `copied` names the axis of the bottom, -1 once."""

    sizes: tuple[int | None, ...]
    copied: tuple[int | None, ...]

    @classmethod
    def of(cls, entries: Sequence[tuple[int | None, int | None]]) -> _Plan:
        return cls(tuple(size for size, _ in entries), tuple(axis for _, axis in entries))

    def shape(self, layer: Any, bottom: Shape) -> Shape:
        """The shape of the top. Raises ShapeError when the counts do not agree."""
        stated: list[int | None] = [
            size if axis is None else bottom[axis]
            for size, axis in zip(self.sizes, self.copied, strict=True)
        ]
        have = count(bottom)
        if -1 in stated:
            rest = count([size for size in stated if size is not None and size != -1])
            if rest == 0 or have % rest:
                raise ShapeError(
                    f"expected axes {_text(stated)} whose sizes divide the {have} values of the"
                    f" bottom {bottom}; {rest} does not",
                    layer.name,
                )
            stated[stated.index(-1)] = have // rest
        top = tuple(size for size in stated if size is not None)
        if count(top) != have:
            raise ShapeError(
                f"expected a shape of {have} values, as many as the bottom {bottom} has; {top} has"
                f" {count(top)}",
                layer.name,
            )
        return top

    def is_identity(self, rank: int) -> bool:
        """Whether every axis stays as it is, whatever the sizes."""
        kept = sum(axis == index for index, axis in enumerate(self.copied))
        return len(self.sizes) == rank and (kept == rank or (kept == rank - 1 and -1 in self.sizes))

    def with_free_batch(self, bottom: Shape, top: Shape) -> _Plan:
        """The same, with axis 0 not nailed to the batch that the definition states."""
        if not self.sizes or self.sizes[0] in (None, -1):
            return self
        if bottom and top[0] == bottom[0]:
            return _Plan((None, *self.sizes[1:]), (0, *self.copied[1:]))
        if -1 not in self.sizes:
            return _Plan((-1, *self.sizes[1:]), self.copied)
        return self


class _Reshaping(Kind):
    """A kind whose top has the values of its bottom under axes that a plan describes."""

    def plan(self, layer: Any, bottom: Shape) -> _Plan:
        """Where each axis of the top comes from."""
        raise NotImplementedError

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self.plan(layer, bottoms[0]).shape(layer, bottoms[0])]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        same = same_place(bottoms[0], tops[0])
        return ["moved" if same == "whole" else same]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.shape import Reshape as KerasReshape

        bottom, top = site.bottoms[0], site.tops[0]
        rank = len(bottom.shape)
        plan = self.plan(site.layer, bottom.shape)
        if plan.is_identity(rank):
            return [Blob(bottom.tensor, top, bottom.channels_last)]
        plan = plan.with_free_batch(bottom.shape, top)
        tensor, last = in_element_order(site)
        copied = [None if axis is None else axis_in(axis, rank, last) for axis in plan.copied]
        return [Blob(KerasReshape(plan.sizes, copied, name=site.name)(tensor), top)]


@layer("Flatten")
class Flatten(_Reshaping):
    """One axis in place of those from `axis` to `end_axis`, both included."""

    def plan(self, layer: Any, bottom: Shape) -> _Plan:
        rank = len(bottom)
        first = axis_of(layer, layer.flatten_param.axis, rank)
        last = axis_of(layer, layer.flatten_param.end_axis, rank)
        if first > last:
            raise ShapeError(
                f"axis {first} lies behind end_axis {last} in a blob of shape {bottom}", layer.name
            )
        kept = [(None, axis) for axis in range(rank)]
        middle = kept[first : last + 1] if first == last else [(-1, None)]
        return _Plan.of([*kept[:first], *middle, *kept[last + 1 :]])


@layer("Reshape")
class Reshape(_Reshaping):
    """New axes in place of `num_axes` axes from `axis` on: 0 copies a size, -1 is what is left."""

    def plan(self, layer: Any, bottom: Shape) -> _Plan:
        param, rank = layer.reshape_param, len(bottom)
        # A negative axis counts from one past the last: -1 appends.
        first = param.axis if param.axis >= 0 else rank + 1 + param.axis
        end = rank if param.num_axes == -1 else first + param.num_axes
        if not 0 <= first <= end <= rank:
            raise ShapeError(
                f"axis {param.axis} and num_axes {param.num_axes} do not lie within the {rank}"
                f" axes of the bottom {bottom}",
                layer.name,
            )
        dims = list(param.shape.dim)
        if dims.count(-1) > 1 or any(dim < -1 for dim in dims):
            raise NetError(
                f"a shape takes sizes, 0 to copy, and -1 at most once; received {dims}", layer.name
            )
        new: list[tuple[int | None, int | None]] = []
        for axis, dim in enumerate(dims, start=first):
            if dim == 0 and axis >= rank:
                raise ShapeError(
                    f"dim {axis - first} of the shape {dims} copies axis {axis}, which the bottom"
                    f" {bottom} does not have",
                    layer.name,
                )
            new.append((None, axis) if dim == 0 else (dim, None))
        kept = [(None, axis) for axis in range(rank)]
        return _Plan.of([*kept[:first], *new, *kept[end:]])


@layer("Crop")
class Crop(Kind):
    """The first bottom, cut from `axis` on to the sizes of the second, beginning at `offset`."""

    bottom_count = (2, 2)

    def offsets(self, layer: Any, bottoms: Sequence[Shape]) -> dict[int, int]:
        """Caffe's axis to where its part begins, for the axes that are cut."""
        blob, reference = bottoms
        if len(blob) != len(reference):
            raise ShapeError(
                f"expected two bottoms with the same number of axes, received {blob} and"
                f" {reference}",
                layer.name,
            )
        axis = axis_of(layer, layer.crop_param.axis, len(blob))
        axes, offsets = range(axis, len(blob)), list(layer.crop_param.offset) or [0]
        if len(offsets) not in (1, len(axes)):
            raise NetError(
                f"expected one offset, or one for each of the {len(axes)} axes from {axis} on;"
                f" received {len(offsets)}",
                layer.name,
            )
        return dict(zip(axes, offsets * (len(axes) if len(offsets) == 1 else 1), strict=True))

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        blob, reference = bottoms
        offsets = self.offsets(layer, bottoms)
        for axis, offset in offsets.items():
            if offset + reference[axis] > blob[axis]:
                raise ShapeError(
                    f"cannot crop {reference[axis]} values at offset {offset} from the"
                    f" {blob[axis]} on axis {axis}: the bottom is {blob}, the reference"
                    f" {reference}",
                    layer.name,
                )
        return [
            tuple(reference[axis] if axis in offsets else size for axis, size in enumerate(blob))
        ]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        offsets = self.offsets(layer, bottoms)
        axes = range(2, len(bottoms[0]))
        return [tuple(Reach(before=-offsets.get(axis, 0)) for axis in axes), "nothing"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.shape import Crop as KerasCrop

        tensors, last = site.same_order()
        offsets = self.offsets(site.layer, [bottom.shape for bottom in site.bottoms])
        rank = len(site.tops[0])
        axes = [axis_in(axis, rank, last) for axis in offsets]
        crop = KerasCrop(axes, list(offsets.values()), name=site.name)
        return [Blob(crop(tensors), site.tops[0], last)]


def _text(sizes: Sequence[int | None]) -> str:
    return f"({', '.join(map(str, sizes))})"
