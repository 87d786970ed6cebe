"""How each variety of metadata is written: a value changed, added, removed in a list of lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from zoo.errors import CardError
from zoo.registry.readme.entry import Entry
from zoo.registry.readme.lines import is_fence, line_end
from zoo.registry.readme.models import Model
from zoo.registry.readme.table import Table, cells
from zoo.registry.readme.values import render

__all__ = ["KEY", "BlockLayout", "InlineLayout", "Layout", "TableLayout"]

KEY = re.compile(r"\w[\w.-]*")


class Layout(Protocol):
    """Writes into the lines of a readme, in place."""

    def add(self, lines: list[str], model: Model, key: str, value: Any) -> None:
        """Write a key that the model does not have."""

    def change(self, lines: list[str], entry: Entry, value: Any) -> None:
        """Write another value over that of an entry."""

    def remove(self, lines: list[str], entry: Entry) -> None:
        """Take an entry out."""


@dataclass(frozen=True)
class BlockLayout:
    """Entries on lines of their own: in `strict` YAML or as a person reads them.

    `one_line` is set where a blank line in a value might pass for the end of the metadata.
    """

    strict: bool
    one_line: bool

    def add(self, lines: list[str], model: Model, key: str, value: Any) -> None:
        """Write a key behind the last one, with the same lead and the same blank lines."""
        last = max(model.entries, key=lambda entry: entry.last)
        end = line_end(lines[last.first])
        new = self._rendered(key, value, last.start.lead, end)
        if _is_spaced(model.entries):
            new.insert(0, end)
        if not lines[last.last - 1].endswith(("\n", "\r")):
            lines[last.last - 1] += end
            new[-1] = new[-1].removesuffix(end)
        lines[last.last : last.last] = new

    def change(self, lines: list[str], entry: Entry, value: Any) -> None:
        """Write a value into its columns; a comment behind it stays."""
        end = line_end(lines[entry.first])
        new = self._rendered(entry.key, value, entry.start.lead, end)
        if entry.span is not None and len(new) == 1:
            text = new[0].removeprefix(f"{entry.start.lead}{entry.key}:").strip()
            _replace(lines, entry, text)
            return
        if not lines[entry.last - 1].endswith(("\n", "\r")):
            new[-1] = new[-1].removesuffix(end)
        lines[entry.first : entry.last] = new

    def remove(self, lines: list[str], entry: Entry) -> None:
        """Take the lines of an entry out."""
        del lines[entry.first : entry.last]

    def _rendered(self, key: str, value: Any, lead: str, end: str) -> list[str]:
        below = " " * len(lead)
        text = render(key, value, plain=not self.strict, one_line=self.one_line)
        if any(is_fence(below + line) for line in text.split("\n")[1:]):
            text = render(key, value, plain=not self.strict, one_line=True)
        return [
            (lead if number == 0 else below) + line + end
            for number, line in enumerate(text.split("\n"))
        ]


@dataclass(frozen=True)
class TableLayout:
    """Cells of tables; a new key gets a row of its own in an upright one, else a column."""

    tables: tuple[Table, ...]

    def add(self, lines: list[str], model: Model, key: str, value: Any) -> None:
        """Write a key behind the last one."""
        row = model.entries[-1].first
        table = next(table for table in self.tables if table.first <= row < table.last)
        if table.upright:
            _insert_below(lines, row, f"{key} | {_cell(value)}")
            return
        columns = len(cells(lines[table.first]))
        _extend(lines, table.first, columns, key)
        _extend(lines, table.first + 1, columns, "---")
        _extend(lines, row, columns, _cell(value))

    def change(self, lines: list[str], entry: Entry, value: Any) -> None:
        """Write over a cell."""
        _replace(lines, entry, _cell(value))

    def remove(self, lines: list[str], entry: Entry) -> None:
        """Empty a cell."""
        _replace(lines, entry, "")


@dataclass(frozen=True)
class InlineLayout:
    """Values inside sentences."""

    path: str

    def add(self, lines: list[str], model: Model, key: str, value: Any) -> None:
        """Refuse: a sentence has no place for it."""
        raise CardError(
            f"{self.path}:{model.entries[0].first + 1}: {key!r} cannot be added to a sentence. Put"
            " the metadata between two lines '---' at the top of the readme first."
        )

    def change(self, lines: list[str], entry: Entry, value: Any) -> None:
        """Write over the value in the sentence."""
        _replace(lines, entry, str(value))

    def remove(self, lines: list[str], entry: Entry) -> None:
        """Take the value out of the sentence."""
        _replace(lines, entry, "")


def _replace(lines: list[str], entry: Entry, text: str) -> None:
    if entry.span is None:
        raise CardError(
            f"line {entry.first + 1}: {entry.key!r} shares its place with another value; write"
            " it on a line of its own first."
        )
    line, (start, end) = lines[entry.first], entry.span
    gap = " " if text and line[:start].endswith(":") else ""
    lines[entry.first] = line[:start] + gap + text + line[end:]


def _is_spaced(entries: Sequence[Entry]) -> bool:
    """Whether a blank line stands between all neighbours."""
    pairs = zip(entries, entries[1:], strict=False)
    return len(entries) > 1 and all(above.last < below.first for above, below in pairs)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else render("x", value, plain=True, one_line=True)[3:]
    if "\n" in text or "\r" in text:
        raise CardError("a cell of a table has no room for several lines")
    return text.replace("|", "\\|")


def _insert_below(lines: list[str], number: int, text: str) -> None:
    """Write a row of two cells below another, with pipes at its ends as that one has."""
    above, end = lines[number], line_end(lines[number])
    row = above.rstrip()
    opened = "| " if row.lstrip().startswith("|") else ""
    closed = " |" if row.endswith("|") else ""
    lines[number] = above.rstrip("\r\n") + end
    ended = above.endswith(("\n", "\r"))
    lines.insert(number + 1, f"{opened}{text}{closed}{end if ended else ''}")


def _extend(lines: list[str], number: int, columns: int, text: str) -> None:
    """Write a cell behind `columns` others, missing ones between left empty."""
    line = lines[number]
    row = line.rstrip()
    closed = row.endswith("|") and not row.endswith("\\|")
    missing = max(0, columns - len(cells(line)))
    body = row if closed else row + " |"
    lines[number] = body + " |" * missing + f" {text}" + (" |" if closed else "") + line[len(row) :]
