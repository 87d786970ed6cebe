"""A layer put between others, and a layer taken out.

Both work on values rather than on names of blobs, so that layers which write a blob in place go on
reading what they read before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.connect import Layer
from zoo.errors import NetError, did_you_mean
from zoo.layers.kind import lookup
from zoo.net import Net
from zoo.surgery.blob_names import free_name, settle_names
from zoo.surgery.call_text import call_text
from zoo.surgery.edit import first_values
from zoo.surgery.finish import changed_shapes, check_new_name, finished, node_named
from zoo.surgery.graph import Graph, Node, Value
from zoo.surgery.layer_fields import layer_of
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["insert_layer", "put_behind", "remove_layer"]

# Caffe's layers that may write what they read; the others need a blob of their own.
_IN_PLACE = frozenset(
    [
        "AbsVal", "BN", "BNLL", "BatchNorm", "Bias", "Clip", "Dropout", "ELU", "Exp", "Log",
        "PReLU", "Power", "ReLU", "ReLU6", "SELU", "Scale", "SeLu", "Sigmoid", "Swish", "TanH",
    ]
)  # fmt: skip
_PASSES_ON = ("Dropout", "Split")


def insert_layer(
    net: Net,
    definition: str | Mapping[str, Any],
    after: str,
    *,
    seed: int = 0,
) -> tuple[Net, SurgeryReport]:
    """Put a new layer behind one.

    A layer without bottoms comes between: it reads what `after` makes, and all that read that read
    the new layer instead. A layer with bottoms and tops of its own is added as it is written.

    Parameters
    ----------
    net : the network; it is not changed.
    definition : the layer as prototxt, ``name: "norm1" type: "LRN" lrn_param { local_size: 3 }``,
        or as a mapping of the same fields.
    after : the layer that it follows.
    seed : what its weights are drawn with, by its fillers.

    Raises
    ------
    UsageError
        For a layer or a field that does not exist, or a name that is taken.
    NetError
        When a layer behind the new one does not fit any more; it is named.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> gentle, report = insert_layer(net, {"name": "drop", "type": "Dropout"}, after="ip1")
    >>> gentle.layer("drop").bottoms, report.preserving
    (('ip1',), True)
    """
    message = layer_of(definition)
    operation = call_text("insert_layer", definition=definition, after=after)
    graph = Graph(net, net.outputs)
    before = node_named(graph, after)
    check_new_name("layer", message.name, [node.name for node in graph.nodes])
    between = not message.bottom
    if between:
        if message.top:
            raise NetError("it has tops and no bottoms; give both or neither", message.name)
        node = put_behind(graph, before, message)
    else:
        node = _as_written(graph, before, message)
    if net.params:
        node.params = first_values(message, node.layer.param_shapes, seed)
    notes = settle_names(graph)
    inserted = finished(graph, operation)
    aside = not between and not set(node.layer.tops) & set(node.layer.bottoms)
    passes_on = node.type in _PASSES_ON and net.phase == "TEST"
    return inserted, surgery_report(
        operation,
        net,
        inserted,
        preserving=aside or (between and passes_on and not notes),
        notes=[*notes, *changed_shapes(net, inserted)],
    )


def remove_layer(net: Net, layer: str) -> tuple[Net, SurgeryReport]:
    """Take a layer out; what read its top reads its bottom instead.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : one with a single bottom, or one whose tops nobody reads.

    Raises
    ------
    UsageError
        When there is no such layer.
    NetError
        When it has several bottoms and is read, when it is what brings the data in, or when a
        layer behind it does not fit any more, which is named.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> scores, report = remove_layer(net, "prob")
    >>> scores.outputs, report.preserving
    (['ip2'], False)
    """
    operation = call_text("remove_layer", layer=layer)
    graph = Graph(net, net.outputs)
    node = node_named(graph, layer)
    if node.layer.is_source:
        raise NetError("it brings the data in, which the layers behind it need", layer)
    read = any(top in other.bottoms for other in graph.nodes for top in node.tops)
    outputs = {value.blob for value in graph.kept & set(node.tops)}
    if len(node.bottoms) == 1 and node.tops:
        _bridge(graph, node)
    elif read:
        raise NetError(
            f"it makes one of {len(node.bottoms)} blobs, {', '.join(node.layer.bottoms)}, and it is"
            " not clear which of them the layers behind it should read; take those out first",
            layer,
        )
    else:
        graph.kept -= set(node.tops)
        outputs = set()
    graph.nodes.remove(node)
    notes = settle_names(graph)
    removed = finished(graph, operation)
    notes += [f"the output {name!r} is gone" for name in outputs if name not in removed.blobs]
    kept_function = node.type in _PASSES_ON and net.phase == "TEST" and not notes
    return removed, surgery_report(
        operation,
        net,
        removed,
        preserving=kept_function or (not read and not outputs),
        notes=[*notes, *changed_shapes(net, removed)],
    )


def put_behind(
    graph: Graph, before: Node, message: LayerParameter, bottom: Value | None = None
) -> Node:
    """Add a layer that reads a top of a node, the first by default, and is read in its place."""
    if not before.tops:
        raise NetError("it makes no blob that another layer could read", before.name)
    bottom = before.tops[0] if bottom is None else bottom
    taken = {top.blob for node in graph.nodes for top in node.tops}
    in_place = message.type in _IN_PLACE and not before.layer.is_source
    blob = bottom.blob if in_place else free_name(message.name, taken)
    message.bottom.append(bottom.blob)
    message.top.append(blob)
    node = _node(message, [bottom])
    for other in graph.nodes:
        other.bottoms = [node.tops[0] if each is bottom else each for each in other.bottoms]
    _replace_output(graph, bottom, node.tops[0], before)
    graph.nodes.insert(graph.nodes.index(before) + 1, node)
    return node


def _as_written(graph: Graph, before: Node, message: LayerParameter) -> Node:
    """Add a layer with bottoms and tops of its own behind a node."""
    position = graph.nodes.index(before) + 1
    current = {top.blob: top for node in graph.nodes[:position] for top in node.tops}
    for name in message.bottom:
        if name not in current:
            raise NetError(
                f"its bottom {name!r} is not made by {before.name!r} or a layer before that."
                f"{did_you_mean(name, current)}",
                message.name,
            )
    taken = [top.blob for node in graph.nodes for top in node.tops]
    for name in message.top:
        if name not in message.bottom:
            check_new_name("blob", name, taken)
    node = _node(message, [current[name] for name in message.bottom])
    for top in node.tops:
        if top.blob in message.bottom:
            old = current[top.blob]
            for other in graph.nodes[position:]:
                other.bottoms = [top if each is old else each for each in other.bottoms]
            _replace_output(graph, old, top, before)
    graph.nodes.insert(position, node)
    return node


def _replace_output(graph: Graph, old: Value, new: Value, before: Node) -> None:
    """Let a new value be an output in the place of the one that it is made of."""
    if old in graph.kept and not before.layer.is_source:
        graph.kept.remove(old)
        graph.kept.add(new)


def _node(message: LayerParameter, bottoms: list[Value]) -> Node:
    """A node for a new layer, whose message has its bottoms and tops."""
    kind = lookup(message.type)
    shapes = [value.shape for value in bottoms]
    if kind is None or kind.is_source or None in shapes:
        raise NetError(f"a {message.type} cannot be put between other layers here", message.name)
    kind.check_counts(message)
    known = [shape for shape in shapes if shape is not None]
    tops = tuple(kind.tops(message, known))
    params = tuple(kind.params(message, known))
    layer = Layer(message, kind, tuple(known), tops, params, ())
    values = [Value(name, shape) for name, shape in zip(message.top, tops, strict=True)]
    definition = copy_without(message, "bottom", "top")
    return Node(layer, definition, [], bottoms, values, shares=False)


def _bridge(graph: Graph, node: Node) -> None:
    """Let the bottom of a node stand for its top."""
    bottom, (top, *others) = node.bottoms[0], node.tops
    if any(other in each.bottoms for each in graph.nodes for other in others):
        raise NetError(
            f"{others[0].blob!r}, which it makes too, is read by other layers; take those out"
            " first",
            node.name,
        )
    graph.kept -= set(others)
    if bottom.blob != top.blob and graph.maker(bottom).layer.is_source and top in graph.kept:
        graph.kept.discard(top)
    graph.merge(top, into=bottom)
