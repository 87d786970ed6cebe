"""A Net as a graph of values, for passes that take layers out of it.

In a definition layers may write a blob in place, so that one name stands for several values, one
after the other (Caffe's net.cpp, AppendTop). Here each value is an object of its own, which knows
its blob. `Graph.net` makes a Net of what is left; every value still has the name of its blob.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import UsageError, did_you_mean
from zoo.layers.kind import Shape
from zoo.net import Layer, Net

__all__ = ["Graph", "Node", "Value"]


@dataclass(eq=False)
class Value:
    """What a blob holds from the layer that writes it to the next that does."""

    blob: str
    shape: Shape | None


@dataclass(eq=False)
class Node:
    """A layer with the values that it reads and makes.

    Attributes
    ----------
    layer : the layer as it is in the net.
    definition : its message, to be changed; bottoms and tops are written into it at the end.
    params : its learned blobs, empty if it has no values for them.
    shares : whether another layer uses one of its params, or owns it.
    """

    layer: Layer
    definition: LayerParameter
    params: list[np.ndarray]
    bottoms: list[Value]
    tops: list[Value]
    shares: bool

    @property
    def name(self) -> str:
        return str(self.definition.name)

    @property
    def type(self) -> str:
        return str(self.definition.type)


class Graph:
    """The layers of a net, to be changed; the net itself stays as it is.

    Parameters
    ----------
    net : where to start.
    wanted : blobs whose last values must stay available under their names.

    Attributes
    ----------
    nodes : the layers in order.
    kept : values that must keep the name of their blob: those of the inputs and the wanted.

    Raises
    ------
    UsageError
        When a wanted blob does not exist.
    """

    def __init__(self, net: Net, wanted: Iterable[str]) -> None:
        self._net = net
        self._last: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.kept: set[Value] = set()
        owners = [owner for layer in net.layers for owner in set(layer.owners)]
        shared = {owner for owner in owners if owners.count(owner) > 1}
        for layer in net.layers:
            self._add(layer, not shared.isdisjoint(layer.owners))
        self.kept.update(map(self.last, wanted))

    def _add(self, layer: Layer, shares: bool) -> None:
        bottoms = [self._last[name] for name in layer.bottoms]
        tops = [
            Value(name, shape) for name, shape in zip(layer.tops, layer.top_shapes, strict=True)
        ]
        self._last.update((top.blob, top) for top in tops)
        if layer.is_source:
            self.kept.update(tops)
        definition = copy_without(layer.definition, "bottom", "top")
        params = list(self._net.params.get(layer.name, ()))
        self.nodes.append(Node(layer, definition, params, bottoms, tops, shares))

    def last(self, blob: str) -> Value:
        """The last value of a blob of the net. Raises UsageError if there is no such blob."""
        if blob not in self._last:
            raise UsageError(
                f"no blob is named {blob!r} in {self._net.name!r}."
                f"{did_you_mean(str(blob), self._last)}"
            )
        return self._last[blob]

    def maker(self, value: Value) -> Node:
        """The node that makes a value."""
        return next(node for node in self.nodes if value in node.tops)

    def only_reader(self, value: Value) -> Node | None:
        """The one node that a value is for; None if there are more, or it is kept or read twice."""
        readers = [node for node in self.nodes for bottom in node.bottoms if bottom is value]
        return readers[0] if len(readers) == 1 and value not in self.kept else None

    def is_last(self, value: Value) -> bool:
        """Whether no layer writes the value's blob again, so that it can be read later too."""
        return self._last[value.blob] is value

    def merge(self, gone: Value, into: Value) -> None:
        """Let one value stand for two that are equal."""
        for node in self.nodes:
            node.bottoms = [into if bottom is gone else bottom for bottom in node.bottoms]
            node.tops = [into if top is gone else top for top in node.tops]
        if gone in self.kept:
            self.kept.remove(gone)
            self.kept.add(into)
        if self.is_last(gone) and gone.blob == into.blob:
            self._last[into.blob] = into

    def unneeded(self) -> list[Node]:
        """The nodes on which no kept value depends; data sources are always needed."""
        needed, found = set(self.kept), []
        for node in reversed(self.nodes):
            if node.layer.is_source or not needed.isdisjoint(node.tops):
                needed.update(node.bottoms)
            else:
                found.append(node)
        return found[::-1]

    def net(self, remarks: list[str]) -> Net:
        """What is left, as a Net whose report tells of it in `remarks`."""
        definition = copy_without(self._net.definition, "layer")
        params = {}
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            message = definition.layer.add()
            message.CopyFrom(node.definition)
            message.bottom.extend(value.blob for value in node.bottoms)
            message.top.extend(value.blob for value in node.tops)
            if node.params:
                params[node.name] = node.params
            if node.layer.kind is None or node.layer.is_source:
                # Maybe nothing but what was given says what such a layer makes.
                shapes |= {top.blob: top.shape for top in node.tops if top.shape is not None}
        report = replace(self._net.report, folded=remarks)
        return Net(definition, params, phase=self._net.phase, shapes=shapes, report=report)
