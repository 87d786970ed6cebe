"""One net twice with shared weights, one trunk with several heads, two nets side by side.

Siamese towers share by `param { name }`, as Caffe's examples/siamese does: the second tower has the
suffix `_p`, and a weight is called after its layer, `conv1_w` and `conv1_b`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.surgery.blob_names import free_name
from zoo.surgery.call_text import call_text
from zoo.surgery.donors import Donor, report_with_donors
from zoo.surgery.finish import finished
from zoo.surgery.graph import Graph
from zoo.surgery.joining import check_apart, join, layer_names
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["heads", "merge", "siamese"]

_SUFFIX = "_p"
# Caffe's upgrade_proto.cpp takes all that is written of BatchNorm's three params away.
_APART = "BatchNorm"


def siamese(net: Net, inputs: list[str] | None = None) -> tuple[Net, SurgeryReport]:
    """Two towers with the same weights.

    Parameters
    ----------
    net : a network with one input; cut off first what the towers shall not have.
    inputs : the names of the two inputs; by default the one of the net, and that with "_p" behind.

    Returns
    -------
    The net with both towers, layers and blobs of the second with "_p" behind their names, and the
    report. Each learned blob has a name and is shared; BatchNorm has statistics for each tower,
    since Caffe cannot share them.

    Raises
    ------
    NetError
        When the net has several inputs, or a name is taken.

    Examples
    --------
    >>> import zoo
    >>> towers, report = siamese(zoo.load("lenet_digits").net, ["left", "right"])
    >>> towers.inputs, towers.layer("conv1_p").owners[0]
    ({'left': (1, 1, 28, 28), 'right': (1, 1, 28, 28)}, ('conv1', 0))
    """
    operation = call_text("siamese", inputs=inputs)
    entry = _only_input(net, operation)
    first, second = _two_names([entry, entry + _SUFFIX] if inputs is None else inputs)
    names = _shared_names(net)
    graph = Graph(net, net.outputs)
    _name_tower(graph, {entry: first}, "", names)
    tower = Graph(net, net.outputs)
    _name_tower(tower, {entry: second}, _SUFFIX, names)
    for what, named in (("layer", layer_names), ("blob", _blob_names)):
        check_apart(operation, what, named(graph), named(tower), "; choose other inputs")
    graph.nodes += tower.nodes
    towers = finished(graph, operation)
    twins = {new.name: old.name for new, old in zip(tower.nodes, net.layers, strict=True)}
    apart = [layer.name for layer in net.layers if layer.type == _APART]
    return towers, surgery_report(
        operation,
        net,
        towers,
        origins=twins,
        preserving=first == entry,
        notes=[f"{name}: each tower has its own statistics" for name in apart],
    )


def heads(
    net: Net,
    at: str,
    heads: list[Net | str] | dict[str, Net | str],
    seed: int = 0,
) -> tuple[Net, SurgeryReport]:
    """Several heads on one trunk, beside what the net has there already.

    Parameters
    ----------
    net : the trunk. If it goes on behind `at`, that stays as one more head; `cut` it first if not.
    at : the blob that the heads read.
    heads : nets with one input each, or prototxt files of such; in a mapping each with a prefix
        for the names of its layers and blobs.
    seed : what heads without weights are filled with.

    Raises
    ------
    ShapeError
        When a head takes another shape; NetError when it has several inputs, or a name is taken.
    """
    operation = call_text("heads", at=at, heads=_told(heads))
    named = heads.items() if isinstance(heads, Mapping) else [("", head) for head in heads]
    if not named:
        raise UsageError("expected one or more heads, received none")
    joined, donors, notes = net, dict[str, Donor](), list[str]()
    for prefix, given in named:
        head = given if isinstance(given, Net) else Net.read(given, phase=net.phase)
        entry = _only_input(head, operation)
        joined, added, said = join(joined, head, {entry: at}, prefix, operation, seed)
        donors |= added
        notes += said
    return joined, report_with_donors(operation, net, joined, donors, notes)


def merge(net: Net, other: Net, prefix: str = "") -> tuple[Net, SurgeryReport]:
    """Two nets side by side in one; inputs of the same name and shape are one.

    Parameters
    ----------
    net, other : of one phase.
    prefix : put in front of the names of layers, blobs and further inputs of `other`.

    Raises
    ------
    NetError
        When a name is taken, or the phases differ.
    """
    operation = call_text("merge", other=other.name, prefix=prefix or None)
    same = {name: name for name, shape in other.inputs.items() if net.inputs.get(name) == shape}
    merged, donors, notes = join(net, other, same, prefix, operation)
    return merged, report_with_donors(operation, net, merged, donors, notes)


def _told(heads: Sequence[Net | str] | Mapping[str, Net | str]) -> list[str]:
    listed = heads.values() if isinstance(heads, Mapping) else heads
    return [head.name if isinstance(head, Net) else Path(head).name for head in listed]


def _only_input(net: Net, operation: str) -> str:
    if len(net.inputs) != 1:
        raise NetError(
            f"{operation}: expected a net with one input, {net.name!r} has"
            f" {', '.join(net.inputs) or 'none'}; give its deploy definition, or the part of it"
            " that cut or cut_off give"
        )
    return next(iter(net.inputs))


def _two_names(inputs: Sequence[str]) -> tuple[str, str]:
    if len(inputs) != 2 or len(set(inputs)) != 2:
        raise UsageError(f"inputs: expected the names of two, received {list(inputs)}")
    return inputs[0], inputs[1]


def _shared_names(net: Net) -> dict[str, list[str]]:
    """A name for each learned blob, where it has none yet after its layer."""
    taken = {spec.name for layer in net.layers for spec in layer.definition.param if spec.name}
    names: dict[str, list[str]] = {}
    for layer in net.layers:
        names[layer.name] = []
        specs = layer.definition.param
        learned = () if layer.type == _APART else layer.param_shapes
        for index in range(len(learned)):
            own = specs[index].name if index < len(specs) else ""
            ending = "wb"[index] if index < 2 else str(index)
            names[layer.name].append(own or free_name(f"{layer.name}_{ending}", taken))
    return names


def _name_tower(
    graph: Graph, inputs: Mapping[str, str], suffix: str, names: Mapping[str, Sequence[str]]
) -> None:
    for node in graph.nodes:
        for index, name in enumerate(names[node.name]):
            if index == len(node.definition.param):
                node.definition.param.add()
            node.definition.param[index].name = name
        entry = inputs.get(node.tops[0].blob) if node.layer.is_source else None
        node.definition.name = entry or node.name + suffix
    for value in {top for node in graph.nodes for top in node.tops}:
        value.blob = inputs.get(value.blob, value.blob + suffix)


def _blob_names(graph: Graph) -> set[str]:
    return {top.blob for node in graph.nodes for top in node.tops}
