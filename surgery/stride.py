"""A stride traded for dilation: the same filters on a finer grid ("a trous").

A layer of stride s that moves by 1 instead gives s times as many values each way, the old ones at
every s-th place. A convolution behind it finds its old neighbours s places apart, so its dilation
and its padding are multiplied by s (Chen et al. 2015, DeepLab). Caffe's pooling has no dilation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, UsageError
from zoo.layers.pooling import pooled_size
from zoo.layers.reach import Reach
from zoo.layers.window import Window
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import changed_shapes, finished, node_named
from zoo.surgery.graph import Graph, Node, Value
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["trade_stride"]

_CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")

Finer = tuple[int, ...]
"""How many times as many values there are along each axis."""


def trade_stride(net: Net, layer: str | Sequence[str]) -> tuple[Net, SurgeryReport]:
    """Let layers move by 1, and dilate the convolutions behind them instead.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : a Convolution or Pooling with a stride, or several whose tops meet further on, as the
        two branches of a residual block do.

    Returns
    -------
    The new net and the report, with the new shapes. Each blob behind the layer has its old values
    at every s-th place, until a layer sees all places at once.

    Raises
    ------
    UsageError
        When there is no such layer.
    NetError
        When it has no stride, or a layer behind it cannot be dilated; that one is named.

    Examples
    --------
    >>> import zoo
    >>> from zoo.caffe.read import parse_definition
    >>> net = zoo.Net(parse_definition('''
    ...     layer { name: "data" type: "Input" top: "data"
    ...             input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    ...     layer { name: "one" type: "Convolution" bottom: "data" top: "one"
    ...             convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
    ...     layer { name: "two" type: "Convolution" bottom: "one" top: "two"
    ...             convolution_param { num_output: 4 kernel_size: 3 } }'''))
    >>> finer, report = trade_stride(net, "one")
    >>> net.blobs["two"], finer.blobs["two"]
    ((1, 4, 2, 2), (1, 4, 3, 3))
    """
    names = [layer] if isinstance(layer, str) else list(layer)
    if not names:
        raise UsageError("layer: expected the name of one or more, received none")
    operation = call_text("trade_stride", layer=layer)
    graph = Graph(net, net.outputs)
    nodes = [node_named(graph, name) for name in names]
    finer: dict[Value, Finer] = {}
    notes: list[str] = []
    for node in graph.nodes:
        if node in nodes:
            notes += _slow_down(node, _factor(node, finer), finer)
        elif not finer.keys().isdisjoint(node.bottoms):
            notes += _follow(node, finer)
    traded = finished(graph, operation)
    return traded, surgery_report(
        operation, net, traded, notes=[*notes, *changed_shapes(net, traded)]
    )


def _factor(node: Node, finer: dict[Value, Finer]) -> Finer | None:
    found = [finer[value] for value in node.bottoms if value in finer]
    return found[0] if found else None


def _slow_down(node: Node, before: Finer | None, finer: dict[Value, Finer]) -> list[str]:
    """Let a layer move by 1."""
    axes = len(node.bottoms[0].shape or ()) - 2 if node.bottoms else 0
    if node.type in _CONVOLUTIONS:
        param: Any = node.definition.convolution_param
        stride, notes = Window(node.definition, axes).stride, []
    elif node.type == "Pooling":
        param = node.definition.pooling_param
        stride = _pooling_stride(param)
        notes = _lost_at_the_end(node, stride)
    else:
        raise NetError(
            f"expected a Convolution or a Pooling with a stride to trade, received {node.type}",
            node.name,
        )
    if max(stride, default=1) == 1:
        raise NetError("its stride is 1 already", node.name)
    if before is not None:
        _dilate(node, before)
    for field in ("stride", "stride_h", "stride_w"):
        param.ClearField(field)
    both = tuple(s * b for s, b in zip(stride, before or (1,) * axes, strict=True))
    finer.update(dict.fromkeys(node.tops, both))
    return notes


def _pooling_stride(param: Any) -> Finer:
    if param.HasField("stride_h") or param.HasField("stride_w"):
        return (param.stride_h, param.stride_w)
    return (param.stride, param.stride)


def _lost_at_the_end(node: Node, stride: Finer) -> list[str]:
    """Caffe's pooling rounds sizes up: with a stride its last window may end behind the picture."""
    kind: Any = node.layer.kind
    window = kind.window(node.definition, node.bottoms[0].shape)
    old, sizes = (node.tops[0].shape or ())[2:], (node.bottoms[0].shape or ())[2:]
    ceil = node.definition.pooling_param.round_mode == 0
    new = [
        pooled_size(size, kernel, 1, pad, ceil)
        for size, kernel, pad in zip(sizes, window["kernel"], window["pad"], strict=True)
    ]
    if all(s * (size - 1) < fine for s, size, fine in zip(stride, old, new, strict=True)):
        return []
    return [
        f"{node.name}: its last window ended behind the picture and has no place any more, so"
        " values at the lower and right border differ"
    ]


