"""Metadata between two lines `---`, as Caffe's model zoo wanted it; anywhere in the readme.

The second line may be missing: then the block ends where the text begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.registry.readme.keys import WEIGHTS_KEYS
from zoo.registry.readme.lines import Lines, is_fence
from zoo.registry.readme.listed import find_run

__all__ = ["Fenced", "fenced_blocks", "fenced_kind", "other_version"]

# A hostile readme must not take forever: lines of a block, and fences that are tried.
_LONGEST, _MOST_TRIES = 2_000, 1_000


@dataclass(frozen=True)
class Fenced:
    """A block from its fence to `last` (exclusive), which is at the second fence if `closed`."""

    opening: int
    last: int
    closed: bool
    keys: frozenset[str]

    @property
    def stop(self) -> int:
        """The line after the block."""
        return self.last + self.closed


def fenced_blocks(lines: Lines) -> list[Fenced]:
    """Every block with a known key."""
    found: list[Fenced] = []
    closings = [number for number in range(len(lines.texts)) if _may_close(lines, number)]
    stop = tries = 0
    for opening, text in enumerate(lines.texts):
        if not is_fence(text) or opening < stop:
            continue
        after = bisect_right(closings, opening)
        closing = closings[after] if after < len(closings) else len(lines.texts)
        block = _closed(lines, opening, closing) or _open_ended(lines, opening, closing)
        if block is not None:
            found.append(block)
            stop = block.last if _opens_another(lines, block, closings) else block.stop
        elif lines.before(opening) is None and _is_foreign(lines, opening, closing):
            stop = closing + 1
        tries += 1
        if tries == _MOST_TRIES:
            break
    return found


def fenced_kind(lines: Lines, block: Fenced) -> str:
    """Where the block stands."""
    above = [number for number in range(block.opening) if not lines.is_blank(number)]
    if not above:
        return "fenced"
    headings = all(lines.is_heading(n) or lines.is_underlined(n) for n in above)
    return "fenced, under a heading" if headings else "fenced, not at the top"


def other_version(lines: Lines, block: Fenced) -> tuple[int, int] | None:
    """The entries that a merge conflict offers for the end of a block, fence and text included."""
    marks = [lines.texts[n][0] for n in range(block.opening, block.last) if n in lines.markers]
    if marks.count("<") <= marks.count(">"):
        return None
    later = (n for n in sorted(lines.markers) if n >= block.last and lines.texts[n][0] == "=")
    middle = next(later, None)
    return None if middle is None else find_run(lines, middle + 1, len(lines.texts))


def _may_close(lines: Lines, number: int) -> bool:
    """Whether a line may end a block; it may also open the other version of a merge conflict."""
    text = lines.texts[number]
    if not is_fence(text):
        return text.rstrip() == "..."
    below = lines.starts[number + 1] if number + 1 < len(lines.texts) else None
    other = number - 1 in lines.markers and lines.texts[number - 1].startswith("=")
    return below is None or not other


def _closed(lines: Lines, opening: int, closing: int) -> Fenced | None:
    """The block between two fences, None if they are rules in the text."""
    inside = range(opening + 1, closing)
    if closing == len(lines.texts) or len(inside) > _LONGEST:
        return None
    underlines = lines.is_heading(opening) and lines.is_heading(closing)
    keys = _known_keys(lines, inside)
    tidy = keys and not underlines and _is_tidy(lines, inside)
    return Fenced(opening, closing, True, keys) if tidy else None


def _opens_another(lines: Lines, block: Fenced, closings: Sequence[int]) -> bool:
    """Whether the second fence is the first one of the next model's block too."""
    after = bisect_right(closings, block.last)
    below = block.last + 1
    if not block.closed or after == len(closings) or lines.starts[below] is None:
        return False
    another = _closed(lines, block.last, closings[after])
    return another is not None and {"name"} < another.keys and bool(WEIGHTS_KEYS & another.keys)


def _open_ended(lines: Lines, opening: int, stop: int) -> Fenced | None:
    """The block below a fence that none closes."""
    run = None if lines.is_heading(opening) else find_run(lines, opening + 1, stop)
    if run is None:
        return None
    return Fenced(opening, run[1], False, _known_keys(lines, range(*run)))


def _is_foreign(lines: Lines, opening: int, closing: int) -> bool:
    """Whether these are the fences of a page generator's front matter."""
    inside = range(opening + 1, closing)[:_LONGEST]
    entries = any(lines.starts[number] is not None for number in inside)
    return entries and not any(_is_stray(lines, number) for number in inside)


def _known_keys(lines: Lines, numbers: range) -> frozenset[str]:
    return frozenset(start.key for n in numbers if (start := lines.starts[n]) and start.known)


def _is_tidy(lines: Lines, inside: range) -> bool:
    """Whether most of the lines are entries, and text behind a blank line does not follow them."""
    strays = [number for number in inside if _is_stray(lines, number)]
    entries = [number for number in inside if lines.starts[number] is not None]
    known = [number for number in entries if (start := lines.starts[number]) and start.known]
    behind = next((number for number in strays if number > known[-1]), known[-1])
    apart = any(lines.is_blank(number) for number in range(known[-1], behind))
    return len(strays) <= len(entries) and not apart


def _is_stray(lines: Lines, number: int) -> bool:
    """Whether a line can be no part of metadata."""
    continued = lines.texts[number].startswith((" ", "\t", "#", "-", "]", "}"))
    known = continued or lines.starts[number] is not None or number in lines.markers
    return not known and not lines.is_blank(number)
