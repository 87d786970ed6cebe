"""Weights named inside a sentence: `... AlexNet (caffemodel_url: http://host/alexnet.caffemodel)`.

Only an address counts, and a file name right before it; code blocks are not searched.
"""

from __future__ import annotations

import re

from zoo.registry.readme.entry import Entry
from zoo.registry.readme.lines import Lines, Start

__all__ = ["find_inline"]

_URL = re.compile(
    r"(?<![\w.])(?P<key>caffemodel\\?_url)\W{0,3}:\s{0,5}<?(?P<value>(?:https?|ftp)://[^\s|<>)\]\"']+)",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"(?<![\w.])(?P<key>caffemodel)\s{0,5}:\s{0,5}(?P<value>[^\s|:,;]{1,200})[\s|,;]{1,20}$",
    re.IGNORECASE,
)
_LONGEST = 20_000  # characters of a line that a person wrote
_NEAR = 300  # characters before an address in which the name of its file may stand


def find_inline(lines: Lines) -> list[list[Entry]]:
    """The entries of each model, in the order of the readme; the same address counts once."""
    found: dict[str, list[Entry]] = {}
    for number, text in enumerate(lines.texts):
        if len(text) < _LONGEST and "caffemodel" in text.casefold() and number not in lines.code:
            for url in _URL.finditer(text):
                entries = [_entry("caffemodel_url", number, url)]
                before = max(0, url.start() - _NEAR)
                file = _FILE.search(text[before : url.start()])
                if file is not None:
                    entries.insert(0, _entry("caffemodel", number, file, before))
                found.setdefault(entries[-1].value, entries)
    return list(found.values())


def _entry(key: str, number: int, found: re.Match[str], shift: int = 0) -> Entry:
    value = found["value"].rstrip(".,;")
    column = found.start("value") + shift
    start = Start("", found["key"], key, column)
    return Entry(key, value, value, number, number + 1, (column, column + len(value)), start)
