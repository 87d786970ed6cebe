"""Names of blobs after the layers between them have changed.

In Caffe a layer may write a blob that is there already only if it reads it, in place, and after
that the old values are gone (net.cpp, AppendTop). A layer that was put in or taken out can break
that for others, which then need a blob of another name.
"""

from __future__ import annotations

from collections.abc import Container

from zoo.surgery.graph import Graph, Node, Value

__all__ = ["free_name", "settle_names"]


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or the first of name_2, name_3, ... that is free.

    >>> free_name("norm", {"norm", "norm_2"})
    'norm_3'
    """
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def settle_names(graph: Graph) -> list[str]:
    """Rename blobs until every layer reads what it should; says which outputs have a new name."""
    outputs = {value: value.blob for value in graph.kept}
    while (clash := _first_clash(graph)) is not None:
        _rename_from(graph, *clash)
    return [
        f"the blob {old!r} is called {value.blob!r} now"
        for value, old in outputs.items()
        if value.blob != old
    ]


def _first_clash(graph: Graph) -> tuple[Node, Value] | None:
    """The first value that takes a name away from another one that is needed, and its maker."""
    current: dict[str, tuple[Node, Value]] = {}
    for node in graph.nodes:
        for bottom in node.bottoms:
            found = current.get(bottom.blob)
            if found is not None and found[1] is not bottom:
                return found
        read = {bottom.blob for bottom in node.bottoms}
        for top in node.tops:
            if top.blob in current and top.blob not in read:
                return node, top
            current[top.blob] = (node, top)
    lost = (current[kept.blob] for kept in graph.kept if current[kept.blob][1] is not kept)
    return next(lost, None)


def _rename_from(graph: Graph, maker: Node, value: Value) -> None:
    """Give a value another name, and with it those that are made of it in place."""
    taken = {top.blob for node in graph.nodes for top in node.tops}
    old, new = value.blob, free_name(maker.name, taken)
    first = maker.bottoms[0] if maker.bottoms else None
    was_in_place = maker.layer.bottoms[:1] == maker.layer.tops[:1]
    if first is not None and was_in_place and first.blob != old and graph.only_reader(first):
        new = first.blob
    renamed = {value}
    value.blob = new
    for node in graph.nodes:
        if not renamed.isdisjoint(node.bottoms):
            for top in node.tops:
                if top.blob == old and top not in renamed:
                    top.blob = new
                    renamed.add(top)
