"""What the text of a readme says of the licence of the weights, in a few words.

Looked for are a section under a heading such as `## License`, else a sentence such as "Licensed
under CC0". What is said of code only is no statement about weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["LicenceStatement", "contradicts", "find_licence_statement"]

_LONGEST = 1 << 18  # characters of text that are searched
_HEADING = re.compile(r" {0,3}#{1,6}(?P<title>[^\n]*)")
_LICENCE = re.compile(r"licen[cs]", re.IGNORECASE)
_MARKER = re.compile(r"(?:<{7}|>{7})(?:\s|$)")
_STATEMENT = re.compile(
    r"\b(?:licen[cs]ed|released|distributed|available|published|provided)\b.{0,80}?\b(?:under|for)\b",
    re.IGNORECASE,
)
_OF_CODE = " (of the code, not of the weights)"
_NARROW = ("non-commercial", "noncommercial", "-nc", " nc", "research", "academic")
_CODE = re.compile(r"\b(?:code|codes|scripts?|software|repository|toolbox)\b", re.IGNORECASE)
_WEIGHTS = re.compile(r"\b(?:models?|weights|caffemodels?|networks?|parameters)\b", re.IGNORECASE)
_TERMS = (
    ("non-commercial", r"non-?commercial|not be used for commercial"),
    ("unrestricted", r"unrestricted"),
)
_NAMED = re.compile(
    r"\b(?:CC0(?: 1\.0)?"
    r"|CC[- ]BY(?:-NC)?(?:-SA|-ND)?(?:[- ]\d\.\d)?"
    r"|public domain"
    r"|(?:MIT|ISC|(?:\d-Clause )?BSD(?:[- ]\d(?:-Clause)?)?|Apache(?:[- ]\d(?:\.\d)?)?"
    r"|[AL]?GPL(?:[- ]?v?\d(?:\.\d)?)?|MPL(?:[- ]\d\.\d)?)"
    r"(?: licen[cs]e)?(?:,? version \d(?:\.\d)?)?)(?![\w-])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LicenceStatement:
    """A short form of what is said, and the line in the searched text, from 1.

    `of_code` is set where a licence of software is named without saying for what.
    """

    text: str
    line: int
    of_code: bool = False

    def short(self, foreign: bool) -> str:
        """In a few words; what a `foreign` project says of software is the licence of its code."""
        return f"{self.text}{_OF_CODE}" if foreign and self.of_code else self.text


def find_licence_statement(text: str) -> LicenceStatement | None:
    """The statement in a text, None where there is none or a merge conflict left two.

    >>> find_licence_statement("# Net\\n\\n## License\\nReleased for unrestricted use.\\n")
    LicenceStatement(text='unrestricted', line=4, of_code=False)
    """
    lines = text[:_LONGEST].splitlines()
    sections = list(_sections(lines))
    in_section = [number for section in sections for number in section]
    found = list(_statements(lines, in_section, everywhere=False))
    if not found:
        found = list(_statements(lines, list(range(len(lines))), everywhere=True))
    if not found:
        return None
    conflict = any(_MARKER.match(lines[number]) for number in in_section)
    if conflict and len({statement.text for statement in found}) > 1:
        return None
    # The narrower terms count where a section names several.
    return min(found, key=lambda statement: statement.text != "non-commercial")


def contradicts(told: str, given: str) -> bool:
    """Whether a text tells surely another licence than the one that is given.

    >>> contradicts("unrestricted", "non-commercial"), contradicts("MIT license", "MIT")
    (True, False)
    """
    told, given = told.casefold(), given.casefold()
    if told.endswith(_OF_CODE) or "://" in given or told.split()[0] in given:
        return False
    return not all(any(word in each for word in _NARROW) for each in (told, given))


def _sections(lines: list[str]) -> Iterator[range]:
    """The lines below each heading that speaks of a licence."""
    headings = [n for n, line in enumerate(lines) if _HEADING.match(line)]
    for number, following in pairwise([*headings, len(lines)]):
        if _LICENCE.search(lines[number]):
            yield range(number + 1, following)


def _statements(
    lines: list[str], numbers: list[int], *, everywhere: bool
) -> Iterator[LicenceStatement]:
    for number in numbers:
        line = lines[number]
        if everywhere and not _STATEMENT.search(line):
            continue
        of_code, of_weights = bool(_CODE.search(line)), bool(_WEIGHTS.search(line))
        if of_code and not of_weights:
            continue
        term = next((term for term, words in _TERMS if re.search(words, line, re.I)), None)
        if term is not None:
            yield LicenceStatement(term, number + 1)
        elif (named := _NAMED.search(line)) is not None:
            software = not named[0].upper().startswith(("CC", "PUBLIC"))
            yield LicenceStatement(named[0], number + 1, of_code=software and not of_weights)
