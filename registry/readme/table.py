"""Metadata in a Markdown table: keys as columns with a model in each row, or a key in each row."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zoo.errors import CardError
from zoo.registry.readme.entry import Entry
from zoo.registry.readme.keys import CAFFE_KEYS, WEIGHTS_KEYS, canonical_key
from zoo.registry.readme.lines import CardWarning, Lines, Start
from zoo.registry.readme.values import read_text

__all__ = ["Table", "cells", "find_tables", "read_table"]

_PIPE = re.compile(r"(?<!\\)\|")
_MOST = 1_000


@dataclass(frozen=True)
class Table:
    """The lines of a table: its headings at `first`, below them the rule, then rows to `last`."""

    first: int
    last: int
    upright: bool
    """Whether each row has a key and its value."""


def find_tables(lines: Lines) -> list[Table]:
    """Every table that names weights."""
    found: list[Table] = []
    last = 0
    for number in range(1, len(lines.texts)):
        if number < last or not _is_rule(lines.texts[number]):
            continue
        last = number + 1
        while last < len(lines.texts) and "|" in lines.texts[last]:
            last += 1
        headings = {canonical_key(_plain(text)) for text, _ in cells(lines.texts[number - 1])}
        if len(headings & CAFFE_KEYS) > 1 and headings & WEIGHTS_KEYS:
            found.append(Table(number - 1, last, upright=False))
        elif _is_upright(lines, number - 1, last):
            found.append(Table(number - 1, last, upright=True))
    return found


def read_table(
    lines: Lines, table: Table, path: str, report: list[CardWarning]
) -> list[list[Entry]]:
    """The entries of each model.

    Raises
    ------
    CardError
        when the table is longer than any card's.
    """
    if table.last - table.first > _MOST:
        raise CardError(
            f"{path}:{table.first + 1}: a table of more than {_MOST:,} rows is no card's."
        )
    if table.upright:
        rows = (table.first, *range(table.first + 2, table.last))
        pairs = [(number, cells(lines.texts[number])) for number in rows]
        read = [_entry(row[0][0], number, *row[1], report) for number, row in pairs if len(row) > 1]
        titled = read[0].first == table.first and not read[0].start.known
        return [read[1:] if titled else read]
    headings = [text for text, _ in cells(lines.texts[table.first])]
    models = []
    for number in range(table.first + 2, table.last):
        row = zip(headings, cells(lines.texts[number]), strict=False)
        entries = [_entry(heading, number, *cell, report) for heading, cell in row]
        if any(entry.key in WEIGHTS_KEYS and entry.value for entry in entries):
            models.append(entries)
    return models


def cells(text: str) -> list[tuple[str, tuple[int, int]]]:
    """The cells of a row, blanks removed, with their columns; pipes at both ends may be missing."""
    line = text.rstrip()
    bounds = [-1, *(found.start() for found in _PIPE.finditer(line)), len(line)]
    parts = [(left + 1, right) for left, right in zip(bounds, bounds[1:], strict=False)]
    if not line[: parts[0][1]].strip():
        parts = parts[1:]
    if len(parts) > 1 and not line[parts[-1][0] :].strip():
        parts = parts[:-1]
    return [_stripped(line, *part) for part in parts]


def _stripped(line: str, left: int, right: int) -> tuple[str, tuple[int, int]]:
    text = line[left:right]
    if not text.strip():
        middle = left + min(1, len(text))
        return "", (middle, middle)
    start = left + len(text) - len(text.lstrip())
    return text.strip(), (start, start + len(text.strip()))


def _is_rule(text: str) -> bool:
    """Whether a line stands between headings and rows."""
    return "|" in text and "-" in text and not text.strip("|:- \t\r\n")


def _plain(heading: str) -> str:
    return heading.strip("*_` ")


def _is_upright(lines: Lines, first: int, last: int) -> bool:
    rows = [cells(lines.texts[number]) for number in (first, *range(first + 2, last))]
    if any(len(row) > 2 for row in rows[:_MOST]):
        return False
    keys = {canonical_key(_plain(row[0][0])) for row in rows if len(row) == 2}
    return len(keys & CAFFE_KEYS) > 1 and bool(keys & WEIGHTS_KEYS)


def _entry(
    heading: str, number: int, raw: str, span: tuple[int, int], report: list[CardWarning]
) -> Entry:
    key = canonical_key(_plain(heading))
    value, repairs, target = read_text(key, raw.replace("\\|", "|"))
    report.extend(CardWarning(number + 1, f"{key!r} {repair}") for repair in repairs)
    start = Start("", heading, key, span[0])
    return Entry(key, value, raw, number, number + 1, span, start, target=target)
