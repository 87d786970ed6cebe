"""A net cut in two at a blob, and parts of different nets put together.

A blob stands for its last values: a cut at `conv1` lies behind a ReLU that writes `conv1` in place.
"""

from __future__ import annotations

from collections.abc import Collection

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.connect import Layer
from zoo.errors import NetError, UsageError
from zoo.layers.kind import Shape, lookup
from zoo.net import Net
from zoo.surgery.blob_names import free_name
from zoo.surgery.call_text import call_text
from zoo.surgery.donors import report_with_donors
from zoo.surgery.finish import finished
from zoo.surgery.graph import Graph, Node, Value
from zoo.surgery.joining import join
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["cut", "cut_off", "stitch"]


def cut(net: Net, blob: str) -> tuple[Net, SurgeryReport]:
    """The trunk: what a blob is computed by, and nothing else.

    Raises
    ------
    UsageError
        When there is no such blob; NetError when it is an input, so that nothing is left.

    Examples
    --------
    >>> import zoo
    >>> trunk, report = cut(zoo.load("lenet_digits").net, "ip1")
    >>> trunk.outputs, report.removed
    (['ip1'], ('ip2', 'prob'))
    """
    operation = call_text("cut", blob=blob)
    graph = Graph(net, ())
    wanted = graph.last(blob)
    graph.kept = {wanted}
    if graph.maker(wanted).layer.is_source:
        raise NetError(f"{operation}: {blob!r} is an input, so that no layer would be left")
    for node in graph.unneeded():
        graph.nodes.remove(node)
    read = {value for node in graph.nodes for value in node.bottoms}
    graph.nodes = [node for node in graph.nodes if node.bottoms or not read.isdisjoint(node.tops)]
    trunk = finished(graph, operation)
    return trunk, surgery_report(operation, net, trunk, notes=_parted(net, trunk))


def cut_off(net: Net, blob: str) -> tuple[Net, SurgeryReport]:
    """The head: all that is computed of a blob, which becomes an Input.

    Other inputs of the net that the head reads, such as labels, stay inputs.

    Raises
    ------
    UsageError
        When there is no such blob.
    NetError
        When nothing reads it, or a layer behind the cut also reads a blob from before it, which
        would have no producer.

    Examples
    --------
    >>> import zoo
    >>> head, report = cut_off(zoo.load("lenet_digits").net, "ip1")
    >>> head.inputs, [layer.name for layer in head.layers]
    ({'ip1': (1, 64)}, ['ip1', 'ip2', 'prob'])
    """
    operation = call_text("cut_off", blob=blob)
    graph = Graph(net, net.outputs)
    value = graph.last(blob)
    if graph.maker(value).layer.is_source:
        raise NetError(f"{operation}: {blob!r} is an input, so that nothing would be cut off")
    if value.shape is None:
        raise NetError(f"{operation}: the shape of {blob!r} is not known")
    behind = _behind(graph, value)
    if not behind:
        raise NetError(f"{operation}: no layer reads {blob!r}, so that nothing is behind it")
    read = {bottom for node in behind for bottom in node.bottoms}
    sources = [node for node in graph.nodes if not node.bottoms and not read.isdisjoint(node.tops)]
    _check_producers(operation, graph, value, [*sources, *behind])
    names = {node.name for node in (*sources, *behind)}
    graph.nodes = [_input(free_name(blob, names), value, value.shape), *sources, *behind]
    head = finished(graph, operation)
    return head, surgery_report(operation, net, head, notes=_parted(net, head))


def stitch(
    net: Net, head: Net, at: str, head_at: str | None = None, prefix: str = ""
) -> tuple[Net, SurgeryReport]:
    """A head from one model on the trunk of another.

    Parameters
    ----------
    net : the net whose trunk stays, up to the blob `at`.
    head : a net with one input, or a whole model that is cut off at its blob `head_at`.
    at : the blob that the head reads.
    head_at : where the head begins in its model.
    prefix : put in front of the names of the head.

    Raises
    ------
    ShapeError
        When the blob does not have the shape that the head reads.
    UsageError, NetError
        When a blob does not exist, a cut is not possible, or a name is taken.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> stitched, report = stitch(net, net, at="pool2", head_at="pool2")
    >>> stitched.blobs == net.blobs
    True
    """
    operation = call_text("stitch", head=head.name, at=at, head_at=head_at, prefix=prefix or None)
    part = head if head_at is None else cut_off(head, head_at)[0]
    if head_at is None and len(part.inputs) != 1:
        raise UsageError(
            f"{operation}: {head.name!r} has the inputs {', '.join(part.inputs)}; say with head_at"
            " behind which of its blobs the head begins"
        )
    trunk, cutting = cut(net, at)
    entry = head_at if head_at is not None else next(iter(part.inputs))
    stitched, donors, notes = join(trunk, part, {entry: at}, prefix, operation)
    whole = {layer: (head, name) for layer, (_, name) in donors.items()}
    return stitched, report_with_donors(operation, net, stitched, whole, [*cutting.notes, *notes])


def _behind(graph: Graph, value: Value) -> list[Node]:
    reached, behind = {value}, []
    for node in graph.nodes:
        if not reached.isdisjoint(node.bottoms):
            behind.append(node)
            reached.update(node.tops)
    return behind


def _check_producers(operation: str, graph: Graph, value: Value, nodes: Collection[Node]) -> None:
    made = {value, *(top for node in nodes for top in node.tops)}
    for node in nodes:
        for bottom in node.bottoms:
            if bottom not in made:
                maker = graph.maker(bottom).name
                raise NetError(
                    f"{operation} leaves the blob {bottom.blob!r} without a producer: this layer"
                    f" behind the cut reads it too, and {maker!r} before the cut makes it. Cut"
                    " where a single blob leads on",
                    node.name,
                )


def _input(name: str, value: Value, shape: Shape) -> Node:
    """A node for a new Input layer."""
    message = LayerParameter(name=name, type="Input")
    message.input_param.shape.add(dim=shape)
    layer = Layer(message, lookup("Input"), (), (shape,), (), ())
    return Node(layer, message, [], [], [value], shares=False)


def _parted(before: Net, after: Net) -> list[str]:
    """Which layers shared params with others that are not there any more."""
    names = set(after.param_shapes)
    sharing: dict[tuple[str, int], list[str]] = {}
    for layer in before.layers:
        for owner in layer.owners:
            sharing.setdefault(owner, []).append(layer.name)
    parted = {
        (inside[0], next(name for name in layers if name not in names))
        for layers in sharing.values()
        if 0 < len(inside := [name for name in layers if name in names]) < len(layers)
    }
    return [
        f"{inside} shared params with {outside}, which is not there any more"
        for inside, outside in sorted(parted)
    ]
