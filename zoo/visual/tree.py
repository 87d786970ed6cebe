"""A net as text: a line for each box, branches indented, what joins them said beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zoo.visual.branches import joins, meeting, readers_of
from zoo.visual.scheme import Box, Scheme, clean

__all__ = ["tree_text"]

_LONGEST_NAME = 60


def tree_text(scheme: Scheme) -> str:
    """One line a box: name, type, shape, params, what it reads if that is not the line above.

    Branches are indented up to the box where they meet. Where they never do, as with heads beside
    the trunk, the shorter ones are.

    Examples
    --------
    >>> from zoo import Net
    >>> from zoo.visual.scheme import scheme_of
    >>> print(tree_text(scheme_of(Net.read("examples/lenet_digits.prototxt"))))
    LeNetDigits (TEST): 9 layers, 20,197 params
    data   Input                      1x1x28x28
    conv1  Convolution 5x5            1x8x24x24  208 params
    pool1  Pooling MAX 2x2, stride 2  1x8x12x12
    conv2  Convolution 5x5            1x16x8x8   3,216 params
    pool2  Pooling MAX 2x2, stride 2  1x16x4x4
    ip1    InnerProduct + ReLU        1x64       16,448 params
    ip2    InnerProduct               1x5        325 params
    prob   Softmax                    1x5
    """
    before: list[list[int]] = [[] for _ in scheme.boxes]
    for arrow in scheme.arrows:
        if arrow.tail not in before[arrow.head]:
            before[arrow.head].append(arrow.tail)
    rows = []
    for number, lead, followed in _walk(scheme, before):
        box = scheme.boxes[number]
        read = [clean(scheme.boxes[each].name) for each in before[number]]
        told = before[number] not in ([], [followed])
        rows.append((lead + clean(box.name), *_cells(box), f"from {', '.join(read)}" * told))
    return "\n".join([*scheme.title, *_aligned(rows)])


def _cells(box: Box) -> tuple[str, str, str]:
    params = f"{box.params:,} params" if box.params else ""
    words = [params, "frozen" * box.frozen, f"lr_mult {box.rate:g}" if box.faster else ""]
    words += ["unknown" * box.unknown, f"* {clean(box.change)}" if box.change else ""]
    return clean(box.kind), ", ".join(box.shapes), ", ".join(filter(None, words))


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    columns = range(len(rows[0]) - 1) if rows else ()
    widths = [min(_LONGEST_NAME, max(len(row[column]) for row in rows)) for column in columns]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _walk(scheme: Scheme, before: Sequence[Sequence[int]]) -> Iterator[tuple[int, str, int | None]]:
    """Every box once, in an order that can be followed.

    With what stands in front of its name, and with the box that it visibly follows.
    """
    readers = readers_of(len(scheme.boxes), [(each.tail, each.head) for each in scheme.arrows])
    join, beyond = joins(readers), _beyond(readers)
    sources = [number for number, bottoms in enumerate(before) if not bottoms]
    told: set[int] = set()
    walked: set[int] = set()
    # What is still to be told: from which box on, how deep, before which box it ends, behind which.
    waiting: list[tuple[int, int, int, int | None]]
    waiting = [(source, 0, len(readers), None) for source in reversed(sources)]
    while waiting:
        box, depth, stop, followed = waiting.pop()
        lead = "|  " * (depth - 1) + "+- " * (depth > 0)
        while box not in (stop, len(readers)) and box not in walked:
            walked.add(box)
            # Labels and the like stand where they are read.
            for each in [*(bottom for bottom in before[box] if not before[bottom]), box]:
                if each not in told:
                    told.add(each)
                    yield each, lead, followed
                    lead, followed = "|  " * depth, each
            ways = _first_of(readers[box], join[box], beyond)
            if len(ways) < 2:
                box = ways[0] if ways else join[box]
                continue
            on = join[box] if join[box] < len(readers) else _trunk(ways, join, beyond)
            waiting.append((on, depth, stop, None))
            waiting += [(way, depth + 1, on, box) for way in reversed(ways) if way != on]
            break


def _beyond(readers: Sequence[Sequence[int]]) -> list[int]:
    """For each box the set of all that depend on it, as the bits of a number."""
    beyond = [0] * len(readers)
    for box in reversed(range(len(readers))):
        for reader in readers[box]:
            beyond[box] |= beyond[reader] | 1 << reader
    return beyond


def _first_of(readers: Sequence[int], join: int, beyond: Sequence[int]) -> list[int]:
    """The readers that are told first: not where all ways meet, nor what another leads to."""
    ways = [reader for reader in readers if reader != join]
    return [way for way in ways if not any(beyond[other] >> way & 1 for other in ways)]


def _trunk(ways: Sequence[int], join: Sequence[int], beyond: Sequence[int]) -> int:
    """Where to go on behind ways that do not all meet: where those of the largest part do."""

    def part(way: int) -> list[int]:
        return [other for other in ways if beyond[other] & beyond[way] or other == way]

    longest = max(ways, key=lambda way: beyond[way].bit_count())
    on = meeting(part(longest), join)
    return on if on < len(join) else longest
