"""Drawings without Graphviz: an SVG of our own, and the page that shows an SVG from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from zoo.visual.layout import Layout, Point, laid_out
from zoo.visual.palette import BORDER, CHANGED, fill_of
from zoo.visual.scheme import Box, Scheme, clean

__all__ = ["html_page", "svg_text"]

# Of a monospaced font of 11 pixels; such fonts are 0.6 as wide as high.
_FONT = 'font-family="Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="11"'
_LETTER, _LINE, _MARGIN = 6.7, 14.0, 8.0
_EDGE = 20.0


def svg_text(scheme: Scheme) -> str:
    """The drawing as SVG that needs no other file.

    Examples
    --------
    >>> from zoo import Net
    >>> from zoo.visual.scheme import scheme_of
    >>> svg_text(scheme_of(Net.read("examples/lenet_digits.prototxt"))).count("<rect")
    8
    """
    sizes = [_size(box.lines()) for box in scheme.boxes]
    layout = laid_out(sizes, [(arrow.tail, arrow.head) for arrow in scheme.arrows])
    title = _size(scheme.title)
    width = max(layout.width, title[0]) + 2 * _EDGE
    across, down = (width - layout.width) / 2, _EDGE + title[1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" style="background:#fff" width="{width:.0f}"'
        f' height="{layout.height + down + _EDGE:.0f}" {_FONT}>',
        '<defs><marker id="tip" markerWidth="7" markerHeight="6" refX="6" refY="3" orient="auto">'
        f'<path d="M0,0 L7,3 L0,6 z" fill="{BORDER}"/></marker></defs>',
        _lines(scheme.title, (width / 2, _EDGE / 2 + title[1] / 2)),
        f'<g transform="translate({across:.1f},{down:.1f})">',
        *_blocks(scheme, layout, sizes),
        *(_arrow(route) for route in layout.routes),
        *(
            _box(box, centre, size)
            for box, centre, size in zip(scheme.boxes, layout.centres, sizes, strict=True)
        ),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def html_page(scheme: Scheme, svg: str, tree: str) -> str:
    """A page with a drawing, and the same as text, that needs no other file."""
    name = escape(scheme.title[0])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        "<style>body { font-family: sans-serif; } figure { margin: 0; overflow: auto; }</style>"
        f"</head>\n<body>\n<figure>\n{svg}</figure>\n"
        f"<details><summary>As text</summary><pre>{escape(tree)}</pre></details>\n</body></html>\n"
    )


def _size(lines: Sequence[str]) -> Point:
    """Width and height of a box around lines of text."""
    longest = max((len(line) for line in lines), default=0)
    return longest * _LETTER + 2 * _MARGIN, len(lines) * _LINE + _MARGIN


def _box(box: Box, centre: Point, size: Point) -> str:
    border = f'stroke="{CHANGED}" stroke-width="3"' if box.change else f'stroke="{BORDER}"'
    dashes = ' stroke-dasharray="5,3"' if box.unknown else ""
    told = escape(clean(", ".join(box.layers)))
    return (
        f'<g><title>{told}</title><rect {_corner(centre, size)} rx="4" fill="{fill_of(box)}"'
        f" {border}{dashes}/>{_lines(box.lines(), centre)}</g>"
    )


def _lines(lines: Sequence[str], centre: Point) -> str:
    """Lines of text around a place."""
    top = centre[1] - (len(lines) - 1) * _LINE / 2 + 4
    return "".join(
        f'<text x="{centre[0]:.1f}" y="{top + index * _LINE:.1f}" text-anchor="middle">'
        f"{escape(line)}</text>"
        for index, line in enumerate(lines)
    )


def _arrow(route: Sequence[Point]) -> str:
    """A smooth line, upright at each of its points."""
    start = route[0]
    path = [f"M{start[0]:.1f},{start[1]:.1f}"]
    for (x, y), (to_x, to_y) in zip(route, route[1:], strict=False):
        middle = (y + to_y) / 2
        path.append(f"C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y:.1f}")
    return f'<path d="{" ".join(path)}" fill="none" stroke="{BORDER}" marker-end="url(#tip)"/>'


def _blocks(scheme: Scheme, layout: Layout, sizes: Sequence[Point]) -> list[str]:
    """A frame around each block in whose way no other box stands."""
    frames = []
    for block in scheme.blocks:
        edges = [_edges(layout.centres[member], sizes[member]) for member in block.members]
        left, top = min(edge[0] for edge in edges) - 6, min(edge[1] for edge in edges) - 14
        right, bottom = max(edge[2] for edge in edges) + 6, max(edge[3] for edge in edges) + 4
        others = [
            centre for number, centre in enumerate(layout.centres) if number not in block.members
        ]
        if any(left < x < right and top < y < bottom for x, y in others):
            continue
        frames.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            f' height="{bottom - top:.1f}" rx="6" fill="#fafafa" stroke="#b0b0b0"/>'
            f'<text x="{left + 4:.1f}" y="{top + 11:.1f}" fill="#606060" font-size="9">'
            f"{escape(clean(block.name))}</text>"
        )
    return frames


def _edges(centre: Point, size: Point) -> tuple[float, float, float, float]:
    (x, y), (width, height) = centre, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _corner(centre: Point, size: Point) -> str:
    left, top, _, _ = _edges(centre, size)
    return f'x="{left:.1f}" y="{top:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
