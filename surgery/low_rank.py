"""An InnerProduct as two smaller ones, by a truncated singular value decomposition.

Fast R-CNN's compression (Girshick 2015, tools/compress_net.py): the weight W = U S V becomes a
first layer `NAME_L` with the rows S V and no bias, and a second, `NAME_U`, with the columns U and
the bias of the old one. K singular values need K (inputs + outputs) weights instead of
inputs * outputs.
"""

from __future__ import annotations

import numpy as np

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError
from zoo.layers.kind import axis_of, count
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import node_named
from zoo.surgery.graph import Graph, Node, Value
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["low_rank"]


def low_rank(
    net: Net, layer: str, rank: int | None = None, *, error: float | None = None
) -> tuple[Net, SurgeryReport]:
    """Put two InnerProducts with fewer weights in the place of one.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : the InnerProduct. Those in its place are called `layer`_L and `layer`_U; the blob that
        it made keeps its name.
    rank : how many outputs the first of the two has; as many as the weight has rows or columns,
        whichever are fewer, keep what is computed.
    error : take the smallest rank with at most this error instead: the norm of what is lost of the
        weight over the norm of the weight (Frobenius).

    Raises
    ------
    UsageError
        When neither or both of `rank` and `error` are given, or the rank is not in the matrix.
    NetError
        When the layer does not exist, is no InnerProduct, shares its params, or has no weights to
        measure an error by.

    Examples
    --------
    >>> import zoo
    >>> net, report = low_rank(zoo.load("lenet_digits").net, "ip1", rank=8)
    >>> net.param_shapes["ip1_L"], net.param_shapes["ip1_U"]
    ([(8, 256)], [(64, 8), (64,)])
    >>> report.notes[0]
    'ip1: rank 8 of 64 has 2,624 params instead of 16,448 (16.0%)'
    """
    graph = Graph(net, net.outputs)
    node = node_named(graph, layer)
    _check(net, node, rank, error)
    rows, columns = _matrix_shape(node)
    if rank is not None and not 1 <= rank <= min(rows, columns):
        raise UsageError(
            f"rank: expected 1 to {min(rows, columns)}, for the weight of {layer!r} has {rows}"
            f" outputs and {columns} inputs; received {rank}"
        )
    lost, size = None, rank or 0
    if node.params:
        basis, errors = _decompose(_matrix(node))
        size = rank or _smallest_rank(errors, error or 0)
        lost = float(errors[size])
        basis = basis[:, :size]
    first, second = _two_layers(graph, node, size)
    if node.params:
        first.params = [_stored(node, basis.T @ _matrix(node))]
        second.params = [_stored(node, basis), *node.params[1:]]
    after = graph.net(net.report.folded)
    operation = call_text("low_rank", layer=layer, rank=rank, error=error)
    return after, surgery_report(
        operation,
        net,
        after,
        origins={first.name: layer, second.name: layer},
        preserving=size == min(rows, columns),
        notes=_notes(net, after, layer, (size, min(rows, columns)), lost),
    )


def _check(net: Net, node: Node, rank: int | None, error: float | None) -> None:
    if (rank is None) == (error is None):
        raise UsageError("low_rank: expected a rank or an error, and not both")
    if error is not None and not 0 <= error < 1:
        raise UsageError(f"error: expected 0 or more and less than 1, received {error:g}")
    if node.type != "InnerProduct":
        raise NetError(f"is a {node.type}; only an InnerProduct is made of two", node.name)
    if node.shares:
        raise NetError("shares its params with another layer; unshare it first", node.name)
    if not node.layer.param_shapes:
        raise NetError("the shape of its bottom is not known, so neither is its weight", node.name)
    if error is not None and not node.params:
        raise NetError("has no weights to measure an error by; give a rank", node.name)
    taken = {layer.name for layer in net.layers} & {f"{node.name}_L", f"{node.name}_U"}
    if taken or f"{node.name}_L" in net.blobs:
        raise NetError(
            f"{', '.join(sorted(taken)) or node.name + '_L'} is there already, so that this layer"
            " cannot become two of these names; rename that first",
            node.name,
        )


def _matrix_shape(node: Node) -> tuple[int, int]:
    """Outputs and inputs."""
    outputs = int(node.definition.inner_product_param.num_output)
    return outputs, count(node.layer.param_shapes[0]) // outputs


def _matrix(node: Node) -> np.ndarray:
    """The weight with a row for each output."""
    weight = node.params[0]
    return weight.T if node.definition.inner_product_param.transpose else weight


def _stored(node: Node, matrix: np.ndarray) -> np.ndarray:
    """A matrix with a row for each output as the layer's weight is stored."""
    turned = matrix.T if node.definition.inner_product_param.transpose else matrix
    return np.ascontiguousarray(turned, np.float32)


def _decompose(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors as columns, and the relative error that each rank from 0 on leaves.

    From the eigenvectors of W W', which are much faster to find than singular values where one side
    is long. The basis is orthogonal to the last digit, so projecting on all of it loses nothing.
    """
    matrix = weight.astype(np.float64)
    tall = len(matrix) > matrix.shape[1]
    outer, inner = np.linalg.qr(matrix) if tall else (None, matrix)
    powers, vectors = np.linalg.eigh(inner @ inner.T)
    order = np.argsort(powers)[::-1]
    powers, vectors = np.clip(powers[order], 0, None), vectors[:, order]
    left = np.concatenate([np.cumsum(powers[::-1])[::-1], [0.0]])
    errors = np.sqrt(left / (left[0] or 1))
    return vectors if outer is None else outer @ vectors, errors


def _smallest_rank(errors: np.ndarray, bound: float) -> int:
    return max(1, int(np.argmax(errors <= bound)))


def _two_layers(graph: Graph, node: Node, rank: int) -> tuple[Node, Node]:
    """Put the two in the place of the one, without params."""
    bottom = node.bottoms[0].shape or ()
    axis = axis_of(node.definition, node.definition.inner_product_param.axis, len(bottom))
    middle = Value(f"{node.name}_L", (*bottom[:axis], rank))
    settings = []
    for name, outputs in ((middle.blob, rank), (f"{node.name}_U", None)):
        layer = _without_param_names(node.definition, name)
        layer.inner_product_param.axis = axis
        if outputs is not None:
            layer.inner_product_param.num_output = outputs
            layer.inner_product_param.bias_term = False
            layer.inner_product_param.ClearField("bias_filler")
            del layer.param[1:]
        settings.append(layer)
    first = Node(node.layer, settings[0], [], node.bottoms, [middle], False)
    second = Node(node.layer, settings[1], [], [middle], node.tops, False)
    place = graph.nodes.index(node)
    graph.nodes[place : place + 1] = [first, second]
    return first, second


def _without_param_names(definition: LayerParameter, name: str) -> LayerParameter:
    layer = copy_without(definition, "name")
    layer.name = name
    for spec in layer.param:
        spec.ClearField("name")
    return layer


def _notes(
    before: Net, after: Net, layer: str, ranks: tuple[int, int], lost: float | None
) -> list[str]:
    old = sum(map(count, before.param_shapes[layer]))
    new = after.param_count - before.param_count + old
    notes = [
        f"{layer}: rank {ranks[0]} of {ranks[1]} has {new:,} params instead of {old:,}"
        f" ({100 * new / old:.1f}%)"
    ]
    if lost is not None:
        notes.append(f"{layer}: the weight differs by {lost:.3g} of its norm")
    return notes
