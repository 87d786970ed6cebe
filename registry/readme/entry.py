"""Entries: the `key: value` lines of a block of metadata, each read by itself.

Many readmes are not quite YAML, so one line that is not costs no other its value. What stands
between the entries and is none is left out and reported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import yaml

from zoo.errors import CardError
from zoo.registry.readme.keys import CAFFE_KEYS
from zoo.registry.readme.lines import CardWarning, Lines, Start
from zoo.registry.readme.values import LONGEST, read_value

__all__ = ["Entry", "linked_address", "read_entries"]

_CLOSING = {"[": "]", "{": "}", '"': '"', "'": "'"}
_MORE = ("- ", "-\n", "-\r", "]", "}")
# Far more metadata than any card has, and quick to read.
_LONGEST, _MOST = 100_000, 2_000


@dataclass(frozen=True)
class Entry:
    """One value with its place.

    `first` and `last` bound its lines, `span` is the columns of a value on one line, `start` how
    the line begins. `conflicted` is set between the marks of a merge conflict.
    """

    key: str
    value: Any
    raw: str
    first: int
    last: int
    span: tuple[int, int] | None
    start: Start
    conflicted: bool = False
    target: str | None = None


def read_entries(
    lines: Lines, first: int, last: int, path: str, report: list[CardWarning]
) -> list[Entry]:
    """The entries between two lines.

    Raises
    ------
    CardError
        when there are more than any card has, or the input section is no YAML.
    """
    if sum(map(len, lines.texts[first:last])) > _LONGEST or last - first > _MOST:
        raise CardError(
            f"{path}:{first + 1}: the metadata has more than {_LONGEST:,} characters or {_MOST:,}"
            " lines, which no card has.",
            first + 1,
        )
    conflict = [number for number in range(first, last) if number in lines.markers]
    entries: list[Entry] = []
    for start, number, stop in _bounds(lines, first, last, report):
        entry = _read_entry(lines, start, number, stop, path, report)
        if entries and start.lead != entries[0].start.lead:
            text = f"{start.key!r} does not begin in the column of the first key"
            report.append(CardWarning(number + 1, text))
        conflicted = bool(conflict) and conflict[0] < number < conflict[-1]
        entries.append(replace(entry, conflicted=conflicted))
    return entries


def linked_address(entries: list[Entry], report: list[CardWarning]) -> list[Entry]:
    """The same, with the address that the weights' name links to where no other is given."""
    given = {entry.key for entry in entries if entry.value is not None}
    linked = next((e for e in entries if e.key == "caffemodel" and e.target), None)
    if linked is None or "caffemodel_url" in given or linked.value == linked.target:
        return entries
    report.append(
        CardWarning(linked.first + 1, "'caffemodel' links to an address, taken as 'caffemodel_url'")
    )
    start = replace(linked.start, key="caffemodel_url")
    address = replace(linked, key="caffemodel_url", value=linked.target, span=None, start=start)
    return [*entries, address]


def _bounds(
    lines: Lines, first: int, last: int, report: list[CardWarning]
) -> list[tuple[Start, int, int]]:
    """How each entry begins, its first line, and the line after its last."""
    bounds: list[tuple[Start, int, int]] = []
    for number in range(first, last):
        text, start = lines.texts[number], lines.starts[number]
        if lines.is_blank(number) or number in lines.markers:
            continue
        if bounds and _continues(lines, number, *bounds[-1][:2]):
            bounds[-1] = (*bounds[-1][:2], number + 1)
        elif start is not None:
            bounds.append((start, number, number + 1))
        elif not text.lstrip("\ufeff").startswith("#"):
            report.append(
                CardWarning(
                    number + 1, f"is no 'key: value' and is left out: {text.strip()[:60]!r}"
                )
            )
    return bounds


def _continues(lines: Lines, number: int, above: Start, above_at: int) -> bool:
    """Whether a line belongs to the value of the entry above it."""
    text, start = lines.texts[number], lines.starts[number]
    blanks = len(text) - len(text.lstrip(" \t"))
    own = lines.texts[above_at][above.column :].strip()
    if start is not None and start.known and not _is_open(above.key, own):
        return False
    if blanks > above.indentation:
        return True
    plain = not above.lead.strip()
    return plain and blanks == above.indentation and text.lstrip().startswith(_MORE)


def _is_open(key: str, text: str) -> bool:
    """Whether a value that begins so may have keys of its own in the next lines."""
    if not text:
        return key not in CAFFE_KEYS
    return text[0] in "|>" or (text[0] in _CLOSING and not text.endswith(_CLOSING[text[0]]))


def _read_entry(
    lines: Lines, start: Start, first: int, last: int, path: str, report: list[CardWarning]
) -> Entry:
    text = lines.texts[first]
    more = lines.texts[first + 1 : last]
    if len(text) + sum(map(len, more)) > LONGEST:
        raise CardError(
            f"{path}:{first + 1}: the value of {start.key!r} has more than {LONGEST:,} characters.",
            first + 1,
        )
    try:
        read = read_value(start.key, text, start.column, more)
    except yaml.YAMLError as error:
        raise CardError(
            f"{path}:{first + 1}: the value of {start.key!r} is not YAML: {error}", first + 1
        ) from None
    found = [f"{start.key!r} {repair}" for repair in read.repairs]
    if start.spelled != start.key:
        found.insert(0, f"{start.spelled!r} is read as {start.key!r}")
    if text[start.column : start.column + 1].strip():
        found.append(f"{start.key!r} has no blank behind its colon")
    if read.value is None:
        found.append(f"{start.key!r} has no value and counts as missing")
    report.extend(CardWarning(first + 1, text) for text in found)
    return Entry(start.key, read.value, read.raw, first, last, read.span, start, target=read.target)
