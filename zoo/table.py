"""A Net as a readable table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.layers.kind import Shape, count

if TYPE_CHECKING:
    from zoo.net import Net

__all__ = ["net_table", "shape_text"]


def shape_text(shape: Shape | None) -> str:
    """A shape as people write it.

    >>> shape_text((1, 3, 227, 227)), shape_text(()), shape_text(None)
    ('1x3x227x227', 'scalar', '?')
    """
    if shape is None:
        return "?"
    return "x".join(map(str, shape)) or "scalar"


def net_table(net: Net) -> str:
    """One row a layer: name, type, what it reads and makes, shape of the first top, params."""
    rows: list[Sequence[str]] = [("layer", "type", "bottoms", "tops", "shape", "params")]
    for layer in net.layers:
        tops = ", ".join("(in place)" if top in layer.bottoms else top for top in layer.tops)
        params = sum(count(shape) for shape in layer.param_shapes)
        rows.append(
            (
                layer.name,
                layer.type + (" (unknown)" if layer.kind is None else ""),
                ", ".join(layer.bottoms),
                tops,
                shape_text(layer.top_shapes[0] if layer.top_shapes else ()),
                f"{params:,}" if params else "",
            )
        )
    widths = [min(40, max(len(row[column]) for row in rows)) for column in range(5)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]])
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in (*widths, len("params"))))
    lines = [line.rstrip() for line in lines]
    lines.append(
        f"{net.name or 'unnamed'} ({net.phase}): {len(net.layers)} layers,"
        f" {net.param_count:,} params, {net.macs:,} multiply-accumulates a picture"
    )
    return "\n".join(lines)
