"""Layers that compute the same whether their blob is (N, C) or (N, C, 1, 1).

An InnerProduct gives (N, C), a Convolution in its place (N, C, 1, 1), and a map on a larger
picture. Layers behind it that treat every value alone, or the channels at one place, go on as they
are; only an axis that counts from the end has to be written from the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Shape, axis_of
from zoo.layers.loss import Loss
from zoo.surgery.graph import Node, Value

__all__ = ["PASSED", "changed_tops", "flattens", "shapes_behind"]

# These treat every value alone, or, as Concat does, only put maps behind each other.
PASSED = frozenset(
    {
        "AbsVal", "BNLL", "Clip", "Concat", "Dropout", "ELU", "Eltwise", "Exp", "Log", "PReLU",
        "Power", "ReLU", "ReLU6", "SELU", "SeLu", "Sigmoid", "Silence", "Sparsify", "Split",
        "Swish", "TanH", "Threshold",
    }
)  # fmt: skip
# These treat the channels at one place: with their message's field for the axis.
_AXES = {
    "Accuracy": "accuracy_param",
    "ArgMax": "argmax_param",
    "BN": None,
    "BatchNorm": None,
    "Bias": "bias_param",
    "Concat": "concat_param",
    "InfogainLoss": "infogain_loss_param",
    "Scale": "scale_param",
    "Slice": "slice_param",
    "Softmax": "softmax_param",
    "SoftmaxWithLoss": "softmax_param",
    "SyncBN": None,
}


def flattens(node: Node) -> bool:
    """Whether a Flatten or Reshape only puts all values of each picture into one row."""
    if node.type not in ("Flatten", "Reshape"):
        return False
    (bottom,), (top,) = node.layer.bottom_shapes, node.layer.top_shapes
    if bottom is None or top is None or len(top) < 2:
        return False
    return bottom[:1] == top[:1] and all(size == 1 for size in top[2:])


def shapes_behind(node: Node, bottoms: Sequence[Shape]) -> list[Shape]:
    """The tops of a node that reads blobs of other shapes than before; its message may change.

    Raises
    ------
    NetError
        When it would not compute the same.
    """
    kind, message = node.layer.kind, node.definition
    spatial = [shape[2:] for shape in bottoms if len(shape) > 2]
    by_channel = node.type in _AXES or isinstance(kind, Loss)
    if kind is None or not (node.type in PASSED or by_channel):
        raise _refused(node, f"a {node.type} computes something else there")
    if node.type in ("Scale", "Bias") and len(node.bottoms) > 1:
        raise _refused(node, f"a {node.type} with a second bottom is tied to its shape")
    if node.type not in PASSED and any(size != 1 for sizes in spatial for size in sizes):
        raise _refused(node, f"a {node.type} reads rows and columns as channels")
    _write_axis(node)
    message.bottom.extend(value.blob for value in node.bottoms)
    message.top.extend(value.blob for value in node.tops)
    try:
        tops = list(kind.tops(message, list(bottoms)))
        params = tuple(tuple(shape) for shape in kind.params(message, list(bottoms)))
    except ShapeError as error:
        raise _refused(node, str(error)) from error
    finally:
        message.ClearField("bottom")
        message.ClearField("top")
    if params != tuple(node.layer.param_shapes):
        raise _refused(
            node, f"its params have the shapes {node.layer.param_shapes}, they would need {params}"
        )
    return tops


def changed_tops(node: Node, shapes: list[Shape]) -> dict[Value, Shape]:
    """The tops that have another shape than before."""
    tops = zip(node.tops, shapes, strict=True)
    return {top: shape for top, shape in tops if shape != top.shape}


def _write_axis(node: Node) -> None:
    """Count the axis from the front, where it is the same with rows and columns behind it."""
    field, rank = _AXES.get(node.type), len(node.layer.bottom_shapes[0] or ())
    if field is None or not rank:
        return
    param: Any = getattr(node.definition, field)
    if node.type == "ArgMax" and not param.HasField("axis"):
        if param.out_max_val:
            raise _refused(node, "an ArgMax of indices and values has no axis")
        param.axis = 1
    if param.axis < 0:
        param.axis = axis_of(node.definition, param.axis, rank)
    if node.type in ("Scale", "Bias") and param.num_axes == -1 and param.axis == rank - 1:
        param.num_axes = 1


def _refused(node: Node, why: str) -> NetError:
    return NetError(
        f"cannot go on behind a layer that is cast between (N, C) and (N, C, H, W): {why}. Cut the"
        " net before it, or take it out",
        node.name,
    )
