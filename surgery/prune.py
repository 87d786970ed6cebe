"""Weights and filters that matter least, set to zero or taken out.

`prune_weights` makes zeros of the smallest weights (Han et al. 2015): the net keeps its shape, and
compresses better. `prune_filters` takes out whole filters with the smallest L1 norms (Li et al.
2017) and all that later layers have for their channels: the net becomes smaller and faster. Both
are mostly followed by some training.
"""

from __future__ import annotations

import math

import numpy as np

from zoo.connect import Layer
from zoo.errors import NetError, UsageError
from zoo.layers.kind import axis_of
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.channels import Narrowing, output_axis, settings_of
from zoo.surgery.finish import node_named
from zoo.surgery.graph import Graph, Node
from zoo.surgery.groups import groups_of
from zoo.surgery.layer_choice import chosen_layers
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["prune_filters", "prune_weights"]

_FILTERED = ("Convolution", "Deconvolution", "InnerProduct")
_WEIGHTED = (*_FILTERED, "DepthwiseConvolution", "ConvolutionDepthwise")


def prune_weights(
    net: Net,
    layers: str | list[str] = "*",
    *,
    share: float | None = None,
    threshold: float | None = None,
) -> tuple[Net, SurgeryReport]:
    """Set the smallest weights of layers to zero; biases stay.

    Parameters
    ----------
    net : the network, with weights; it is not changed.
    layers : names of convolutions and InnerProducts, with wildcards; all of them by default.
    share : which part of each layer's weights becomes zero, the smallest first.
    threshold : instead, make zeros of all weights nearer to zero than this.

    Raises
    ------
    UsageError
        When no layer is called so, neither or both of `share` and `threshold` are given, or they
        are out of range; NetError when a layer has no weights.

    Examples
    --------
    >>> import zoo
    >>> net, report = prune_weights(zoo.load("lenet_digits").net, "ip*", share=0.5)
    >>> print(report.notes[0])
    ip1: 8,192 of 16,384 weights are 0
    """
    _check_amount(share, threshold)
    chosen = chosen_layers(net, layers, _is_weighted, "layer with weights to prune")
    owners = dict.fromkeys(layer.owners[0] for layer in chosen)
    params, notes = {name: list(net.params.get(name, ())) for name, _ in owners}, []
    for name, index in owners:
        if not params[name]:
            raise NetError("has no weights to prune", name)
        weight = _without_smallest(params[name][index], share, threshold)
        params[name][index] = weight
        zeros = weight.size - np.count_nonzero(weight)
        notes.append(f"{name}: {zeros:,} of {weight.size:,} weights are 0")
    after = net.with_params(params)
    operation = call_text("prune_weights", layers=layers, share=share, threshold=threshold)
    report = surgery_report(operation, net, after, notes=notes)
    report.preserving = not report.of("recomputed")
    return after, report


