"""A net in which no layer writes in place, so that each value has a name and a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from zoo.net import Net
from zoo.surgery.graph import Graph

__all__ = ["Apart", "apart"]

_KNOWN: WeakKeyDictionary[Net, dict[tuple[str, ...], Apart]] = WeakKeyDictionary()


class Apart:
    """The part of a net that some blobs need, with a blob of its own for each value.

    Parameters
    ----------
    net : the network.
    wanted : names of blobs, whose last values count.

    Attributes
    ----------
    net : the same computation.
    last : the name that the last value of each blob of `net` has now.
    """

    def __init__(self, net: Net, wanted: Sequence[str]) -> None:
        graph = Graph(net, wanted)
        unneeded = graph.unneeded()
        graph.nodes = [node for node in graph.nodes if node not in unneeded]
        taken = {name for layer in net.layers for name in layer.tops}
        self.last: dict[str, str] = {}
        for node in graph.nodes:
            for value in node.tops:
                name = value.blob
                if name in self.last:
                    value.blob = _new_name(name, node.name, taken)
                self.last[name] = value.blob
        self.net = graph.net([])


def apart(net: Net, wanted: Sequence[str]) -> Apart:
    """The `Apart` of these blobs, made once for each net."""
    known = _KNOWN.setdefault(net, {})
    key = tuple(wanted)
    if key not in known:
        known[key] = Apart(net, key)
    return known[key]


def _new_name(blob: str, layer: str, taken: set[str]) -> str:
    name = f"{blob} after {layer}"
    while name in taken:
        name += "'"
    taken.add(name)
    return name
