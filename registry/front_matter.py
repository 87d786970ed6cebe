"""The metadata block of a readme: the lines between two `---`, read kindly and edited line by line.

Caffe's model zoo put the facts of a model into YAML at the top of its readme.md. Many of these
readmes are not quite YAML (`name: ParseNet: Looking Wider`), so each `key: value` entry is read by
itself: what YAML refuses is taken to the end of its line. Top-level scalars are kept as they are
written, because a hash or a version that YAML takes for a number is not one.

The text is kept as lines with their own ends, so an edit touches the lines of its key alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from zoo.errors import CardError

__all__ = ["Field", "FrontMatter", "parse_front_matter"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ENTRY = re.compile(r"(?P<key>\w[\w .-]*?)[ \t]*:(?=\s|$)(?P<rest>.*)", re.DOTALL)
_KEY = re.compile(r"\w[\w.-]*")
_CONTINUES = (" ", "\t", "- ", "-\n", "-\r", "]", "}")


@dataclass(frozen=True)
class Field:
    """One entry. `first` and `last` bound its lines, `span` the columns of a one-line value."""

    key: str
    value: Any
    raw: str
    first: int
    last: int
    span: tuple[int, int] | None


@dataclass(frozen=True)
class FrontMatter:
    """A whole document whose lines `opening` and `closing` are the fences of its metadata."""

    lines: tuple[str, ...]
    opening: int
    closing: int
    fields: tuple[Field, ...]
    path: str

    @property
    def text(self) -> str:
        """The whole document, character for character."""
        return "".join(self.lines)

    @property
    def body(self) -> str:
        """What follows the closing fence."""
        return "".join(self.lines[self.closing + 1 :])

    def values(self) -> dict[str, Any]:
        """All entries in their order; None for a key without a value."""
        values: dict[str, Any] = {}
        for field in self.fields:
            if values.get(field.key) is None:
                values[field.key] = field.value
        return values

    def field(self, key: str) -> Field | None:
        """The entry that gives `key` its value."""
        found = [field for field in self.fields if field.key == key]
        return next(
            (field for field in found if field.value is not None), found[0] if found else None
        )

    def with_value(self, key: str, value: Any) -> FrontMatter:
        """A copy in which `key` has another value; None removes it, a new key goes last."""
        if not _KEY.fullmatch(key):
            raise CardError(f"{self.path}: {key!r} cannot be a key; expected letters, digits, '_'")
        field = self.field(key)
        if field is not None and _same(field.value, value):
            return self
        lines = list(self.lines)
        if value is None:
            if field is not None:
                del lines[field.first : field.last]
        elif field is None:
            lines[self.closing : self.closing] = _render(key, value, self._line_end)
        else:
            lines[field.first : field.last] = self._rewritten(field, value)
        return parse_front_matter("".join(lines), self.path)

    @property
    def _line_end(self) -> str:
        return "\r\n" if self.lines[self.opening].endswith("\r\n") else "\n"

    def _rewritten(self, field: Field, value: Any) -> list[str]:
        """The lines of an entry with a new value; a comment behind a one-line value stays."""
        new = _render(field.key, value, self._line_end)
        if field.span is None or len(new) > 1:
            return new
        line, (start, end) = self.lines[field.first], field.span
        text = new[0][len(field.key) + 1 :].strip()
        gap = "" if line[start - 1].isspace() else " "
        return [line[:start] + gap + text + line[end:], *self.lines[field.first + 1 : field.last]]


def parse_front_matter(text: str, path: str) -> FrontMatter:
    """Find and read the metadata of a document.

    Blank lines, a byte order mark and headings may stand before the opening fence.

    Raises
    ------
    CardError
        when there is no metadata, it is never closed, or a line of it is no `key: value`; the
        message names file and line.
    """
    lines = tuple(_LINE.findall(text))
    opening = next(
        (n for n, line in enumerate(lines) if _bare(line) and not _bare(line).startswith("#")), None
    )
    if opening is None or _bare(lines[opening]) != "---":
        raise CardError(
            f"{path}: no model metadata found. Expected a line '---', then lines such as"
            " 'name: LeNet' and 'caffemodel: lenet.caffemodel', then '---' again."
        )
    fences = (n for n in range(opening + 1, len(lines)) if lines[n].rstrip() in ("---", "..."))
    closing = next(fences, None)
    if closing is None:
        raise CardError(
            f"{path}:{opening + 1}: the metadata that opens here is never closed;"
            " add a line '---' after its last key."
        )
    fields = tuple(_fields(lines, opening + 1, closing, path))
    _refuse_contradictions(fields, path)
    return FrontMatter(lines, opening, closing, fields, path)


def _bare(line: str) -> str:
    return line.strip("\ufeff \t\r\n")


def _fields(lines: tuple[str, ...], start: int, stop: int, path: str) -> list[Field]:
    bounds: list[tuple[int, int]] = []
    for number in range(start, stop):
        line = lines[number]
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(_CONTINUES) and bounds:
            bounds[-1] = (bounds[-1][0], number + 1)
        elif _ENTRY.match(line):
            bounds.append((number, number + 1))
        else:
            raise CardError(
                f"{path}:{number + 1}: expected 'key: value', found {line.strip()[:60]!r}"
            )
    return [_read_entry(lines, first, last, path) for first, last in bounds]


def _read_entry(lines: tuple[str, ...], first: int, last: int, path: str) -> Field:
    """One entry as YAML, or to the end of its line where YAML refuses it."""
    entry = _ENTRY.match(lines[first])
    key, rest = (entry["key"], entry["rest"]) if entry else ("", "")
    raw = rest.strip()
    try:
        value_node = _value_node("".join(lines[first:last]).replace("\r\n", "\n"))
        value = _value(value_node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if not raw:
            problem = getattr(error, "problem", None) or str(error)
            mark = getattr(error, "problem_mark", None)
            line = first + 1 + (mark.line if mark else 0)
            raise CardError(f"{path}:{line}: the value of {key!r} is not YAML: {problem}") from None
        value = " ".join(line.strip() for line in (raw, *lines[first + 1 : last]))
        at = lines[first].index(raw, entry.start("rest") if entry else 0)
        return Field(
            key, value, raw, first, last, (at, at + len(raw)) if last == first + 1 else None
        )
    start, end = value_node.start_mark, value_node.end_mark
    span = (start.column, end.column) if start.line == end.line == 0 else None
    return Field(key, value, raw, first, last, span)


def _value_node(entry: str) -> yaml.Node:
    node = yaml.compose(entry, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise yaml.YAMLError("expected one key and its value")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(entry, yaml.SafeLoader)):
        # A few lines of them stand for gigabytes when they are written out.
        raise yaml.YAMLError("aliases are not read")
    value: yaml.Node = node.value[0][1]
    return value


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        empty = node.tag == "tag:yaml.org,2002:null" or not node.value
        return None if empty else node.value
    return yaml.SafeLoader("").construct_document(node)


def _refuse_contradictions(fields: tuple[Field, ...], path: str) -> None:
    seen: dict[str, Field] = {}
    for field in fields:
        other = seen.setdefault(field.key, field)
        if None not in (other.value, field.value) and other.value != field.value:
            raise CardError(
                f"{path}:{field.first + 1}: {field.key!r} is given twice, here as {field.raw!r} and"
                f" in line {other.first + 1} as {other.raw!r}; keep the one that is right."
            )


def _same(old: Any, new: Any) -> bool:
    return bool(old == (str(new) if isinstance(old, str) and isinstance(new, int | float) else new))


def _render(key: str, value: Any, line_end: str) -> list[str]:
    """An entry as lines of valid YAML."""
    if isinstance(value, str):
        text = _render_text(key, value)
    else:
        value = list(value) if isinstance(value, tuple) else value
        text = yaml.safe_dump(
            {key: value}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=4096
        )
    return [line + line_end for line in text.rstrip("\n").split("\n")]


def _render_text(key: str, value: str) -> str:
    if not value:
        return f"{key}:"
    if "\n" in value:
        chomping = "" if value.endswith("\n") else "-"
        indented = "\n".join(f"  {line}" if line else "" for line in value.split("\n"))
        plain = f"{key}: |{chomping}\n{indented}"
    else:
        plain = f"{key}: {value}"
    try:
        if _value(_value_node(plain)) == value:
            return plain
    except yaml.YAMLError:
        pass  # not plain YAML, so it is quoted
    return f"{key}: {json.dumps(value, ensure_ascii=not value.isprintable())}"
