"""Whether a network takes pictures of any size."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import NetError
from zoo.layers.kind import Shape
from zoo.net import Layer, Net

__all__ = ["is_spatially_free"]


def is_spatially_free(layers: Sequence[Layer]) -> bool:
    """Whether pictures of any size can go through: no shape of a param depends on it."""
    grown = {
        top: (*shape[:2], *(2 * size + 32 for size in shape[2:]))
        for layer in layers
        if layer.is_source
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
        if shape is not None and len(shape) in (4, 5)
    }
    part = NetParameter(layer=[layer.definition for layer in layers])
    try:
        larger = Net(part, shapes={**_source_shapes(layers), **grown})
    except NetError:
        return False
    return all(
        layer.param_shapes == other.param_shapes
        for layer, other in zip(layers, larger.layers, strict=True)
    )


def _source_shapes(layers: Sequence[Layer]) -> dict[str, Shape]:
    return {
        top: shape
        for layer in layers
        if layer.is_source
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
        if shape is not None
    }
