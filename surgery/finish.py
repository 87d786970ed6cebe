"""From a changed graph to a Net, with an error that says what does not fit any more."""

from __future__ import annotations

from collections.abc import Iterable

from zoo.errors import NetError, UsageError, did_you_mean
from zoo.net import Net
from zoo.surgery.graph import Graph, Node

__all__ = ["changed_shapes", "check_new_name", "check_whole", "finished", "node_named"]

_LARGEST = 2**31 - 1  # of what Caffe's blobs count


def node_named(graph: Graph, name: str) -> Node:
    """The node of a layer.

    Raises
    ------
    NetError
        When no layer is called that; the nearest name is given.
    """
    for node in graph.nodes:
        if node.name == name:
            return node
    raise NetError(
        f"no layer is named {name!r}.{did_you_mean(str(name), [each.name for each in graph.nodes])}"
    )


def finished(graph: Graph, operation: str) -> Net:
    """The net of a graph.

    Raises
    ------
    NetError
        Where a layer does not fit any more: `layer` is the first of them, the message says why and
        what to do about it.
    """
    try:
        return graph.net([])
    except NetError as error:
        broken = next((node for node in graph.nodes if node.name == error.layer), None)
        failure = NetError(f"{operation} does not work: {error}{_remedy(broken)}")
        failure.layer = error.layer
        raise failure from error


def _remedy(broken: Node | None) -> str:
    if broken is None:
        return ""
    if broken.type == "InnerProduct" and broken.params:
        return (
            f". An InnerProduct reads a picture of one size only; make {broken.name!r} a"
            " Convolution first with fully_convolutional(net), or start it afresh"
        )
    if broken.params:
        return (
            f". The weights of {broken.name!r} were learned for the other shape; change it too, or"
            " start it afresh"
        )
    return ""


def changed_shapes(before: Net, after: Net) -> list[str]:
    """A sentence for each blob that has another shape now."""
    return [
        f"{name}: {before.blobs[name]} becomes {shape}"
        for name, shape in after.blobs.items()
        if name in before.blobs and before.blobs[name] != shape
    ]


def check_whole(what: str, number: object, least: int) -> None:
    """Raise UsageError unless it is a whole number that a definition can hold, `least` or more."""
    whole = isinstance(number, int) and not isinstance(number, bool)
    if not whole or not least <= number <= _LARGEST:  # type: ignore[operator]
        most = f" and at most {_LARGEST}" if whole and number > least else ""  # type: ignore[operator]
        raise UsageError(f"{what}: expected {least} or more{most}, received {number!r}")


def check_new_name(what: str, name: object, taken: Iterable[str]) -> None:
    """Raise UsageError unless a layer or blob may be called that."""
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"expected a name for the {what}, received {name!r}")
    if name in set(taken):
        raise UsageError(f"there is a {what} called {name!r} already; choose another name")
