"""Finding the metadata of a readme: every variety is tried, the most explicit first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from zoo.errors import CardError
from zoo.registry.readme.document import Document
from zoo.registry.readme.entry import Entry, linked_address, read_entries
from zoo.registry.readme.fenced import Fenced, fenced_blocks, fenced_kind, other_version
from zoo.registry.readme.inline import find_inline
from zoo.registry.readme.keys import WEIGHTS_KEYS
from zoo.registry.readme.layout import BlockLayout, InlineLayout, Layout, TableLayout
from zoo.registry.readme.lines import CardWarning, Lines, cut_lines
from zoo.registry.readme.listed import listed_kind, listed_runs
from zoo.registry.readme.models import Model, sections, separate, without_repetitions
from zoo.registry.readme.table import find_tables, read_table

__all__ = ["parse_document"]

_WEIGHTS_LINK = re.compile(r"https?://[^\s<>()\"'|]{1,2000}\.caffemodel\b", re.IGNORECASE)
_LONGEST = 2_000  # characters of a line in which such a link is looked for


class _Reading:
    """One readme while it is read: the varieties look at its lines and report what they repair."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines, self.tail = cut_lines(text)
        self.report: list[CardWarning] = []

    def document(self) -> Document | None:
        """What the first variety that finds anything makes of it."""
        fenced = fenced_blocks(self.lines)
        weighty = [block for block in fenced if block.keys & (WEIGHTS_KEYS | {"name"})]
        return (
            self._fenced(weighty)
            or self._listed()
            or self._tables()
            or self._fenced(fenced[:1])
            or self._inline()
        )

    def _fenced(self, blocks: Sequence[Fenced]) -> Document | None:
        blocks = [block for block in blocks if block.keys & WEIGHTS_KEYS] or blocks[:1]
        # An example in a code block is not meant, unless there is nothing else.
        blocks = [block for block in blocks if block.opening not in self.lines.code] or blocks
        if not blocks:
            return None
        kind = fenced_kind(self.lines, blocks[0])
        if kind != "fenced" or blocks[0].opening > 0:
            self._warn(blocks[0].opening, "the metadata does not begin in the first line")
        for block in blocks:
            if not block.closed:
                self._warn(
                    block.opening,
                    "the metadata that opens here is never closed by a line '---'; it is read up to"
                    f" line {block.last}",
                )
            inside = (self.lines.starts[n] for n in range(block.opening + 1, block.last))
            start = next(start for start in inside if start is not None)
            if start.lead:
                self._warn(block.opening, f"{start.lead!r} stands before the keys of this block")
        inner = [(block.opening + 1, block.last) for block in blocks]
        outer = [(block.opening, block.stop) for block in blocks]
        layout = BlockLayout(True, one_line=not all(block.closed for block in blocks))
        others = [other for block in blocks if (other := other_version(self.lines, block))]
        return self._of_blocks(kind, inner, outer, layout, others)

    def _listed(self) -> Document | None:
        runs = listed_runs(self.lines)
        runs = [run for run in runs if run[0] not in self.lines.code] or runs
        if not runs:
            return None
        for first, last in runs:
            self._warn(
                first,
                "the metadata does not stand between lines '---'; it is assumed to be in lines"
                f" {first + 1} to {last}",
            )
        kind = listed_kind(self.lines, runs[0][0])
        return self._of_blocks(kind, runs, runs, BlockLayout(False, one_line=True))

    def _tables(self) -> Document | None:
        tables = find_tables(self.lines)
        read = [read_table(self.lines, table, self.path, self.report) for table in tables]
        models = [Model(tuple(entries)) for rows in read for entries in rows]
        if not models:
            self.report.clear()
            return None
        self._warn(tables[0].first, "the metadata stands in a table, not between lines '---'")
        blocks = [(table.first, table.last) for table in tables]
        return self._document("table", models, blocks, TableLayout(tuple(tables)))

    def _inline(self) -> Document | None:
        models = [Model(tuple(entries)) for entries in find_inline(self.lines)]
        if not models:
            return None
        self._warn(
            models[0].entries[0].first,
            "there is no metadata; what a sentence says of the weights is taken for it",
        )
        return self._document("inline", models, [], InlineLayout(self.path))

    def _of_blocks(
        self,
        kind: str,
        inner: Sequence[tuple[int, int]],
        outer: Sequence[tuple[int, int]],
        layout: Layout,
        others: Sequence[tuple[int, int]] = (),
    ) -> Document:
        """The models in blocks, or the one model of which they and the `others` are versions."""
        read = [self._entries(first, last) for first, last in (*inner, *others)]
        neighbours = zip(outer, outer[1:], strict=False)
        if others or any(_are_versions(self.lines, *pair) for pair in neighbours):
            everything = tuple(replace(e, conflicted=True) for entries in read for e in entries)
            models = [Model(everything)]
        else:
            models = [model for entries in read for model in separate(entries)]
        return self._document(kind, models, outer, layout)

    def _entries(self, first: int, last: int) -> list[Entry]:
        entries = read_entries(self.lines, first, last, self.path, self.report)
        for entry in entries:
            if sections(entry):
                self._warn(entry.first, f"the keys inside {entry.key!r} are taken for a model's")
        return linked_address(entries, self.report)

    def _document(
        self,
        kind: str,
        models: Sequence[Model],
        blocks: Sequence[tuple[int, int]],
        layout: Layout,
    ) -> Document:
        told_apart = without_repetitions(models)
        for model in told_apart:
            self.report.extend(model.contradictions().values())
        if self.lines.markers:
            self._warn(min(self.lines.markers), "a merge conflict has left its marks")
        if len(told_apart) > 1:
            first = told_apart[0].entries[0].first
            self._warn(first, f"{len(told_apart)} models are described; a name must say which")
        if self.lines.texts[0].startswith("\ufeff"):
            self._warn(0, "the readme begins with a byte order mark")
        warnings = sorted(set(self.report), key=lambda warning: (warning.line, warning.text))
        return Document(
            self.path,
            self.lines.texts,
            self.tail,
            kind,
            told_apart,
            tuple(blocks),
            layout,
            tuple(warnings),
        )

    def _warn(self, number: int, text: str) -> None:
        self.report.append(CardWarning(number + 1, text))


def parse_document(text: str, path: str) -> Document:
    """Read a readme, however its author wrote the metadata down.

    Raises
    ------
    CardError
        when it has none, or more of it than any card; the message names file and line.
    """
    reading = _Reading(text, path)
    document = reading.document()
    if document is None:
        raise CardError(f"{path}: {_what_is_missing(reading.lines)}")
    return document


def _are_versions(lines: Lines, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a merge conflict offers the one block or the other."""
    return any(
        one[1] <= number < other[0] and lines.texts[number].startswith("=")
        for number in lines.markers
    )


def _what_is_missing(lines: Lines) -> str:
    text = "".join(lines.texts[:2]).strip()
    expected = (
        "no model metadata found. Expected a line '---', then lines such as 'name: LeNet' and"
        " 'caffemodel: lenet.caffemodel', then '---' again."
    )
    if len(lines.texts) == 1 and re.fullmatch(r"(?:\.{1,2}/)[^\s:]{1,400}", text):
        return (
            f"{expected} The file holds only a path, {text}: it was a link that has become text."
            " Use the readme that it points to."
        )
    for number, line in enumerate(lines.texts):
        link = _WEIGHTS_LINK.search(line[:_LONGEST])
        if link is not None:
            return f"{expected} Line {number + 1} links to weights: {link[0]}"
    return expected
