"""What the licences of SPDX allow, as far as that matters for a model: five yes-or-no questions.

An expression (`MIT OR GPL-3.0-only`) is read as SPDX defines it: AND binds tighter than OR, OR lets
the user choose the freer side, AND holds both, an exception (`WITH`) only ever allows more. Its
spelling has been checked by `packaging.licenses` before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["Terms", "continues", "terms_of"]


@dataclass(frozen=True)
class Terms:
    """What a licence allows and asks for.

    Parameters
    ----------
    commercial, derivatives, redistribution : whether these are allowed.
    share_alike : what is made from it has to stay under the same licence.
    attribution : the authors have to be named.
    known : whether the rest is known; False for terms that have to be read.
    """

    commercial: bool = True
    derivatives: bool = True
    redistribution: bool = True
    share_alike: bool = False
    attribution: bool = True
    known: bool = True

    @property
    def kind(self) -> str:
        """The class: permissive, copyleft, non-commercial or restricted."""
        if not self.known or not self.derivatives:
            return "restricted"
        if not self.commercial:
            return "non-commercial"
        return "copyleft" if self.share_alike else "permissive"

    @property
    def sentence(self) -> str:
        """What a user may do, in plain words."""
        if not self.known:
            return "terms of its own: read them before you use it"
        use = "any use, commercial too" if self.commercial else "research only, no commercial use"
        limits = {
            "no changed versions": not self.derivatives,
            "no redistribution": not self.redistribution,
            "what is made from it stays under the same licence": self.share_alike,
            "name the authors": self.attribution,
        }
        return "; ".join([use, *(words for words, applies in limits.items() if applies)])


FREE = Terms()
_FREEST_FIRST = ("permissive", "copyleft", "non-commercial", "restricted")

# Licences of the model zoo that SPDX does not know, and of those it knows the ones that waive all.
_NAMED = {
    "LicenseRef-CC-BY": FREE,
    "LicenseRef-BSD-style": FREE,
    "LicenseRef-non-commercial": replace(FREE, commercial=False),
    "LicenseRef-research-and-education": replace(FREE, commercial=False),
    "LicenseRef-OpenPose": replace(FREE, commercial=False, redistribution=False),
} | dict.fromkeys(
    ("LicenseRef-unrestricted", "LicenseRef-no-legal-constraints", "CC0-1.0", "Unlicense", "0BSD")
    + ("WTFPL", "PDDL-1.0", "MIT-0", "CC-PDDC"),
    replace(FREE, attribution=False),
)
_FAMILIES = (
    (
        r"MIT(-.*)?|BSD-.*|Apache-.*|ISC|Zlib|BSL-1\.0|NCSA|PostgreSQL|X11|Python-2\.0.*|PSF-2\.0"
        r"|Artistic-2\.0|AFL-3\.0|ECL-2\.0|ODC-By-1\.0|UPL-1\.0|MS-PL|BlueOak-1\.0\.0|HPND|OpenSSL"
        r"|CDLA-Permissive-.*|libpng.*|NAIST-2003|W3C|Unicode-.*|bzip2-.*|curl|FTL|IJG",
        FREE,
    ),
    (
        r"[AL]?GPL-.*|MPL-.*|EUPL-.*|EPL-.*|CDDL-.*|CECILL-.*|OSL-.*|ODbL-1\.0|OFL-.*|MS-RL|GFDL-.*"
        r"|CDLA-Sharing-.*|QPL-.*|RPL-.*",
        replace(FREE, share_alike=True),
    ),
    (r"PolyForm-Noncommercial-.*|NCGL-UK-2\.0|Aladdin", replace(FREE, commercial=False)),
)
_CREATIVE_COMMONS = re.compile(r"CC-BY((?:-NC|-SA|-ND)*)-\d.*")
_VERSIONED = re.compile(r"(?P<family>.*?)-(?P<version>\d+(\.\d+)*)(?P<later>-or-later|-only|\+)?")


def terms_of(expression: str) -> Terms:
    """The terms of an SPDX expression.

    Examples
    --------
    >>> terms_of("MIT OR GPL-3.0-only").kind, terms_of("MIT AND GPL-3.0-only").kind
    ('permissive', 'copyleft')
    """
    return _any_of(re.findall(r"[()]|[^\s()]+", expression))


def continues(child: str, parent: str) -> bool:
    """Whether a share-alike licence lets its works go on under `child`: the same, or a later one.

    Creative Commons allows later versions of a licence, the GPL family where the id says so.

    Examples
    --------
    >>> continues("CC-BY-SA-4.0", "CC-BY-SA-3.0"), continues("GPL-3.0-only", "GPL-2.0-only")
    (True, False)
    """
    ours, theirs = _VERSIONED.fullmatch(child), _VERSIONED.fullmatch(parent)
    if ours is None or theirs is None or ours["family"] != theirs["family"]:
        return child == parent
    newer, older = (tuple(map(int, found["version"].split("."))) for found in (ours, theirs))
    later = theirs["family"].startswith("CC-") or theirs["later"] in ("-or-later", "+")
    return newer == older or (later and newer > older)


def _any_of(words: list[str]) -> Terms:
    sides = [_all_of(words)]
    while _next(words, "OR"):
        sides.append(_all_of(words))
    return min(sides, key=lambda terms: _FREEST_FIRST.index(terms.kind))


def _all_of(words: list[str]) -> Terms:
    terms = _one(words)
    while _next(words, "AND"):
        terms = _both(terms, _one(words))
    return terms


def _one(words: list[str]) -> Terms:
    if _next(words, "("):
        terms = _any_of(words)
        _next(words, ")")
        return terms
    terms = _single(words.pop(0).removesuffix("+"))
    if _next(words, "WITH"):
        words.pop(0)
    return terms


def _next(words: list[str], word: str) -> bool:
    if words[:1] != [word]:
        return False
    del words[0]
    return True


def _both(one: Terms, other: Terms) -> Terms:
    return Terms(
        commercial=one.commercial and other.commercial,
        derivatives=one.derivatives and other.derivatives,
        redistribution=one.redistribution and other.redistribution,
        share_alike=one.share_alike or other.share_alike,
        attribution=one.attribution or other.attribution,
        known=one.known and other.known,
    )


def _single(id: str) -> Terms:
    if id in _NAMED:
        return _NAMED[id]
    if found := _CREATIVE_COMMONS.fullmatch(id):
        parts = found[1].split("-")
        return Terms("NC" not in parts, "ND" not in parts, share_alike="SA" in parts)
    family = (terms for pattern, terms in _FAMILIES if re.fullmatch(pattern, id))
    return next(family, replace(FREE, known=False))
