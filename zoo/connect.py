"""The layers of a definition connected: which blob each reads, and the shape of all it makes.

Rules of blobs, in-place layers and shared params: Caffe's net.cpp (AppendTop, AppendBottom,
AppendParam).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.errors import NetError, ShapeError, did_you_mean
from zoo.layers.data import source_shapes
from zoo.layers.fillers import fill
from zoo.layers.kind import Kind, Shape, count, kind_name, lookup

__all__ = ["Layer", "connect"]

_LARGEST_BLOB = 2**31 - 1  # Caffe counts the values of a blob in an int


@dataclass(frozen=True)
class Layer:
    """One layer of a Net. A shape is None where an unknown kind of layer hides it.

    Attributes
    ----------
    definition : the LayerParameter message, without weights.
    kind : what zoo knows of its type; None for a type that is not known.
    bottom_shapes, top_shapes : of its bottoms when it reads them, of its tops when it writes them.
    param_shapes : of its learned blobs.
    owners : for each learned blob the (layer name, index) whose values it uses: itself, or the
        first layer that names the same ``param { name }``.
    """

    definition: LayerParameter
    kind: Kind | None
    bottom_shapes: tuple[Shape | None, ...]
    top_shapes: tuple[Shape | None, ...]
    param_shapes: tuple[Shape, ...]
    owners: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return str(self.definition.name)

    @property
    def type(self) -> str:
        return str(self.definition.type)

    @property
    def kind_name(self) -> str:
        """Its type; of a Python layer also module and class, as in "Python:module.Class"."""
        return kind_name(self.definition)

    @property
    def bottoms(self) -> tuple[str, ...]:
        return tuple(self.definition.bottom)

    @property
    def tops(self) -> tuple[str, ...]:
        return tuple(self.definition.top)

    @property
    def is_source(self) -> bool:
        return self.kind is not None and self.kind.is_source

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass with the batch of the definition."""
        if self.kind is None or None in self.bottom_shapes:
            return 0
        return self.kind.macs(self.param_shapes, self.bottom_shapes, self.top_shapes)  # type: ignore[arg-type]

    def first_values(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Its learned blobs as its fillers draw them, zeros where it has none."""
        fillers = self.kind.fillers(self.definition) if self.kind else []
        return [
            np.zeros(shape, np.float32)
            if index >= len(fillers) or fillers[index] is None
            else fill(fillers[index], shape, rng)
            for index, shape in enumerate(self.param_shapes)
        ]


def connect(definition: NetParameter, given: Mapping[str, Shape]) -> Iterable[Layer]:
    """The layers with the shapes of all they read and write, in order."""
    shapes: dict[str, Shape | None] = {}
    owners: dict[str, tuple[str, int]] = {}
    param_shapes: dict[tuple[str, int], Shape] = {}
    for message in definition.layer:
        bottoms = [_read_blob(message, name, shapes) for name in message.bottom]
        layer = _shaped(message, bottoms, given)
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
            if top in shapes and top not in layer.bottoms:
                raise NetError(
                    f"top {top!r} is already made by an earlier layer; only a layer that reads a"
                    " blob may write it again",
                    layer.name,
                )
            shapes[top] = shape
        for shape in (*layer.top_shapes, *layer.param_shapes):
            if shape is not None and count(shape) > _LARGEST_BLOB:
                raise ShapeError(
                    f"a blob of shape {shape} has more values than a blob can hold, 2^31 - 1",
                    layer.name,
                )
        found = tuple(_owner(layer, index, owners) for index in range(len(layer.param_shapes)))
        for index, (shape, owner) in enumerate(zip(layer.param_shapes, found, strict=True)):
            _check_shared(layer, index, shape, owner, param_shapes.setdefault(owner, shape))
        yield replace(layer, owners=found)


def _read_blob(message: Any, name: str, shapes: Mapping[str, Shape | None]) -> Shape | None:
    if name not in shapes:
        raise NetError(
            f"bottom {name!r} is not made by any earlier layer.{did_you_mean(name, shapes)}",
            message.name,
        )
    return shapes[name]


def _shaped(message: Any, bottoms: list[Shape | None], given: Mapping[str, Shape]) -> Layer:
    kind = _kind(message)
    if kind is None:
        tops = tuple(given.get(top) for top in message.top)
        return Layer(message, None, tuple(bottoms), tops, (), ())
    kind.check_counts(message)
    if kind.is_source:
        return Layer(message, kind, (), tuple(source_shapes(kind, message, given)), (), ())
    known = [shape for shape in bottoms if shape is not None]
    if len(known) < len(bottoms):
        return Layer(message, kind, tuple(bottoms), (None,) * len(message.top), (), ())
    tops = tuple(kind.tops(message, known))
    if len(tops) != len(message.top):
        raise NetError(
            f"`tops` of {type(kind).__name__} gives {len(tops)} shape(s) for {len(message.top)}"
            " top(s); expected one for each",
            message.name,
        )
    return Layer(message, kind, tuple(known), tops, tuple(kind.params(message, known)), ())


def _kind(message: Any) -> Kind | None:
    """The kind of a layer. Python that nobody has replaced is a data source, or else not known."""
    kind = lookup(kind_name(message))
    if message.type == "Python":
        kind = kind or lookup("Python")
        if kind is not None and kind.is_source and message.bottom:
            return None
    return kind


def _owner(layer: Layer, index: int, owners: dict[str, tuple[str, int]]) -> tuple[str, int]:
    specs = layer.definition.param
    name = specs[index].name if index < len(specs) else ""
    return owners.setdefault(name, (layer.name, index)) if name else (layer.name, index)


def _check_shared(
    layer: Layer, index: int, shape: Shape, owner: tuple[str, int], wanted: Shape
) -> None:
    if shape == wanted:
        return
    permissive = layer.definition.param[index].share_mode == 1
    if not permissive or count(shape) != count(wanted):
        raise ShapeError(
            f"param {index} is shared with layer {owner[0]!r} and must have its shape {wanted};"
            f" it has {shape}",
            layer.name,
        )
