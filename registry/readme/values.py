"""Values: read as YAML where they are YAML, else as a person reads the line, and written back.

Top-level scalars are kept as they are written, because a hash or a version that YAML takes for a
number is not one. Aliases are not read: a few lines of them stand for gigabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

__all__ = ["LONGEST", "ReadValue", "read_text", "read_value", "render", "same"]

LONGEST = 20_000
"""Characters that one value may have: YAML is read slowly."""

_DEEPEST = 500  # brackets, whose time grows with the square of their number

# The repetitions have ends, so that a hostile text costs no more than its length.
_ADDRESS = r"(?:https?|ftp|s3|gs|hf)://[^\s<>\"]{1,4000}?"
_LINK = re.compile(
    rf"\[(?P<text>[^\]]{{0,500}})\]\(\s*<?(?P<url>{_ADDRESS})>?(?:\s+\"[^\"]{{0,500}}\")?\s*\)"
)
_ANCHOR = re.compile(
    rf"<a\s[^>]{{0,500}}?href\s*=\s*[\"']?(?P<url>{_ADDRESS})[\"']?(?:\s[^>]{{0,500}})?>(?P<text>[^<]{{0,500}})</a>",
    re.IGNORECASE,
)
_AUTOLINK = re.compile(rf"<(?P<url>{_ADDRESS})>")
# What is plain YAML beyond doubt: most values, and read a hundred times faster.
_SIMPLE = re.compile(r"[A-Za-z0-9./](?:[\w ()+,;=?&%./~-]|:(?=\S))*")
_ESCAPE = re.compile(r"\\([_*~#\[\]()&.-])")
_BREAK = re.compile(r"(?:<br\s?/?>|\\)$", re.IGNORECASE)
_TICKS = re.compile(r"(`+|\*\*)([^`*]+)\1")
_OWN_KEY = re.compile(r"(\w+)[ \t]*:[ \t]+(?=\S)")


@dataclass(frozen=True)
class ReadValue:
    """A value, its text as written, the columns of a one-line text, and what was put right.

    `target` is where the text links to when it was a link.
    """

    value: Any
    raw: str
    span: tuple[int, int] | None
    repairs: tuple[str, ...] = ()
    target: str | None = None


def read_value(key: str, line: str, column: int, more: Sequence[str] = ()) -> ReadValue:
    """The value that starts at `column` of a line and goes on in the lines `more`.

    Raises
    ------
    yaml.YAMLError
        where nothing but `more` gives a value, it is no YAML, and `key` is one that needs
        structure (`input`).
    """
    rest = line[column:]
    raw = rest.strip()
    if not more and _SIMPLE.fullmatch(raw):
        value, repairs, target = read_text(key, raw)
        at = line.index(raw, column)
        value = None if raw in ("null", "Null", "NULL") else value
        return ReadValue(value, raw, (at, at + len(raw)), repairs, target)
    gap = "" if not rest or rest[0].isspace() else " "
    text = "".join((f"x:{gap}", rest, *more)).replace("\r\n", "\n").replace("\r", "\n")
    try:
        node = _value_node(text)
        value = _construct(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if key == "input" and not raw:
            raise yaml.YAMLError(_problem(error)) from None
        return _not_yaml(key, line, column, more, _problem(error))
    if isinstance(value, str) and isinstance(node, yaml.ScalarNode) and node.style is None:
        if re.search(r"[ \t]#\S", rest) and not more:  # "Model #2"; a comment has a blank behind #
            return _not_yaml(key, line, column, more, "")
        value, repairs, target = read_text(key, value)
    else:
        repairs, target = (), None
    start, end = node.start_mark, node.end_mark
    shift = column - len(gap) - 2
    one_line = start.line == end.line == 0
    span = (start.column + shift, end.column + shift) if one_line else None
    return ReadValue(value, raw, span, repairs, target)


def read_text(key: str, text: str) -> tuple[str | None, tuple[str, ...], str | None]:
    """A text without the Markdown around it, what was taken off, and where it linked to.

    >>> read_text("caffemodel_url", r"[x](http://a.b/c)")
    ('http://a.b/c', ('is a link; its address is taken',), 'http://a.b/c')
    """
    repairs: list[str] = []
    target = None
    if key == "citation":
        return text, (), None
    if broken := _BREAK.search(text):
        repairs.append("ends in a line break of Markdown, which is left out")
        text = text[: broken.start()].rstrip()
    own = _OWN_KEY.match(text)
    if own and own[1].casefold() == key:
        repairs.append(f"repeats '{own[1]}:', which is left out")
        text = text[own.end() :]
    if ticks := _TICKS.fullmatch(text):
        marks = "asterisks" if "*" in ticks[1] else "backticks"
        repairs.append(f"stands between {marks}, which are left out")
        text = ticks[2].strip()
    link = _whole_link(key, text)
    if link is not None:
        target = link["url"]
        shown = link.groupdict().get("text", "").strip()
        by_address = key.endswith("url") or "://" in shown or not shown
        repairs.append(f"is a link; its {'address' if by_address else 'text'} is taken")
        text = target if by_address else shown
    if _ESCAPE.search(text):
        repairs.append("has Markdown's escapes, which are left out")
        text = _ESCAPE.sub(r"\1", text)
    return text.strip() or None, tuple(repairs), target


def render(key: str, value: Any, *, plain: bool, one_line: bool) -> str:
    """`key: value` without its last line end: YAML where that is needed to read it back.

    Parameters
    ----------
    plain : a text may stay bare although it is no YAML, as long as `read_value` understands it.
    one_line : never more than one line.
    """
    if not isinstance(value, str):
        value = list(value) if isinstance(value, tuple) else value
        text: str = yaml.safe_dump(
            {key: value},
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=True if one_line else None,
            width=1 << 20,
        )
        text = text.rstrip("\n")
        return text[1:-1] if one_line and text.startswith("{") else text
    if not value:
        return f"{key}:"
    bare = f"{key}: {value}"
    if "\n" in value and not one_line:
        chomping = "" if value.endswith("\n") else "-"
        indented = "\n".join(f"  {line}" if line else "" for line in value.split("\n"))
        bare = f"{key}: |{chomping}\n{indented}"
    first, *more = re.findall(r"[^\n]*\n|[^\n]+", bare)
    if not (more and one_line) and "\r" not in value:
        again = read_value(key, first, len(key) + 1, more)
        if again.value == value and (plain or _is_yaml(bare[len(key) + 1 :])):
            return bare
    return f"{key}: {_quoted(value)}"


def same(old: Any, new: Any) -> bool:
    """Whether a value that was read is the one that is wanted."""
    if isinstance(old, str) and isinstance(new, int | float):
        return old == str(new)
    return bool(old == (list(new) if isinstance(new, tuple) else new))


def _whole_link(key: str, text: str) -> re.Match[str] | None:
    """The link that a text consists of; for an address the only one in it will do."""
    for pattern in (_LINK, _ANCHOR, _AUTOLINK):
        whole = pattern.fullmatch(text)
        if whole:
            return whole
        if key == "caffemodel_url" and "://" in text and not re.match(_ADDRESS, text):
            found = list(pattern.finditer(text))
            if len(found) == 1:
                return found[0]
    return None


def _not_yaml(key: str, line: str, column: int, more: Sequence[str], problem: str) -> ReadValue:
    raw = line[column:].strip()
    text = " ".join((raw, *(each.strip() for each in more))).strip()
    value, repairs, target = read_text(key, text)
    if problem and not repairs:
        repairs = (f"is not YAML ({problem}); it is taken as it stands",)
    start = line.index(raw, column)
    return ReadValue(value, raw, None if more else (start, start + len(raw)), repairs, target)


def _value_node(text: str) -> yaml.Node:
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"longer than {LONGEST} characters")
    if text.count("[") + text.count("{") > _DEEPEST:
        raise yaml.YAMLError("nested too deeply")
    if "*" in text and any(
        isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)
    ):
        raise yaml.YAMLError("aliases are not read")
    node = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise yaml.YAMLError("expected one key and its value")
    value: yaml.Node = node.value[0][1]
    if not value.tag.startswith("tag:yaml.org,2002:"):
        raise yaml.YAMLError(f"the tag {value.tag} is not known")
    return value


def _construct(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        empty = node.tag == "tag:yaml.org,2002:null" or not node.value
        return None if empty else node.value
    return yaml.SafeLoader("").construct_document(node)


def _quoted(text: str) -> str:
    """In double quotes, as YAML reads it back."""
    return "".join(
        character
        if character.isprintable()
        else f"\\u{ord(character):04x}"
        if ord(character) < 1 << 16
        else f"\\U{ord(character):08x}"
        for character in json.dumps(text, ensure_ascii=False)
    )


def _is_yaml(text: str) -> bool:
    try:
        _construct(_value_node(f"x:{text}"))
    except (yaml.YAMLError, RecursionError, ValueError):
        return False
    return True


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return getattr(error, "problem", None) or str(error).partition("\n")[0]
