"""Where boxes and arrows go when Graphviz is not there: rows from top to bottom.

Sugiyama's way, in short. Each box stands one row below the last box that it reads. Arrows across
several rows get a point in each. In every row boxes are ordered by the mean place of what they are
joined to, then moved there as far as their neighbours allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Layout", "Point", "laid_out"]

Point = tuple[float, float]

_BETWEEN_BOXES, _BETWEEN_ROWS = 18.0, 30.0
_SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """Centres of the boxes, and for each arrow the points it goes through.

    An arrow starts at the lower edge of a box and ends at the upper edge of another.
    """

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


@dataclass(eq=False)
class _Item:
    """A box, or the point of an arrow in a row that it crosses."""

    width: float
    row: int
    x: float = 0.0
    above: list[_Item] = field(default_factory=list)
    below: list[_Item] = field(default_factory=list)


def laid_out(sizes: Sequence[Point], arrows: Sequence[tuple[int, int]]) -> Layout:
    """Places for boxes of these (width, height), numbered in the order of computation.

    Examples
    --------
    >>> layout = laid_out([(100, 20), (60, 20)], [(0, 1)])
    >>> layout.centres, layout.routes
    ([(50.0, 10.0), (50.0, 60.0)], [[(50.0, 20.0), (50.0, 50.0)]])
    """
    boxes = [
        _Item(size[0], row) for size, row in zip(sizes, _rows(len(sizes), arrows), strict=True)
    ]
    ways = [_way(boxes[tail], boxes[head]) for tail, head in arrows]
    points = [point for way in ways for point in way[1:-1]]
    rows: list[list[_Item]] = [[] for _ in range(1 + max((box.row for box in boxes), default=-1))]
    heights = [0.0] * len(rows)
    for box, size in zip(boxes, sizes, strict=True):
        heights[box.row] = max(heights[box.row], size[1])
    for item in [*boxes, *points]:
        rows[item.row].append(item)
    _order(rows)
    _move(rows)
    left = min((item.x - item.width / 2 for row in rows for item in row), default=0.0)
    right = max((item.x + item.width / 2 for row in rows for item in row), default=0.0)
    tops = [sum(heights[:row]) + row * _BETWEEN_ROWS for row in range(len(rows))]
    centres = [(box.x - left, tops[box.row] + heights[box.row] / 2) for box in boxes]
    routes = []
    for (tail, head), way in zip(arrows, ways, strict=True):
        (start, above), (end, below) = centres[tail], centres[head]
        # Upright along the whole row, so that no box there is touched.
        crossed = [
            (point.x - left, tops[point.row] + part)
            for point in way[1:-1]
            for part in (0.0, heights[point.row])
        ]
        edges = (above + sizes[tail][1] / 2, below - sizes[head][1] / 2)
        routes.append([(start, edges[0]), *crossed, (end, edges[1])])
    height = sum(heights) + max(0, len(rows) - 1) * _BETWEEN_ROWS
    return Layout(centres, routes, right - left, height)


def _rows(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The row of each box: below all it reads; what reads nothing stands above its first reader."""
    rows = [0] * count
    for tail, head in sorted(arrows, key=lambda arrow: arrow[1]):
        rows[head] = max(rows[head], rows[tail] + 1)
    reading = {head for _, head in arrows}
    for box in set(range(count)) - reading:
        readers = [rows[head] for tail, head in arrows if tail == box]
        rows[box] = min(readers, default=1) - 1
    return rows


def _way(tail: _Item, head: _Item) -> list[_Item]:
    """From box to box, with a point in each row between, all joined to the next."""
    way = [tail, *(_Item(0.0, row) for row in range(tail.row + 1, head.row)), head]
    for upper, lower in zip(way, way[1:], strict=False):
        upper.below.append(lower)
        lower.above.append(upper)
    return way


def _order(rows: list[list[_Item]]) -> None:
    """Order each row by the mean place of what its items are joined to, so that few ways cross."""
    place = {item: float(index) for row in rows for index, item in enumerate(row)}
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else rows[::-1]:
            wanted = {}
            for item in row:
                mean = _mean([place[other] for other in (item.above if downwards else item.below)])
                wanted[item] = place[item] if mean is None else mean
            row.sort(key=wanted.__getitem__)
            place.update((item, float(index)) for index, item in enumerate(row))


def _move(rows: list[list[_Item]]) -> None:
    """Move items below and above what they are joined to, in the order that they have."""
    for row in rows:
        _put(row, [0.0] * len(row))
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else rows[::-1]:
            wanted = [
                _mean([other.x for other in (item.above if downwards else item.below)])
                for item in row
            ]
            _put(row, [item.x if x is None else x for item, x in zip(row, wanted, strict=True)])


def _put(row: list[_Item], wanted: Sequence[float]) -> None:
    """As near to the wanted places as the distances allow: the mean of pushing right and left."""
    right = list(wanted)
    for index in range(1, len(row)):
        right[index] = max(right[index], right[index - 1] + _apart(row[index - 1], row[index]))
    left = list(wanted)
    for index in reversed(range(len(row) - 1)):
        left[index] = min(left[index], left[index + 1] - _apart(row[index], row[index + 1]))
    for item, one, other in zip(row, left, right, strict=True):
        item.x = (one + other) / 2


def _apart(one: _Item, other: _Item) -> float:
    return (one.width + other.width) / 2 + _BETWEEN_BOXES


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
