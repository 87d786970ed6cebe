"""References as people and tools want them: APA (7th edition) and CITATION.cff (version 1.2.0)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from zoo.registry.bibliography import Author, Reference

__all__ = ["apa", "citation_cff"]

_MOST_AUTHORS = 20
_CFF_KINDS = {
    "article": "article",
    "book": "book",
    "inbook": "book",
    "incollection": "book",
    "conference": "conference-paper",
    "inproceedings": "conference-paper",
    "proceedings": "proceedings",
    "manual": "manual",
    "mastersthesis": "thesis",
    "phdthesis": "thesis",
    "techreport": "report",
    "unpublished": "unpublished",
}
_CFF_FIELDS = {
    "journal": "journal",
    "booktitle": "collection-title",
    "volume": "volume",
    "number": "issue",
    "doi": "doi",
    "url": "url",
    "note": "notes",
    "edition": "edition",
}


def apa(reference: Reference) -> str:
    """One line in the style of the APA.

    >>> from zoo.registry.bibliography import read_bibtex
    >>> entry = "@misc{digits, author = {LeCun, Yann and Cortes, Corinna}, title = {Digits}}"
    >>> apa(*read_bibtex(entry, "readme"))
    'LeCun, Y., & Cortes, C. (n.d.). Digits.'
    """
    fields = reference.fields
    date = f"({fields.get('year', 'n.d.')})"
    title = fields.get("title", reference.key)
    people = _people(reference)
    begin = f"{people} {date}. {_stopped(title)}" if people else f"{_stopped(title)} {date}."
    return " ".join(filter(None, (begin, _stopped(_place(fields)), _link(fields))))


def citation_cff(title: str, references: Sequence[Reference]) -> str:
    """A CITATION.cff that asks to cite the first reference and names the others.

    Parameters
    ----------
    title : what is cited.
    references : at least one.
    """
    first, *rest = references
    document: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this, please cite it and the works it builds on.",
        "title": title,
        "authors": _cff_authors(first),
        "preferred-citation": _cff_work(first),
    }
    if rest:
        document["references"] = [_cff_work(reference) for reference in rest]
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=96)


def _people(reference: Reference) -> str:
    names = [_apa_name(author) for author in reference.authors]
    if reference.more_authors:
        return ", ".join([*names, "et al."])
    if len(names) > _MOST_AUTHORS:
        return ", ".join(names[: _MOST_AUTHORS - 1]) + f", … {names[-1]}"
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + f", & {names[-1]}"


def _apa_name(author: Author) -> str:
    if not author.given:
        return author.family
    initials = " ".join(
        "-".join(f"{part[0]}." for part in name.split("-") if part)
        for name in author.given.replace("~", " ").split()
    )
    return f"{author.family}, {initials}"


def _place(fields: dict[str, str]) -> str:
    pages = re.sub(r"-+", "–", fields.get("pages", ""))
    if "journal" in fields:
        number = f"({fields['number']})" if "number" in fields else ""
        volume = f"{fields['volume']}{number}" if "volume" in fields else ""
        return ", ".join(filter(None, (fields["journal"], volume, pages)))
    if "booktitle" in fields:
        return f"In {fields['booktitle']}" + (f" (pp. {pages})" if pages else "")
    named = ("publisher", "institution", "school", "howpublished")
    return next((fields[name] for name in named if name in fields), "")


def _link(fields: dict[str, str]) -> str:
    if "doi" in fields:
        return f"https://doi.org/{_doi(fields['doi'])}"
    return fields.get("url", "")


def _doi(text: str) -> str:
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", text.strip())


def _stopped(text: str) -> str:
    return text if not text or text.endswith((".", "?", "!")) or "://" in text else f"{text}."


def _cff_work(reference: Reference) -> dict[str, Any]:
    fields = reference.fields
    work: dict[str, Any] = {
        "type": _CFF_KINDS.get(reference.kind, "generic"),
        "title": fields.get("title", reference.key),
        "authors": _cff_authors(reference),
    }
    if fields.get("year", "").isdecimal():
        work["year"] = int(fields["year"])
    for name, theirs in _CFF_FIELDS.items():
        if name in fields:
            work[theirs] = _doi(fields[name]) if name == "doi" else fields[name]
    if "url" not in work and "://" in fields.get("howpublished", ""):
        work["url"] = fields["howpublished"]
    first, _, last = re.sub(r"[-–—]+", "–", fields.get("pages", "")).partition("–")
    work |= {key: page for key, page in (("start", first), ("end", last)) if page}
    house = fields.get("institution") or fields.get("school")
    if house:
        work["institution"] = {"name": house}
    if "publisher" in fields:
        work["publisher"] = {"name": fields["publisher"]}
    return work


def _cff_authors(reference: Reference) -> list[dict[str, str]]:
    """The authors; the format wants one, so those of a model who are not known are named so."""
    authors = [
        {"family-names": author.family, "given-names": author.given}
        if author.given
        else {"name": author.family}
        for author in reference.authors
    ]
    return authors or [{"name": f"The authors of {reference.fields.get('title', reference.key)}"}]
