"""The lines of a readme and what each of them looks like.

Line ends stay with their lines, so that the same text can be put together again. Metadata is looked
for in the first 256 kB: no readme has it later, and a hostile one must not take forever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from zoo.registry.readme.keys import KNOWN_KEYS, canonical_key

__all__ = [
    "CardWarning",
    "Lines",
    "Start",
    "cut_lines",
    "is_fence",
    "line_end",
    "match_start",
]

_SEARCHED = 1 << 18
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_FENCE = re.compile(r"\ufeff? {0,3}-{3,}\s*")
_HEADING = re.compile(r"\ufeff? {0,3}#{1,6}(?!#)\s*\S")
_NO_TITLES = ("```", "~~~", "<!--")
_UNDERLINE = re.compile(r" {0,3}(?:-{2,}|={2,})\s*")
_MARKER = re.compile(r"(?:<{7}|={7}|>{7}|\|{7})(?:[ \t][^\r\n]*)?\s*")
_START = re.compile(
    r"(?P<lead>\ufeff?[ \t]*+(?:[-*+>][ \t]++)*+)"
    r"(?:<(?:b|strong|em)>)?(?P<mark>\*\*|__|`|\*|_|\"|')?"
    r"(?P<key>\w(?:[\w .\\()/+-]{0,60}?[\w)])?)"
    r"(?(mark)(?:(?P=mark)[ \t]*[:：]|[:：](?P=mark))"
    r"|(?:</\w{1,6}>)?[ \t]*[:：](?:</\w{1,6}>)?)"
)


@dataclass(frozen=True)
class CardWarning:
    """Something in a readme that was put right or guessed; `line` counts from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Start:
    """How a `key: value` line begins; the value's part of it starts at `column`."""

    lead: str
    spelled: str
    key: str
    column: int

    @property
    def known(self) -> bool:
        """Whether the key is one that means something here."""
        return self.key in KNOWN_KEYS

    @property
    def indentation(self) -> int:
        """How many blanks stand in front."""
        return len(self.lead) - len(self.lead.lstrip(" \t"))


@dataclass(frozen=True)
class Lines:
    """The lines in which metadata is looked for."""

    texts: tuple[str, ...]

    @cached_property
    def starts(self) -> tuple[Start | None, ...]:
        """For each line how it begins, if it is a `key: value`."""
        return tuple(match_start(text) for text in self.texts)

    @cached_property
    def markers(self) -> frozenset[int]:
        """The lines that a merge conflict left behind."""
        found = [n for n, text in enumerate(self.texts) if _MARKER.fullmatch(text)]
        # A lone ======= underlines a heading.
        certain = any(self.texts[n][0] in "<>" for n in found)
        return frozenset(found if certain else ())

    @cached_property
    def code(self) -> frozenset[int]:
        """The lines of code blocks."""
        found: list[int] = []
        inside = False
        for number, text in enumerate(self.texts):
            if text.lstrip().startswith(("```", "~~~")):
                inside = not inside
            elif inside:
                found.append(number)
        return frozenset(found)

    def is_blank(self, number: int) -> bool:
        """Whether a line holds nothing."""
        return not self.texts[number].strip("\ufeff \t\r\n")

    def is_heading(self, number: int) -> bool:
        """Whether a line is a heading (`##Information`) or underlines one."""
        text = self.texts[number]
        if _HEADING.match(text):
            return True
        underlines = number > 0 and _UNDERLINE.fullmatch(text) and number not in self.markers
        return bool(underlines) and self._is_title(number - 1)

    def is_underlined(self, number: int) -> bool:
        """Whether a line is a heading because of the line below it."""
        below = number + 1
        underlined = below < len(self.texts) and _UNDERLINE.fullmatch(self.texts[below])
        return bool(underlined) and self.is_heading(below)

    def _is_title(self, number: int) -> bool:
        text = self.texts[number]
        rule = is_fence(text) or number in self.markers or _HEADING.match(text)
        mark = text.lstrip("\ufeff \t").startswith(_NO_TITLES)
        return not rule and not mark and not self.is_blank(number) and self.starts[number] is None

    def before(self, number: int) -> int | None:
        """The nearest line above that is not blank."""
        return next((n for n in range(number - 1, -1, -1) if not self.is_blank(n)), None)


def cut_lines(text: str) -> tuple[Lines, str]:
    """The lines to look for metadata in, and all that follows them."""
    cut = _LINE_END.search(text, _SEARCHED)
    end = cut.end() if cut else len(text)
    return Lines(tuple(_LINE.findall(text[:end]))), text[end:]


def match_start(text: str) -> Start | None:
    """How a line begins if it is a `key: value`.

    The blank that YAML wants behind the colon may be missing where the key is known.

    >>> match_start("- **License:** MIT").key, match_start("see http://a.b/c")
    ('license', None)
    """
    found = _START.match(text)
    if found is None:
        return None
    key, rest = canonical_key(found["key"]), text[found.end() : found.end() + 1]
    if rest.strip() and key not in KNOWN_KEYS:
        return None
    return Start(found["lead"].lstrip("\ufeff"), found["key"], key, found.end())


def is_fence(text: str) -> bool:
    """Whether a line is `---`."""
    return _FENCE.fullmatch(text) is not None


def line_end(text: str) -> str:
    """How a line ends; a last line without an end ends as Unix does."""
    return text[len(text.rstrip("\r\n")) :] or "\n"
