"""Kinds that compare or gather values along axes: ArgMax, Softmax, Reduction.

Caffe: argmax_layer.cpp, softmax_layer.cpp, reduction_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.reach import Reaches
from zoo.layers.shape import in_element_order
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["ArgMax", "Reduction", "Softmax"]


@layer("ArgMax")
class ArgMax(Kind):
    """The `top_k` largest values along an axis, or of a whole picture: where they are, or what.

    With an axis its size becomes `top_k`, and the top holds indices, or values if `out_max_val`.
    Without one the top is (N, 1, top_k), or (N, 2, top_k) with indices first if `out_max_val`, and
    gets as many further axes of size 1 as the bottom has.
    """

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param, bottom = layer.argmax_param, bottoms[0]
        top: Shape
        if param.HasField("axis"):
            axis = axis_of(layer, param.axis, len(bottom))
            size = bottom[axis]
            top = (*bottom[:axis], param.top_k, *bottom[axis + 1 :])
        else:
            size = count(bottom[1:])
            ones = (1,) * (len(bottom) - 3)
            top = (bottom[0], 2 if param.out_max_val else 1, param.top_k, *ones)
        if not 1 <= param.top_k <= size:
            raise ShapeError(
                f"expected top_k from 1 to the {size} values that compete, received"
                f" {param.top_k}; the bottom is {bottom}",
                layer.name,
            )
        return [top]

    def build(self, site: Site) -> list[Blob]:
        import keras

        from zoo.keras_layers.shape import ArgMax as KerasArgMax

        param, top = site.layer.argmax_param, site.tops[0]
        if param.HasField("axis"):
            rank, last = len(top), site.bottoms[0].channels_last
            axis = axis_in(axis_of(site.layer, param.axis, rank), rank, last)
            result = "value" if param.out_max_val else "index"
            return site.elementwise(KerasArgMax(axis, param.top_k, result, name=site.name))
        flat = keras.layers.Flatten(name=f"{site.name}_flat")(in_element_order(site)[0])
        result = "both" if param.out_max_val else "index"
        largest = KerasArgMax(1, param.top_k, result, name=site.name)(flat)
        return [Blob(keras.layers.Reshape(top[1:], name=f"{site.name}_axes")(largest), top)]


@layer("Softmax")
class Softmax(Kind):
    """exp(x), divided by its sum along an axis."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        axis_of(layer, layer.softmax_param.axis, len(bottoms[0]))
        return [bottoms[0]]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        if axis_of(layer, layer.softmax_param.axis, len(bottoms[0])) > 1:
            return ["whole"]
        return super().reach(layer, bottoms, tops)

    def build(self, site: Site) -> list[Blob]:
        import keras

        rank, last = len(site.tops[0]), site.bottoms[0].channels_last
        axis = axis_in(axis_of(site.layer, site.layer.softmax_param.axis, rank), rank, last)
        return site.elementwise(keras.layers.Softmax(axis=axis, name=site.name))


@layer("Reduction")
class Reduction(Kind):
    """Sum, sum of absolute values, sum of squares or mean over the axes from `axis` to the last."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0][: axis_of(layer, layer.reduction_param.axis, len(bottoms[0]))]]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.shape import Reduction as KerasReduction

        param, bottom, top = site.layer.reduction_param, site.bottoms[0], site.tops[0]
        rank, last = len(bottom.shape), bottom.channels_last
        axes = sorted(axis_in(axis, rank, last) for axis in range(len(top), rank))
        operation = param.ReductionOp.Name(param.operation)
        reduce = KerasReduction(operation, axes, param.coeff, name=site.name)
        return [Blob(reduce(bottom.tensor), top, last and len(top) > 2)]
