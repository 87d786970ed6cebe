"""Params that several layers share through ``param { name }``, and parting them again.

Layers that give a param the same name use the same values, learned together: the two towers of a
siamese network. The first of them in the net owns it. Caffe: Net::AppendParam (net.cpp), which
refuses other rates for the same param, so all of them get those of the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter, ParamSpec
from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import node_named
from zoo.surgery.graph import Graph, Node
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["share", "unshare"]


def share(net: Net, layers: list[str], names: list[str] | None = None) -> tuple[Net, SurgeryReport]:
    """Let layers use the same params: those of the first of them in the net.

    Parameters
    ----------
    net : the network; it is not changed.
    layers : two or more layers whose params have the same shapes.
    names : what the shared params are called, one for each blob, or for the first few that are to
        be shared. By default all of them: conv1_w and conv1_b, where conv1 is the first.

    Raises
    ------
    UsageError
        For fewer than two layers, or names that are too many, not different, or taken.
    NetError
        When a layer does not exist, has no params or some of other shapes, or shares them already.

    Examples
    --------
    >>> from zoo.caffe.read import parse_definition
    >>> layer = 'layer {{ name: "{0}" type: "InnerProduct" bottom: "x" top: "{0}"'
    >>> layer += ' inner_product_param {{ num_output: 2 }} }}'
    >>> text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }'
    >>> net = Net(parse_definition(text + layer.format("a") + layer.format("b")))
    >>> shared, report = share(net, ["a", "b"])
    >>> shared.layer("b").owners
    (('a', 0), ('a', 1))
    """
    graph = Graph(net, net.outputs)
    nodes = _in_order(graph, layers)
    names = _names(net, nodes, names)
    first, *others = nodes
    _name_params(first.definition, names)
    changed = []
    for node in others:
        if _rates(node.definition, len(names)) != _rates(first.definition, len(names)):
            changed.append(f"{node.name}: lr_mult and decay_mult are those of {first.name} now")
        _follow(node, first, names)
    after = graph.net(net.report.folded)
    whole = len(names) == len(first.layer.param_shapes)
    same = all(_equal(net, first.name, node.name, len(names)) for node in others)
    origins = {node.name: first.name for node in others} if whole and not same else {}
    operation = call_text("share", layers=layers, names=names)
    return after, surgery_report(
        operation, net, after, origins=origins, preserving=same, notes=changed
    )


def unshare(net: Net, layer: str) -> tuple[Net, SurgeryReport]:
    """Give a layer params of its own, with the values that it shared.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : one of the layers that share; the others go on sharing among themselves.

    Raises
    ------
    NetError
        When there is no such layer, or it shares nothing.
    """
    graph = Graph(net, net.outputs)
    node = node_named(graph, layer)
    if not node.shares:
        raise NetError("shares no params with another layer", layer)
    for spec in node.definition.param:
        spec.ClearField("name")
        spec.ClearField("share_mode")
    after = graph.net(net.report.folded)
    operation = call_text("unshare", layer=layer)
    return after, surgery_report(operation, net, after, preserving=True)


def _in_order(graph: Graph, layers: Sequence[str]) -> list[Node]:
    """The nodes in the order of the net, if they can share."""
    chosen = {node_named(graph, name) for name in layers}
    if len(chosen) < 2:
        raise UsageError(f"layers: expected two or more different ones, received {list(layers)}")
    nodes = [node for node in graph.nodes if node in chosen]
    first = nodes[0]
    for node in nodes:
        shapes = node.layer.param_shapes
        if not shapes:
            raise NetError("has no params to share", node.name)
        if node.shares:
            raise NetError("shares its params already; unshare it first", node.name)
        if shapes != first.layer.param_shapes:
            raise NetError(
                f"has params of shapes {list(shapes)}, and {first.name!r} of"
                f" {list(first.layer.param_shapes)}; only the same can be shared",
                node.name,
            )
    return nodes


def _names(net: Net, nodes: Sequence[Node], names: Sequence[str] | None) -> list[str]:
    """One name for each param that is to be shared."""
    number = len(nodes[0].layer.param_shapes)
    given = _default_names(nodes[0].name, number) if names is None else list(names)
    if not 1 <= len(given) <= number or len(set(given)) < len(given) or not all(given):
        raise UsageError(f"names: expected 1 to {number} different ones, received {given}")
    own = {node.name for node in nodes}
    taken = {
        spec.name: layer.name
        for layer in net.layers
        if layer.name not in own
        for spec in layer.definition.param
    }
    for name in given:
        if name in taken:
            raise UsageError(
                f"names: {name!r} is the name of a param of {taken[name]!r}, which would be shared"
                " too; choose another"
            )
    return given


def _default_names(layer: str, number: int) -> list[str]:
    return [f"{layer}_{'wb'[index] if index < 2 else index}" for index in range(number)]


def _name_params(definition: LayerParameter, names: Sequence[str]) -> None:
    while len(definition.param) < len(names):
        definition.param.append(ParamSpec())
    for spec, name in zip(definition.param, names, strict=False):
        spec.name = name


def _rates(definition: LayerParameter, number: int) -> list[tuple[float, float]]:
    specs = [*definition.param, *[ParamSpec()] * number][:number]
    return [(spec.lr_mult, spec.decay_mult) for spec in specs]


def _follow(node: Node, first: Node, names: Sequence[str]) -> None:
    """The specs and the values of the first layer's params for another."""
    _name_params(node.definition, names)
    for index in range(len(names)):
        node.definition.param[index].CopyFrom(first.definition.param[index])
    if first.params and (node.params or len(first.params) == len(names)):
        node.params = [*first.params[: len(names)], *node.params[len(names) :]]


def _equal(net: Net, first: str, other: str, number: int) -> bool:
    """Whether two layers have the same values for the first few params."""
    if first not in net.params or other not in net.params:
        return False
    pairs = zip(net.params[first][:number], net.params[other][:number], strict=True)
    return all(np.array_equal(one, two) for one, two in pairs)
