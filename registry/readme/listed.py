"""Metadata without fences: `key: value` lines below a heading such as `##Information`, or bare.

Blank lines may stand between them, bullets or blanks before them. They end where the text begins.
"""

from __future__ import annotations

import re

from zoo.registry.readme.keys import CAFFE_KEYS, WEIGHTS_KEYS
from zoo.registry.readme.lines import Lines, is_fence

__all__ = ["find_run", "listed_kind", "listed_runs"]

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_-]*")


def listed_runs(lines: Lines) -> list[tuple[int, int]]:
    """The first and the last line (exclusive) of every run of entries that describes a model."""
    found: list[tuple[int, int]] = []
    number = 0
    while number < len(lines.texts):
        if lines.starts[number] is None:
            number += 1
            continue
        stop = _run_end(lines, number, len(lines.texts))
        run = _trimmed(lines, number, stop)
        if run is not None and _describes(lines, *run):
            found.append(run)
        number = stop
    return found


def find_run(lines: Lines, first: int, stop: int) -> tuple[int, int] | None:
    """The entries that begin at `first`, blank lines and comments before them aside."""
    while first < stop and lines.starts[first] is None and _may_precede(lines, first):
        first += 1
    if first == stop or lines.starts[first] is None:
        return None
    return _trimmed(lines, first, _run_end(lines, first, stop))


def listed_kind(lines: Lines, first: int) -> str:
    """What stands above the entries."""
    above = lines.before(first)
    if above is None:
        return "bare"
    top = next(number for number in range(len(lines.texts)) if not lines.is_blank(number))
    if is_fence(lines.texts[top]):
        closing = next((n for n in range(top + 1, first) if is_fence(lines.texts[n])), None)
        if closing == above:
            return "bare, after a foreign front matter"
    return "heading" if lines.is_heading(above) else "bare"


def _run_end(lines: Lines, first: int, stop: int) -> int:
    """The line after the last entry of a run, lines of text that interrupt it included."""
    end = first + 1
    for number in range(first + 1, stop):
        text = lines.texts[number]
        if lines.is_blank(number) or number in lines.markers:
            continue
        directly_below = number == end
        indented = text.startswith((" ", "\t"))
        if lines.starts[number] is not None or (directly_below and indented):
            end = number + 1
        elif not (directly_below and _goes_on(lines, number, stop)):
            break
    return end


def _may_precede(lines: Lines, number: int) -> bool:
    comment = lines.texts[number].startswith("#")
    return lines.is_blank(number) or number in lines.markers or comment


def _goes_on(lines: Lines, number: int, stop: int) -> bool:
    """Whether a known key follows directly on a line of text, which then only interrupts."""
    text, below = lines.texts[number], number + 1
    if lines.is_heading(number) or is_fence(text) or below >= stop:
        return False
    start = lines.starts[below]
    return start is not None and start.known


def _trimmed(lines: Lines, first: int, stop: int) -> tuple[int, int] | None:
    """Without what stands before and behind the known keys and looks like text (`Note: ...`)."""
    numbers = [n for n in range(first, stop) if lines.starts[n] is not None]
    if not any(start.known for n in numbers if (start := lines.starts[n])):
        return None

    def belongs(number: int) -> bool:
        start = lines.starts[number]
        return start is not None and (start.known or bool(_IDENTIFIER.fullmatch(start.key)))

    kept = [index for index, number in enumerate(numbers) if belongs(number)]
    last = kept[-1]
    end = numbers[last + 1] if last + 1 < len(numbers) else stop
    while lines.is_blank(end - 1) or end - 1 in lines.markers:
        end -= 1
    return numbers[kept[0]], end


def _describes(lines: Lines, first: int, stop: int) -> bool:
    """Whether enough is said to be sure that it is a model's metadata."""
    keys = {start.key for n in range(first, stop) if (start := lines.starts[n])} & CAFFE_KEYS
    if len(keys) < 2:
        return False
    above = lines.before(first)
    announced = above is None or "info" in lines.texts[above].casefold()[:40]
    return bool(keys & WEIGHTS_KEYS) or ("name" in keys and announced)
