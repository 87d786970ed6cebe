"""Other names for layers and blobs. Nothing that is computed changes.

Caffe copies weights by the name of the layer, so a layer under a new name starts afresh when the
old weights are loaded into it.
"""

from __future__ import annotations

from zoo.errors import UsageError, did_you_mean
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import check_new_name, finished, node_named
from zoo.surgery.graph import Graph
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["rename_blob", "rename_layer"]


def rename_layer(net: Net, old: str, new: str, *, blobs: bool = False) -> tuple[Net, SurgeryReport]:
    """Give a layer another name; its weights go with it.

    Parameters
    ----------
    net : the network; it is not changed.
    old, new : its name, and the one that it gets.
    blobs : whether the blob that is called like the layer gets the new name too.

    Raises
    ------
    UsageError
        When there is no such layer, or the new name is taken.

    Examples
    --------
    >>> import zoo
    >>> net, report = rename_layer(zoo.load("lenet_digits").net, "ip2", "digits")
    >>> net.params["digits"][0].shape, net.blobs["ip2"]
    ((5, 64), (1, 5))
    """
    operation = call_text("rename_layer", old=old, new=new, blobs=blobs or None)
    graph = Graph(net, net.outputs)
    node = node_named(graph, old)
    check_new_name("layer", new, [each.name for each in graph.nodes])
    node.definition.name = new
    if blobs and old in net.blobs:
        _rename(graph, net, old, new)
    renamed = finished(graph, operation)
    return renamed, surgery_report(operation, net, renamed, renamed={old: new}, preserving=True)


def rename_blob(net: Net, old: str, new: str) -> tuple[Net, SurgeryReport]:
    """Give a blob another name, wherever it is written and read.

    Raises
    ------
    UsageError
        When there is no such blob, or the new name is taken.

    Examples
    --------
    >>> import zoo
    >>> net, _ = rename_blob(zoo.load("lenet_digits").net, "data", "digit")
    >>> net.inputs
    {'digit': (1, 1, 28, 28)}
    """
    operation = call_text("rename_blob", old=old, new=new)
    graph = Graph(net, net.outputs)
    _rename(graph, net, old, new)
    renamed = finished(graph, operation)
    return renamed, surgery_report(
        operation, net, renamed, preserving=True, notes=[f"the blob {old!r} is called {new!r} now"]
    )


def _rename(graph: Graph, net: Net, old: str, new: str) -> None:
    if old not in net.blobs:
        raise UsageError(f"no blob is named {old!r}.{did_you_mean(old, net.blobs)}")
    check_new_name("blob", new, net.blobs)
    for node in graph.nodes:
        for value in node.tops:
            if value.blob == old:
                value.blob = new
