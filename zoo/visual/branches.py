"""Where the ways that leave a box meet again."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["joins", "meeting", "readers_of"]


def readers_of(count: int, arrows: Sequence[tuple[int, int]]) -> list[list[int]]:
    """For each of `count` boxes the boxes that read it, each once, in order.

    >>> readers_of(3, [(0, 1), (0, 2), (0, 1)])
    [[1, 2], [], []]
    """
    readers: list[set[int]] = [set() for _ in range(count)]
    for tail, head in arrows:
        readers[tail].add(head)
    return [sorted(each) for each in readers]


def joins(readers: Sequence[Sequence[int]]) -> list[int]:
    """For each box the first one that all ways from it come through; their number if there is none.

    These are the immediate postdominators. Boxes are in the order in which they are computed.

    >>> joins([[1, 2], [3], [3], []])
    [3, 3, 3, 4]
    """
    end = len(readers)
    join, depth = [end] * (end + 1), [0] * (end + 1)
    for box in reversed(range(end)):
        meet = readers[box][0] if readers[box] else end
        for other in readers[box][1:]:
            while meet != other:
                if depth[meet] > depth[other]:
                    meet = join[meet]
                else:
                    other = join[other]
        join[box], depth[box] = meet, depth[meet] + 1
    return join[:end]


def meeting(ways: Sequence[int], join: Sequence[int]) -> int:
    """The first box that all ways from several boxes come through, one of them perhaps.

    Examples
    --------
    >>> readers = [[1, 2, 4], [3], [3], [], []]  # 4 is a head beside the trunk
    >>> joins(readers)[0], meeting([1, 2], joins(readers))
    (5, 3)
    """
    passed = []
    for way in ways:
        boxes = [way]
        while boxes[-1] < len(join):
            boxes.append(join[boxes[-1]])
        passed.append(boxes)
    return next(box for box in passed[0] if all(box in boxes for boxes in passed))