def _follow(node: Node, finer: dict[Value, Finer]) -> list[str]:
    """Let a layer that reads a finer grid compute what it did."""
    factors = {finer.get(value) for value in node.bottoms}
    factor = next(each for each in factors if each is not None)
    pools = node.type == "Pooling" and not node.definition.pooling_param.global_pooling
    if pools or node.type in _CONVOLUTIONS:
        _dilate(node, factor)
    elif not node.tops or not _place_by_place(node):
        return [f"{node.name}: sees all places of the finer grid"] if node.tops else []
    elif len(factors) > 1:
        coarse = [value.blob for value in node.bottoms if finer.get(value) != factor]
        raise NetError(
            f"it puts the finer grid together with {', '.join(coarse)}; trade the strides of all"
            " branches that meet here in one call",
            node.name,
        )
    finer.update(dict.fromkeys(node.tops, factor))
    return []


def _place_by_place(node: Node) -> bool:
    """Whether each place of the tops is computed from the same place of the bottoms."""
    layer, kind = node.layer, node.layer.kind
    if kind is None or None in layer.bottom_shapes:
        raise NetError(f"it is not known how a {node.type} treats a finer grid", node.name)
    reaches = kind.reach(layer.definition, layer.bottom_shapes, layer.top_shapes)  # type: ignore[arg-type]
    if any(isinstance(reach, tuple) and set(reach) - {Reach()} for reach in reaches):
        raise NetError(
            f"a {node.type} reads neighbouring places and has no dilation, so it cannot follow a"
            " finer grid; trade the stride of a layer behind it, or take it out first",
            node.name,
        )
    return all(isinstance(reach, tuple) for reach in reaches)


def _dilate(node: Node, factor: Finer) -> None:
    """Let a window find its old neighbours so many places apart."""
    if node.type == "Pooling":
        kind: Any = node.layer.kind
        window = kind.window(node.definition, node.bottoms[0].shape)
        if max(window["kernel"]) > 1:
            raise NetError(
                "Caffe's Pooling has no dilation, so it cannot follow a finer grid; trade the"
                " stride of a layer behind it, or take it out first",
                node.name,
            )
        return
    param = node.definition.convolution_param
    window = Window(node.definition, len(factor))
    if param.axis not in (1, 1 - 2 - len(factor)):
        raise NetError("it convolves over other axes than those of the picture", node.name)
    for field in ("pad", "pad_h", "pad_w", "dilation"):
        param.ClearField(field)
    pads = [pad * each for pad, each in zip(window.pad, factor, strict=True)]
    dilations = [
        dilation * each if kernel > 1 else 1
        for dilation, each, kernel in zip(window.dilation, factor, window.kernel, strict=True)
    ]
    if any(pads):
        param.pad.extend(_short(pads))
    if max(dilations) > 1:
        param.dilation.extend(_short(dilations))


def _short(numbers: list[int]) -> list[int]:
    """One number where all are the same, as definitions are written."""
    return numbers[:1] if len(set(numbers)) == 1 else numbers
