"""Folding for inference: fewer layers that compute the same.

BatchNorm, Scale and Bias go into the weights of the layer before them, or of the one behind;
chains of them become one Scale; what passes its bottom on, as Dropout does in the TEST phase, and
what nothing depends on is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.net import Net
from zoo.report import named_layers
from zoo.surgery.affine import (
    Affine,
    affine_of,
    become_scale,
    output_axis,
    take_over_inputs,
    take_over_outputs,
)
from zoo.surgery.call_text import call_text
from zoo.surgery.graph import Graph, Node
from zoo.surgery.report import BlobFate, SurgeryReport, surgery_report

__all__ = ["FoldReport", "fold"]

_UNNEEDED = "nothing that is wanted depends on it"
_PASSES_ON = "passes its bottom on"


@dataclass
class FoldReport(SurgeryReport):
    """What became of the layers and of their blobs.

    Attributes
    ----------
    folded : the layers that are gone into others: layer name to the name of the one that now
        computes it too.
    left_out : the layers that are gone altogether, each with the reason.
    """

    folded: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Done:
    """What was done so far, as `FoldReport` has it."""

    folded: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """A sentence for each layer that took over others, and for each reason to drop some."""
        into: dict[str, list[str]] = {}
        for layer, other in self.folded.items():
            into.setdefault(other, []).append(layer)
        said = [f"{', '.join(layers)} into {other}." for other, layers in into.items()]
        why: dict[str, list[str]] = {}
        for layer, reason in self.left_out.items():
            why.setdefault(reason, []).append(layer)
        return said + [f"{named_layers(layers, {})}: {reason}." for reason, layers in why.items()]

    def report(self, operation: str, before: Net, after: Net, notes: list[str]) -> FoldReport:
        """The report; a bias that a layer did not have is what was folded into it."""
        plain = surgery_report(operation, before, after, preserving=True, notes=notes)
        taken_over = set(self.folded.values())

        def fate(blob: BlobFate) -> BlobFate:
            is_new = blob.fate == "initialised" and blob.layer in taken_over
            return replace(blob, fate="recomputed") if is_new else blob

        fields = {**vars(plain), "blobs": tuple(map(fate, plain.blobs))}
        return FoldReport(**fields, folded=self.folded, left_out=self.left_out)


def fold(net: Net, keep: Iterable[str] | None = None) -> tuple[Net, FoldReport]:
    """A net for inference that makes the wanted blobs of the same inputs, with fewer layers.

    Only for the TEST phase; a net of the TRAIN phase comes back as it is. Layers that share params
    stay, as do layers without values for their params. Values agree up to rounding.

    Parameters
    ----------
    net : the network; it is not changed.
    keep : names of the blobs whose last values must stay; the network's outputs by default. Inputs
        always stay.

    Returns
    -------
    The folded net, its report telling of it too, and what was done.

    Raises
    ------
    UsageError
        When a blob to keep does not exist, or none is given.

    Examples
    --------
    >>> import zoo
    >>> from zoo.caffe.read import parse_definition
    >>> net = zoo.Net(parse_definition('''
    ...     layer { name: "data" type: "Input" top: "data"
    ...             input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    ...     layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    ...             convolution_param { num_output: 4 kernel_size: 3 bias_term: false
    ...                                 weight_filler { type: "xavier" } } }
    ...     layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
    ...     layer { name: "scale" type: "Scale" bottom: "conv" top: "conv"
    ...             scale_param { bias_term: true } }
    ...     layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }''')).initialized()
    >>> folded, report = fold(net)
    >>> [layer.name for layer in folded.layers]
    ['data', 'conv']
    >>> print(report)
    fold()
      recomputed: conv[0] (4, 3, 3, 3)
      dropped: norm[0] (4,), norm[1] (4,), norm[2] (1,), scale[0] (4,), scale[1] (4,)
      removed: norm, scale, drop
      norm, scale into conv.
      drop: passes its bottom on.
    """
    kept = net.outputs if keep is None else list(keep)
    if keep is not None and not kept:
        raise UsageError("keep: expected the name of a blob, received none")
    operation = call_text("fold", keep=None if keep is None else kept)
    graph, done = Graph(net, kept), _Done()
    if net.phase != "TEST":
        why = "nothing is folded in the TRAIN phase, in which layers compute otherwise"
        return net, done.report(operation, net, net, [why])
    for node in graph.unneeded():
        graph.nodes.remove(node)
        done.left_out[node.name] = _UNNEEDED
    for node in list(graph.nodes):
        if _passes_on(node):
            _take_out(graph, node, done)
    _fold_into_makers(graph, done)
    _fold_into_readers(graph, done)
    remarks = done.sentences()
    folded = graph.net(remarks) if remarks else net
    return folded, done.report(operation, net, folded, remarks)


def _passes_on(node: Node) -> bool:
    """Whether all tops of a node have the values and the shape of its bottom, whatever its size."""
    layer: Any = node.definition
    if node.type in ("Dropout", "Split", "Sparsify"):
        return True
    if node.type in ("Concat", "Slice"):
        return len(node.bottoms) == len(node.tops) == 1
    if node.type == "Power":
        param = layer.power_param
        return (param.power, param.scale, param.shift) == (1, 1, 0)
    if node.type == "Tile":
        return bool(layer.tile_param.tiles == 1)
    return False


def _take_out(graph: Graph, node: Node, done: _Done) -> None:
    """Let the tops of a node be its bottom, where their names allow it."""
    for top in list(node.tops):
        bottom = node.bottoms[0]
        if bottom.blob == top.blob:
            gone, stays = bottom, top
        elif not graph.is_last(bottom):
            continue
        elif top not in graph.kept:
            gone, stays = top, bottom
        elif bottom not in graph.kept:
            gone, stays = bottom, top
        else:
            continue
        node.tops.remove(top)
        graph.merge(gone, into=stays)
    if not node.tops:
        graph.nodes.remove(node)
        done.left_out[node.name] = _PASSES_ON


def _fold_into_makers(graph: Graph, done: _Done) -> None:
    """Let makers of values do what the one node that reads them does to them."""
    takes_over: dict[Node, Affine] = {}
    for node in list(graph.nodes):
        affine = affine_of(node)
        if affine is None or node.shares or graph.only_reader(node.bottoms[0]) is not node:
            continue
        maker = graph.maker(node.bottoms[0])
        first = takes_over[maker] if maker in takes_over else _begin(maker)
        both = affine.behind(first) if first is not None else None
        if both is None or maker.shares:
            continue
        takes_over[maker] = both
        graph.nodes.remove(node)
        graph.merge(node.bottoms[0], into=node.tops[0])
        done.folded[node.name] = maker.name
    for maker, affine in takes_over.items():
        if output_axis(maker) is None:
            become_scale(maker, affine)
        else:
            take_over_outputs(maker, affine)


def _begin(maker: Node) -> Affine | None:
    """What a node that may take over others does to its output by itself."""
    axis = output_axis(maker)
    if axis is None:
        return affine_of(maker)
    return Affine(axis, np.ones(()), np.zeros(()))


def _fold_into_readers(graph: Graph, done: _Done) -> None:
    """Let the readers of values do what the node before them does, where that is exact."""
    for node in list(graph.nodes):
        affine = affine_of(node)
        reader = graph.only_reader(node.tops[0]) if affine is not None else None
        if affine is None or reader is None or node.shares or reader.shares:
            continue
        bottom, top = node.bottoms[0], node.tops[0]
        readable = bottom.blob == top.blob or graph.is_last(bottom)
        if readable and take_over_inputs(reader, affine):
            graph.nodes.remove(node)
            graph.merge(top, into=bottom)
            done.folded[node.name] = reader.name
