"""The layers that read a picture first, and their weights for each of its channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.errors import NetError, UsageError, did_you_mean
from zoo.layers.kind import count
from zoo.surgery.graph import Graph, Node, Value

__all__ = ["first_readers", "picture_input", "reads_values", "rewrite_channels"]

_CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
# Each channel of what these make comes from the same channel of what they read.
_EACH_CHANNEL = frozenset(
    [
        "AbsVal", "BNLL", "Clip", "Dropout", "ELU", "Exp", "Interp", "Log", "Pooling", "Power",
        "ReLU", "ReLU6", "SELU", "SeLu", "Sigmoid", "Split", "Swish", "TanH", "Threshold",
    ]
)  # fmt: skip


def picture_input(graph: Graph, blob: str | None) -> tuple[Node, Value]:
    """The source of the pictures, and what it gives out.

    Raises
    ------
    UsageError
        When no input is called `blob` or it has no channels, or none is given and not one alone
        has channels.
    """
    inputs = {
        value.blob: (node, value)
        for node in graph.nodes
        if node.layer.is_source
        for value in node.tops
    }
    if blob is not None:
        if blob not in inputs:
            raise UsageError(f"no input is named {blob!r}.{did_you_mean(blob, inputs)}")
        shape = inputs[blob][1].shape or ()
        if len(shape) < 2:
            raise UsageError(f"the input {blob!r} of shape {shape} has no channels")
        return inputs[blob]
    for least in (4, 3, 2):
        found = [name for name, (_, value) in inputs.items() if len(value.shape or ()) >= least]
        if len(found) == 1:
            return inputs[found[0]]
        if found:
            raise UsageError(f"there are several inputs, {', '.join(found)}; give blob")
    raise NetError("no input has channels")


def first_readers(graph: Graph, value: Value) -> list[Node]:
    """The layers with weights for each channel of a value, behind those that keep channels apart.

    Raises
    ------
    NetError
        When something else reads it, which depends on the channels in another way.
    """
    apart, found = {value}, []
    for node in graph.nodes:
        if not any(reads_values(node, bottom) for bottom in apart):
            continue
        if node.type in _EACH_CHANNEL:
            apart.update(node.tops)
            continue
        _check_reader(node)
        found.append(node)
    read = {bottom for node in graph.nodes for bottom in node.bottoms}
    ends = [each.blob for each in apart if each not in read]
    if ends:
        raise NetError(
            f"the output {ends[0]!r} has the channels of the picture, and no layer with weights"
            " stands between them"
        )
    return found


def reads_values(node: Node, value: Value) -> bool:
    """Whether what a layer makes depends on a value, and not on its shape alone."""
    if value not in node.bottoms or not node.tops:
        return False
    layer, kind = node.layer, node.layer.kind
    if kind is None or None in layer.bottom_shapes:
        return True
    reaches = kind.reach(layer.definition, layer.bottom_shapes, layer.top_shapes)  # type: ignore[arg-type]
    return any(
        reach != "nothing"
        for bottom, reach in zip(node.bottoms, reaches, strict=False)
        if bottom is value
    )


def rewrite_channels(node: Node, channels: int, change: Callable[[Any], Any]) -> None:
    """Give a layer other weights, by a function of arrays (outputs, channels, values of one)."""
    if not node.params:
        return
    weight, *bias = node.params
    old = (node.bottoms[0].shape or (1, 1))[1]
    turned = node.type == "InnerProduct" and node.definition.inner_product_param.transpose
    rows = weight.T if turned else weight
    new = change(rows.reshape(len(rows), old, -1).astype(np.float64))
    if node.type == "InnerProduct":
        new = new.reshape(len(rows), -1)
    else:
        new = new.reshape(len(rows), channels, *rows.shape[2:])
    node.params = [np.ascontiguousarray(new.T if turned else new, np.float32), *bias]


def _check_reader(node: Node) -> None:
    """Raise NetError unless a layer has weights for each channel of its one bottom."""
    layer: Any = node.definition
    why = ""
    if node.type in _CONVOLUTIONS:
        # A depthwise layer has one filter a channel, and as many groups.
        if layer.convolution_param.group > 1 or node.type != "Convolution":
            why = "convolves groups of channels by themselves"
        elif layer.convolution_param.axis != 1:
            why = "convolves over other axes"
    elif node.type == "InnerProduct":
        shape = node.bottoms[0].shape or ()
        if layer.inner_product_param.axis != 1 or count(shape[1:]) == 0:
            why = "multiplies other axes"
    else:
        why = f"has to do with its channels in another way ({node.type})"
    if not why and node.shares:
        why = "shares its weights with another layer"
    if why:
        raise NetError(
            f"it reads the picture and {why}; expected a Convolution or an InnerProduct. Remove the"
            " layer, or fold it, first",
            node.name,
        )
