"""BibTeX entries in the text of a readme."""

from __future__ import annotations

import re
import textwrap

__all__ = ["find_bibtex"]

# A hostile text must not take forever: characters of one entry, and entries that are tried.
_LONGEST, _MOST = 20_000, 200
_START = re.compile(r"^[ \t]*@[A-Za-z]+\s*\{", re.MULTILINE)


def find_bibtex(text: str) -> list[str]:
    """Every BibTeX entry of a text, indentation removed; one that never ends is left out.

    >>> find_bibtex("See\\n    @misc{a,\\n      year = {2014}}\\nfor more")
    ['@misc{a,\\n  year = {2014}}']
    """
    entries, position = [], 0
    for _ in range(_MOST):
        found = _START.search(text, position)
        if found is None:
            break
        end = _end(text, found.end() - 1)
        if end is not None:
            entry = text[found.start() : end].replace("\r\n", "\n")
            entries.append(textwrap.dedent(entry).strip())
        position = found.end() if end is None else end
    return entries


def _end(text: str, opening: int) -> int | None:
    """Behind the brace that closes the one at `opening`."""
    depth = 0
    for position in range(opening, min(len(text), opening + _LONGEST)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    return None
