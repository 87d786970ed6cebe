"""The Convolutions of a net that may be InnerProducts: those that cover their whole bottom.

What they make is (N, C) then, so everything behind them has to compute the same on that.
"""

from __future__ import annotations

from zoo.errors import NetError
from zoo.layers.kind import Shape, axis_of
from zoo.layers.window import Window
from zoo.net import Net
from zoo.surgery.flat_layers import changed_tops, shapes_behind
from zoo.surgery.graph import Graph, Node, Value

__all__ = ["covering"]


def covering(net: Net) -> tuple[Graph, list[Node]]:
    """A graph, and its Convolutions that can become InnerProducts with what stands behind them."""
    excluded: set[str] = set()
    while True:
        graph = Graph(net, net.outputs)
        found, culprits = _try_flat(graph, excluded)
        if not culprits:
            return graph, found
        excluded |= culprits


def _try_flat(graph: Graph, excluded: set[str]) -> tuple[list[Node], set[str]]:
    """Convolutions that cover their bottom, and which of them something behind them forbids."""
    found: list[Node] = []
    origins: dict[Value, set[str]] = {}
    shapes: dict[Value, Shape] = {}
    for node in graph.nodes:
        behind = {name for value in node.bottoms for name in origins.get(value, ())}
        if node.name not in excluded and _covers(node):
            found.append(node)
            origins[node.tops[0]] = {node.name, *behind}
            shapes[node.tops[0]] = (node.tops[0].shape or ())[:2]
        elif behind:
            bottoms = [shapes.get(value, value.shape or ()) for value in node.bottoms]
            try:
                changed = changed_tops(node, _flat_tops(node, bottoms))
            except NetError:
                return found, behind
            shapes.update(changed)
            origins.update(dict.fromkeys(changed, behind))
    return found, set()


def _flat_tops(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """The tops of a node behind flat values; a Flatten or Reshape has to give what it gave."""
    if node.type not in ("Flatten", "Reshape") or node.layer.kind is None:
        return shapes_behind(node, bottoms)
    tops = node.layer.kind.tops(node.definition, bottoms)
    if tuple(tops) != node.layer.top_shapes:
        raise NetError(f"would give {tops}", node.name)
    return list(tops)


def _covers(node: Node) -> bool:
    if (
        node.type != "Convolution"
        or len(node.bottoms) != 1
        or node.definition.convolution_param.group > 1
    ):
        return False
    bottom = node.bottoms[0].shape
    if bottom is None or len(bottom) < 3:
        return False
    if axis_of(node.definition, node.definition.convolution_param.axis, len(bottom)) != 1:
        return False
    window = Window(node.definition, len(bottom) - 2)
    return not any(window.pad) and window.kernel == window.extent == bottom[2:]
