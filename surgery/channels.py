"""Fewer channels of a blob, and what that means for every layer that reads it.

A filter that goes takes its channel of the output along, and with it what later layers have for
that channel: statistics, slopes, weights. The numbers of the channels that stay are followed from
value to value until layers with weights read them all up.

Whether the net computes the same is followed too: it does where the channels that go hold nothing
but zeros, which ReLU and pooling leave zeros, for then no weight adds anything for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.errors import NetError
from zoo.surgery.channel_rules import RULES, Channels, take
from zoo.surgery.graph import Graph, Node, Value

__all__ = ["Narrowing", "output_axis", "settings_of"]


class Narrowing:
    """The channels that stay, value by value.

    Parameters
    ----------
    graph : whose layers are changed.
    kept : node to the numbers of its outputs that stay, for the layers with which it begins.

    Attributes
    ----------
    channels : of the values of which some are gone.
    exact : whether the net computes what it did.
    notes : why not, in sentences.

    Raises
    ------
    NetError
        When a layer reads the channels and needs all of them, or they are an output.
    """

    def __init__(self, graph: Graph, kept: Mapping[Node, np.ndarray]) -> None:
        self.graph = graph
        self.channels: dict[Value, Channels] = {}
        self.exact = True
        self.notes: list[str] = []
        for node in graph.nodes:
            if any(bottom in self.channels for bottom in node.bottoms):
                self._read(node)
            if node in kept:
                self._make(node, kept[node])
        for value in graph.kept:
            if value in self.channels:
                raise NetError(
                    f"{value.blob!r} is an output of the net and has to keep its channels",
                    graph.maker(value).name,
                )

    def changes(self, why: str) -> None:
        """Note that the net computes something else now."""
        self.exact = False
        self.notes.append(why)

    def _make(self, node: Node, kept: np.ndarray) -> None:
        """Let a layer with filters make these outputs only."""
        param, axis = settings_of(node), output_axis(node)
        gone = np.delete(np.arange(param.num_output), kept)
        places = ((blob, axis if index == 0 else 0) for index, blob in enumerate(node.params))
        zeros = not any(blob.take(gone, place).any() for blob, place in places)
        take(node, 0, kept, axis)
        take(node, 1, kept, 0)
        param.num_output = len(kept)
        self.channels.update((top, Channels(kept, zeros)) for top in node.tops)

    def _read(self, node: Node) -> None:
        """Let a layer follow the channels that it reads."""
        if node.shares:
            raise NetError(
                "reads the channels and shares its params with another layer; unshare it first",
                node.name,
            )
        if node.type not in RULES:
            blobs = ", ".join(repr(each.blob) for each in node.bottoms if each in self.channels)
            raise NetError(
                f"is a {node.type} and reads {blobs}, of which channels are to go; it needs all of"
                " them, or it is not known what it does to each",
                node.name,
            )
        RULES[node.type](self, node)


def settings_of(node: Node) -> Any:
    """The message with `num_output` of a layer with filters."""
    inner = node.type == "InnerProduct"
    return node.definition.inner_product_param if inner else node.definition.convolution_param


def output_axis(node: Node) -> int:
    """The axis of the weight with a place for each output of a dense layer."""
    if node.type == "InnerProduct":
        return int(node.definition.inner_product_param.transpose)
    return int(node.type == "Deconvolution")
