"""The layers of one net put behind those of another."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.errors import NetError, ShapeError, UsageError
from zoo.net import Net
from zoo.surgery.blob_names import settle_names
from zoo.surgery.donors import Donor
from zoo.surgery.finish import finished
from zoo.surgery.graph import Graph, Value

__all__ = ["check_apart", "join", "layer_names"]


def join(
    net: Net,
    other: Net,
    inputs: Mapping[str, str],
    prefix: str,
    operation: str,
    seed: int = 0,
) -> tuple[Net, dict[str, Donor], list[str]]:
    """Let another net read blobs of this one.

    Parameters
    ----------
    net, other : of one phase; neither is changed.
    inputs : inputs of `other`, each with the blob of `net` that it reads instead. Inputs that are
        not named stay inputs.
    prefix : put in front of the names of layers, blobs and shared params of `other`.
    operation : for messages.
    seed : what layers of `other` are filled with where it has no weights and `net` has.

    Returns
    -------
    Both in one, where the layers of `other` come from, and what had to be renamed.

    Raises
    ------
    NetError
        When the phases differ, a shape does not fit, or a name is taken.
    """
    if net.phase != other.phase:
        raise NetError(f"{operation}: one net is of the phase {net.phase}, one {other.phase}")
    graph, added = Graph(net, net.outputs), Graph(other, other.outputs)
    read = {name: graph.last(blob) for name, blob in inputs.items()}
    for name, value in read.items():
        _check_shape(operation, other, name, value)
    _drop_sources(added, read)
    _prefix(added, prefix)
    _check_names(operation, graph, added)
    donors = {node.name: (other, node.layer.name) for node in added.nodes}
    graph.nodes += added.nodes
    graph.kept |= added.kept
    notes = settle_names(graph)
    joined = finished(graph, operation)
    return joined.initialized(seed) if net.params else joined, donors, notes


def _check_shape(operation: str, other: Net, name: str, value: Value) -> None:
    wanted = other.inputs.get(name)
    if wanted is None:
        raise UsageError(f"{other.name!r} has no input {name!r}; it has {', '.join(other.inputs)}")
    if value.shape is None or value.shape[1:] != wanted[1:]:
        raise ShapeError(
            f"{operation} does not fit: the input {name!r} of {other.name!r} takes"
            f" {('N', *wanted[1:])}, the blob {value.blob!r} is {value.shape}"
        )


def _drop_sources(graph: Graph, read: Mapping[str, Value]) -> None:
    """Let what the sources made be other values."""
    for node in [node for node in graph.nodes if node.layer.is_source]:
        found = [top for top in node.tops if top.blob in read]
        if not found:
            continue
        if len(found) < len(node.tops):
            raise NetError(
                f"it makes {', '.join(top.blob for top in node.tops)} together, and only"
                f" {found[0].blob!r} is to be replaced; give a definition with Input layers",
                node.name,
            )
        graph.nodes.remove(node)
        graph.kept.difference_update(found)
        for top in found:
            graph.merge(top, into=read[top.blob])


def _prefix(graph: Graph, prefix: str) -> None:
    for node in graph.nodes:
        node.definition.name = prefix + node.name
        for value in node.tops:
            value.blob = prefix + value.blob
        for spec in node.definition.param:
            if spec.name:
                spec.name = prefix + spec.name


def _check_names(operation: str, graph: Graph, added: Graph) -> None:
    remedy = "; give a prefix for the names of the second"
    for what, names in (("layer", layer_names), ("shared param", _param_names)):
        check_apart(operation, what, names(graph), names(added), remedy)


def layer_names(graph: Graph) -> set[str]:
    """The names of all layers."""
    return {node.name for node in graph.nodes}


def _param_names(graph: Graph) -> set[str]:
    return {spec.name for node in graph.nodes for spec in node.definition.param if spec.name}


def check_apart(operation: str, what: str, one: set[str], other: set[str], remedy: str) -> None:
    """Raise NetError for a name that is in both."""
    for name in sorted(one & other):
        raise NetError(f"{operation}: both have a {what} called {name!r}{remedy}")