def prune_filters(
    net: Net,
    layer: str | list[str],
    *,
    keep: int | None = None,
    share: float | None = None,
) -> tuple[Net, SurgeryReport]:
    """Take the filters with the smallest L1 norms out of a layer, and their channels out of others.

    The channels are followed through activations, BatchNorm, Scale, pooling, LRN, Concat, Eltwise,
    Flatten and depthwise convolutions into the convolutions and InnerProducts that read them.

    Parameters
    ----------
    net : the network, with weights; it is not changed.
    layer : a Convolution or Deconvolution without groups, or an InnerProduct. Several at once lose
        the same filters, those whose norms have the smallest sum: that is what an Eltwise needs
        which adds what they make.
    keep : how many filters stay.
    share : instead, which part of the filters goes.

    Raises
    ------
    UsageError
        When neither or both of `keep` and `share` are given, or no filter would stay.
    NetError
        When a layer does not exist, has no filters or no weights, or when a layer that reads the
        channels cannot do without some: it is named.

    Examples
    --------
    >>> import zoo
    >>> net, report = prune_filters(zoo.load("lenet_digits").net, "conv1", keep=6)
    >>> net.param_shapes["conv1"][0], net.param_shapes["conv2"][0]
    ((6, 1, 5, 5), (16, 6, 5, 5))
    """
    graph = Graph(net, net.outputs)
    names = [layer] if isinstance(layer, str) else list(layer)
    nodes = [node_named(graph, name) for name in names]
    outputs = {_outputs(node) for node in nodes}
    if len(outputs) != 1:
        raise UsageError(
            f"layer: expected layers with as many filters as each other, received"
            f" {', '.join(f'{node.name} ({_outputs(node)})' for node in nodes) or 'none'}"
        )
    count = outputs.pop()
    stay = _how_many(count, keep, share)
    norms = np.sum([_norms(node) for node in nodes], axis=0)
    kept = np.sort(np.argsort(norms, kind="stable")[count - stay :])
    narrowing = Narrowing(graph, dict.fromkeys(nodes, kept))
    after = graph.net(net.report.folded)
    gone = np.delete(np.arange(count), kept)
    part = norms[gone].sum() / (norms.sum() or 1)
    notes = [
        f"{', '.join(names)}: {stay} of {count} filters stay; {', '.join(map(str, gone)) or 'none'}"
        f" went, with {100 * part:.3g}% of the L1 norm",
        *narrowing.notes,
    ]
    operation = call_text("prune_filters", layer=layer, keep=keep, share=share)
    return after, surgery_report(operation, net, after, preserving=narrowing.exact, notes=notes)


def _is_weighted(layer: Layer) -> bool:
    return layer.type in _WEIGHTED and bool(layer.param_shapes)


def _check_amount(share: float | None, threshold: float | None) -> None:
    if (share is None) == (threshold is None):
        raise UsageError("prune_weights: expected a share or a threshold, and not both")
    if share is not None and not 0 <= share <= 1:
        raise UsageError(f"share: expected 0 to 1, received {share:g}")
    if threshold is not None and not 0 <= threshold < math.inf:
        raise UsageError(f"threshold: expected 0 or more, received {threshold:g}")


def _without_smallest(
    weight: np.ndarray, share: float | None, threshold: float | None
) -> np.ndarray:
    """A copy in which the smallest weights are zeros."""
    pruned = weight.copy()
    if share is None:
        pruned[np.abs(pruned) < (threshold or 0)] = 0
        return pruned
    number = _part(share, pruned.size)
    if number:
        smallest = np.argpartition(np.abs(pruned), number - 1, axis=None)[:number]
        pruned.ravel()[smallest] = 0
    return pruned


def _part(share: float, of: int) -> int:
    """How many a share is, rounded down; a share that was meant to be whole is."""
    return math.floor(share * of + 1e-6)


def _how_many(count: int, keep: int | None, share: float | None) -> int:
    if (keep is None) == (share is None):
        raise UsageError("prune_filters: expected how many to keep or a share, and not both")
    if share is not None and not 0 <= share < 1:
        raise UsageError(f"share: expected 0 or more and less than 1, received {share:g}")
    stay = count - _part(share or 0, count) if keep is None else keep
    if not 1 <= stay <= count:
        raise UsageError(f"keep: expected 1 to {count}, received {stay}")
    return stay


def _outputs(node: Node) -> int:
    """How many filters a layer has, if some of them may go."""
    if node.type not in _FILTERED:
        raise NetError(f"is a {node.type}; only {', '.join(_FILTERED)} have filters", node.name)
    if node.shares:
        raise NetError("shares its params with another layer; unshare it first", node.name)
    if not node.params:
        raise NetError("has no weights to choose filters by", node.name)
    if groups_of(node) > 1:
        raise NetError("is in groups; make it dense first with join_groups", node.name)
    param, rank = settings_of(node), len(node.bottoms[0].shape or ())
    if axis_of(node.definition, param.axis, rank) != 1:
        raise NetError("has its outputs on another axis than 1", node.name)
    return int(param.num_output)


def _norms(node: Node) -> np.ndarray:
    """The sum of the absolute weights of each filter."""
    filters = np.moveaxis(node.params[0], output_axis(node), 0)
    norms: np.ndarray = np.abs(filters.reshape(len(filters), -1)).sum(axis=1, dtype=np.float64)
    return norms
