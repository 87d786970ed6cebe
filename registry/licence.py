"""What a licence allows: read from an author's words, named as SPDX, put into one of five classes.

    permissive       any use, commercial too; at most the authors have to be named
    copyleft         any use, but what is made from it has to stay under the same licence
    non-commercial   research, teaching and private use only
    restricted       no changed versions, or terms of its own that have to be read
    not stated       the author named no licence, so nothing is allowed without asking

What is no SPDX licence has an id that begins with `LicenseRef-`, as SPDX wants it. This helps to
read; it is no legal advice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from zoo.errors import UsageError, did_you_mean
from zoo.registry.licence_terms import Terms, continues, terms_of
from zoo.registry.licence_words import canonical, names_none, spelled_out

__all__ = ["CLASSES", "License", "LicenseFilter", "read_license", "restricts"]

CLASSES = ("permissive", "copyleft", "non-commercial", "restricted", "not stated")


@dataclass(frozen=True)
class License:
    """A licence.

    Parameters
    ----------
    id : an SPDX id or expression, or `LicenseRef-...`; "" where none was named, or where the words
        are the author's own.
    stated : what the author wrote.
    terms : what it allows; None where no licence was named.

    Examples
    --------
    >>> read_license("BSD 3-clause").kind, read_license("CC BY-NC-SA 4.0").id
    ('permissive', 'CC-BY-NC-SA-4.0')
    >>> read_license(None).sentence
    'not stated: ask the authors before you use it'
    """

    id: str
    stated: str
    terms: Terms | None

    @property
    def kind(self) -> str:
        """The class, one of `CLASSES`."""
        return self.terms.kind if self.terms else "not stated"

    @property
    def is_spdx(self) -> bool:
        """Whether SPDX knows it, without custom parts."""
        return bool(self.id) and "LicenseRef-" not in self.id

    @property
    def label(self) -> str:
        """A few words for a table: the id, else the class."""
        return self.id.removeprefix("LicenseRef-") or self.kind

    @property
    def sentence(self) -> str:
        """What a user may do, in plain words."""
        if self.terms is None:
            return "not stated: ask the authors before you use it"
        return self.terms.sentence

    @property
    def summary(self) -> str:
        """What it is called and what a user may do."""
        return f"{self.label}: {self.sentence}" if self.terms else self.sentence


def read_license(text: str | None) -> License:
    """The licence that an author's words mean.

    Parameters
    ----------
    text : an SPDX id or expression, words such as "BSD 2-clause" or "non-commercial", the address
        of a Creative Commons licence; None or empty where nothing was said.
    """
    return _read((text or "").strip())


@cache
def _read(stated: str) -> License:
    if names_none(stated):
        return License("", stated, None)
    expression = canonical(stated) or spelled_out(stated)
    if expression is None:
        return License("", stated, Terms(known=False))
    return License(expression, stated, terms_of(expression))


def restricts(child: License | str | None, parent: License | str | None) -> str | None:
    """Why a model derived from one under `parent` may not be published under `child`.

    Returns
    -------
    The reason as a part of a sentence, None where nothing speaks against it.

    Examples
    --------
    >>> restricts("MIT", "CC-BY-NC-4.0")
    'CC-BY-NC-4.0 forbids commercial use, which MIT would allow'
    >>> restricts("CC-BY-NC-4.0", "MIT") is None
    True
    """
    child = child if isinstance(child, License) else read_license(child)
    parent = parent if isinstance(parent, License) else read_license(parent)
    ours, theirs = child.terms, parent.terms
    if theirs is None:
        return "its source names no licence, so the authors of that have to be asked first"
    if not theirs.known:
        return f"its source has terms of its own ({parent.id or parent.stated}); read them first"
    if not theirs.derivatives:
        return f"{parent.label} forbids changed versions"
    if not theirs.redistribution:
        return f"{parent.label} forbids redistribution"
    if ours is None:
        return f"it names no licence, and nobody would learn of {parent.label}"
    if theirs.share_alike and not continues(child.id, parent.id):
        return f"{parent.label} asks that what is made from it stays under it, not {child.label}"
    if not theirs.commercial and not ours.known:
        return f"{parent.label} forbids commercial use, and it is not known whether that does too"
    if not theirs.commercial and ours.commercial:
        return f"{parent.label} forbids commercial use, which {child.label} would allow"
    if theirs.attribution and not ours.attribution:
        return f"{parent.label} asks that its authors are named, which {child.label} waives"
    return None


class LicenseFilter:
    """The licences that a word such as `--license permissive` asks for.

    Parameters
    ----------
    wanted : a class ("non-commercial", "not-stated"), "commercial" for every licence that allows
        commercial use, or an SPDX id.

    Raises
    ------
    UsageError
        when it is neither.

    Examples
    --------
    >>> LicenseFilter("commercial").takes(read_license("GPL-3.0-only"))
    True
    """

    def __init__(self, wanted: str) -> None:
        self._kinds: tuple[str, ...] = ()
        self._id = ""
        words: dict[str, tuple[str, ...]] = {kind.replace(" ", "-"): (kind,) for kind in CLASSES}
        words["commercial"] = ("permissive", "copyleft")
        folded = re.sub(r"[\s_]+", "-", wanted.strip().casefold())
        if folded in words:
            self._kinds = words[folded]
            return
        self._id = canonical(wanted) or canonical(f"LicenseRef-{wanted}") or ""
        if not self._id or (self._id.startswith("LicenseRef-") and not terms_of(self._id).known):
            raise UsageError(
                f"--license {wanted!r} is neither a class of licences nor an SPDX id."
                f"{did_you_mean(folded, words)} The classes are {', '.join(words)}."
            )

    def takes(self, license: License) -> bool:
        """Whether a licence is one of these."""
        if self._kinds:
            return license.kind in self._kinds
        return self._id == license.id or self._id in re.split(r"[\s()]+", license.id)
