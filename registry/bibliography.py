"""Reading BibTeX and making it unique, on pybtex, which knows names and LaTeX's accents.

An entry keeps the text that its author wrote: what is printed again differs by its key at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo.errors import CardError

__all__ = ["Author", "Reference", "joined", "made_up", "read_bibtex", "unique"]

_LONGEST = 100_000  # characters: a hostile text must not take forever
_START = re.compile(r"@\s*([A-Za-z]+)\s*\{\s*([^\s,{}]*)\s*,?")
_URL = re.compile(r"\\(?:url|href)\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class Author:
    """A person; one without given names may be an organisation."""

    family: str
    given: str = ""


@dataclass(frozen=True)
class Reference:
    """A work as BibTeX has it.

    Parameters
    ----------
    key, kind : of the entry; kind is "article", "inproceedings", ... in lower case.
    authors : in their order.
    fields : the other fields by lower-case name, as plain text.
    text : the entry.
    more_authors : whether the list of authors ends with "and others".
    """

    key: str
    kind: str
    authors: tuple[Author, ...]
    fields: dict[str, str]
    text: str
    more_authors: bool = False

    def with_key(self, key: str) -> Reference:
        """A copy that is cited by another key."""
        text = _START.sub(f"@\\1{{{key},", self.text, count=1)
        return replace(self, key=key, text=text)

    def is_same_work(self, other: Reference) -> bool:
        """Whether both are about one work, however they are written: title, author and year."""
        return _work(self) == _work(other)


def read_bibtex(text: str, where: str) -> list[Reference]:
    """Every entry of a text, which may have other words between them.

    Raises
    ------
    CardError
        when there is none, or one is no BibTeX; the message names `where` and the line.

    Examples
    --------
    >>> [lenet] = read_bibtex("@misc{lenet, author = {LeCun, Yann}, title = {Digits}}", "readme")
    >>> lenet.key, lenet.authors, lenet.fields
    ('lenet', (Author(family='LeCun', given='Yann'),), {'title': 'Digits'})
    """
    references = [_read_entry(entry, line, where) for line, entry in _entries(text, where)]
    if not references:
        raise CardError(f"{where}: the citation has no BibTeX entry such as '@article{{key, ...}}'")
    return references


def made_up(name: str, title: str, address: str | None) -> Reference:
    """An entry for a model without a known paper, of what is known of it."""
    key = re.sub(r"\W+", "_", name)
    title = re.sub(r"([&%$#_])", r"\\\1", re.sub(r"[\\{}]", "", title))
    lines = [f"@misc{{{key},", f"  title = {{{title}}},"]
    if address:
        address = re.sub(r"[\\{}\s]", "", address)
        lines.append(f"  howpublished = {{\\url{{{address}}}}},")
    return read_bibtex("\n".join([*lines, "}"]), name)[0]


def unique(references: Iterable[Reference]) -> list[Reference]:
    """Each work once, with keys that differ; works of the same key get letters behind it."""
    chosen: dict[str, Reference] = {}
    for reference in references:
        if any(reference.is_same_work(other) for other in chosen.values()):
            continue
        key, letter = reference.key, ord("b")
        while key.casefold() in chosen:
            key, letter = f"{reference.key}{chr(letter)}", letter + 1
        chosen[key.casefold()] = reference if key == reference.key else reference.with_key(key)
    return list(chosen.values())


def joined(references: Sequence[Reference]) -> str:
    """The entries as a .bib file."""
    return "".join(f"{reference.text}\n\n" for reference in references).rstrip("\n") + "\n"


def _work(reference: Reference) -> tuple[str, str, str]:
    """What makes two entries the same work, however they are written."""
    title = re.sub(r"\W+", "", reference.fields.get("title", reference.key).casefold())
    first = reference.authors[0].family.casefold() if reference.authors else ""
    return title, first, reference.fields.get("year", "")


def _entries(text: str, where: str) -> Iterable[tuple[int, str]]:
    """The entries with the lines on which they begin."""
    text, position = text[:_LONGEST], 0
    while found := _START.search(text, position):
        depth, end = 0, found.end()
        for end in range(text.index("{", found.start()), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                break
        line = text.count("\n", 0, found.start()) + 1
        if depth:
            raise CardError(f"{where}: line {line} of the citation: the entry is never closed")
        if found[1].lower() not in ("comment", "preamble", "string"):
            yield line, text[found.start() : end + 1]
        position = end + 1


def _read_entry(text: str, line: int, where: str) -> Reference:
    from pybtex.database import parse_string
    from pybtex.exceptions import PybtexError

    try:
        ((key, entry),) = parse_string(text, "bibtex").entries.items()
        persons = entry.persons.get("author", entry.persons.get("editor", []))
        authors = [_author(person) for person in persons]
    except (PybtexError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise CardError(f"{where}: line {line} of the citation is no BibTeX: {reason}") from None
    others = [author for author in authors if author != Author("others")]
    fields = {name.lower(): _plain(value) for name, value in entry.fields.items()}
    kind = entry.type.lower()
    return Reference(key, kind, tuple(others), fields, text, len(others) < len(authors))


def _author(person: Any) -> Author:
    family = _plain(" ".join((*person.prelast_names, *person.last_names)))
    lineage = _plain(" ".join(person.lineage_names))
    given = _plain(" ".join((*person.first_names, *person.middle_names)))
    return Author(f"{family}, {lineage}" if lineage else family, given)


def _plain(latex: str) -> str:
    """A field without LaTeX."""
    from pybtex.exceptions import PybtexError
    from pybtex.richtext import Text

    latex = _URL.sub(r"\1", latex)
    try:
        text = str(Text.from_latex(latex))
    except (PybtexError, ValueError):
        text = latex
    return " ".join(re.sub(r"\\[A-Za-z]+\s*|[{}]", "", text).split())
