"""A convolution in groups as a dense one, and back.

AlexNet's conv2, conv4 and conv5 are in two groups, because the network was trained on two GPUs:
each half of the outputs sees half of the inputs. A dense convolution with zeros for what a group
does not see computes the same, and can be pruned, trained or run where groups are not known.

Caffe: base_conv_layer.cpp. Weights are (out, in/group, k...) for Convolution and (in, out/group,
k...) for Deconvolution, so that in both the rows of a group lie together.
"""

from __future__ import annotations

import numpy as np

from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import node_named
from zoo.surgery.graph import Graph, Node
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["groups_of", "join_groups", "split_groups"]

_DEPTHWISE = ("DepthwiseConvolution", "ConvolutionDepthwise")
_KINDS = ("Convolution", "Deconvolution", *_DEPTHWISE)


def join_groups(net: Net, layer: str) -> tuple[Net, SurgeryReport]:
    """Make a convolution in groups one dense convolution, with zeros outside of its groups.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : a Convolution, Deconvolution or DepthwiseConvolution in groups. Its weight
        (out, in/groups, kernel...) becomes (out, in, kernel...).

    Raises
    ------
    NetError
        When there is no such layer, it has no groups, or it shares its params.

    Examples
    --------
    >>> from zoo.caffe.read import parse_definition
    >>> net = Net(parse_definition('''
    ...     layer { name: "data" type: "Input" top: "data"
    ...             input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }
    ...     layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    ...             convolution_param { num_output: 6 kernel_size: 3 group: 2 } }'''))
    >>> joined, report = join_groups(net, "conv")
    >>> net.param_shapes["conv"][0], joined.param_shapes["conv"][0]
    ((6, 2, 3, 3), (6, 4, 3, 3))
    """
    graph, node = _convolution(net, layer)
    groups = groups_of(node)
    if groups == 1:
        raise NetError("has no groups; it is dense already", layer)
    if node.params:
        weight = node.params[0]
        dense = np.zeros((len(weight), weight.shape[1] * groups, *weight.shape[2:]), weight.dtype)
        for rows, columns in _blocks(dense.shape, groups):
            dense[rows, columns] = weight[rows]
        node.params = [dense, *node.params[1:]]
    node.definition.convolution_param.ClearField("group")
    if node.type in _DEPTHWISE:
        node.definition.type = "Convolution"
    joined = graph.net(net.report.folded)
    zeros = joined.param_count - net.param_count
    notes = [
        f"{layer}: {groups} groups became one; {zeros:,} of its weights are zeros between them"
    ]
    operation = call_text("join_groups", layer=layer)
    return joined, surgery_report(operation, net, joined, preserving=True, notes=notes)


def split_groups(net: Net, layer: str, groups: int) -> tuple[Net, SurgeryReport]:
    """Make a dense convolution one in groups, where all weights between the groups are zeros.

    Parameters
    ----------
    net : the network, with weights; it is not changed.
    layer : a Convolution or Deconvolution without groups.
    groups : how many; it has to divide the inputs and the outputs.

    Raises
    ------
    UsageError
        When `groups` does not divide inputs and outputs.
    NetError
        When there is no such layer, it has groups or no weights, it shares its params, or a weight
        between the groups is not zero: the largest is named.

    Examples
    --------
    >>> import zoo
    >>> split_groups(zoo.load("lenet_digits").net, "conv2", groups=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    zoo.errors.NetError: layer 'conv2': 1600 of 1600 weights between 2 groups are not zero, ...
    """
    graph, node = _convolution(net, layer)
    if groups_of(node) > 1:
        raise NetError(f"is in {groups_of(node)} groups already; join them first", layer)
    if not node.params:
        raise NetError("has no weights, which would have to be zero between the groups", layer)
    weight = node.params[0]
    outside, inputs = weight.copy(), weight.shape[:2]
    if groups < 2 or any(size % groups for size in inputs):
        raise UsageError(
            f"groups: expected 2 or more that divide {inputs[0]} and {inputs[1]}, the outputs and"
            f" inputs of {layer!r}; received {groups}"
        )
    kept = []
    for rows, columns in _blocks(weight.shape, groups):
        kept.append(weight[rows, columns])
        outside[rows, columns] = 0
    _check_zeros(layer, outside, weight.size - sum(block.size for block in kept), groups)
    node.params = [np.concatenate(kept), *node.params[1:]]
    node.definition.convolution_param.group = groups
    split = graph.net(net.report.folded)
    operation = call_text("split_groups", layer=layer, groups=groups)
    zeros = net.param_count - split.param_count
    notes = [f"{layer}: {zeros:,} zeros between its {groups} groups are gone"]
    return split, surgery_report(operation, net, split, preserving=True, notes=notes)


def _convolution(net: Net, name: str) -> tuple[Graph, Node]:
    graph = Graph(net, net.outputs)
    node = node_named(graph, name)
    if node.type not in _KINDS:
        raise NetError(f"is a {node.type}; only {', '.join(_KINDS)} have groups", name)
    if node.shares:
        raise NetError("shares its params with another layer; unshare it first", name)
    if not node.layer.param_shapes:
        raise NetError(
            "the shape of its bottom is not known, so neither is that of its weights", name
        )
    return graph, node


def groups_of(node: Node) -> int:
    """In how many groups a convolution is; 1 for any other layer."""
    param = node.definition.convolution_param
    if node.type in _DEPTHWISE and not param.HasField("group"):
        return int((node.bottoms[0].shape or (1, 1))[1])
    return int(param.group)


def _blocks(dense: tuple[int, ...], groups: int) -> list[tuple[slice, slice]]:
    """The rows and the columns of each group in a dense weight."""
    rows, columns = dense[0] // groups, dense[1] // groups
    return [
        (slice(group * rows, (group + 1) * rows), slice(group * columns, (group + 1) * columns))
        for group in range(groups)
    ]


def _check_zeros(layer: str, outside: np.ndarray, size: int, groups: int) -> None:
    """Refuse weights between the groups, which are all that is left in `outside`."""
    count = np.count_nonzero(outside)
    if not count:
        return
    place = np.unravel_index(np.argmax(np.abs(outside)), outside.shape)
    raise NetError(
        f"{count} of {size} weights between {groups} groups are not zero, the largest of them"
        f" {outside[place]:g} at {tuple(map(int, place))}; prune_weights makes zeros of small ones",
        layer,
    )
