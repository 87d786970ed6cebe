"""Which boxes of a drawing belong together: by their names, or because ways part and meet there.

Names come first: `inception_3a/1x1` and `inception_3a/3x3`, `fire2/squeeze1x1`, `res2a_branch1`
and `res2a`. Between boxes whose names say nothing, those from where a blob is read several times
to where the ways meet are a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from zoo.visual.branches import joins, readers_of

__all__ = ["Block", "blocks_of"]


@dataclass(frozen=True)
class Block:
    """Boxes by their numbers; no box is in two."""

    name: str
    members: tuple[int, ...]


def blocks_of(names: Sequence[str], arrows: Sequence[tuple[int, int]]) -> tuple[Block, ...]:
    """The blocks of boxes with these names, in order.

    Examples
    --------
    >>> blocks_of(["data", "fire2/a", "fire2/b", "pool"], [(0, 1), (1, 2), (2, 3)])
    (Block(name='fire2', members=(1, 2)),)
    >>> blocks_of(["data", "a", "b", "sum"], [(0, 1), (0, 2), (1, 3), (2, 3)])
    (Block(name='a to sum', members=(1, 2, 3)),)
    """
    blocks = _by_name(names)
    taken = {member for block in blocks for member in block.members}
    readers = readers_of(len(names), arrows)
    between = [
        _between(readers, fork, join)
        for fork, join in enumerate(joins(readers))
        if join < len(names) and len(readers[fork]) > 1
    ]
    # The innermost first: a block of blocks would be most of the network.
    for members in sorted(between, key=len):
        if taken.isdisjoint(members):
            taken.update(members)
            blocks.append(Block(f"{names[members[0]]} to {names[members[-1]]}", tuple(members)))
    return tuple(sorted(blocks, key=lambda block: block.members))


def _by_name(names: Sequence[str]) -> list[Block]:
    """Neighbours whose names start with the same word."""
    blocks = []
    for word, group in groupby(enumerate(names), lambda each: _first_word(each[1])):
        members = tuple(number for number, _ in group)
        if word and len(members) > 1:
            blocks.append(Block(word, members))
    return blocks


def _first_word(name: str) -> str:
    return name.partition("/")[0] if "/" in name else name.partition("_")[0]


def _between(readers: Sequence[Sequence[int]], fork: int, join: int) -> list[int]:
    """The boxes on the ways from one to another, with the other."""
    found, waiting = {join}, list(readers[fork])
    while waiting:
        box = waiting.pop()
        if box not in found:
            found.add(box)
            waiting += readers[box]
    return sorted(found)
