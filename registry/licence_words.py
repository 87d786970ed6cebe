"""The SPDX id that an author's words mean.

Authors of the model zoo rarely wrote SPDX: "BSD 2-clause", "non-commercial use only", the address
of a Creative Commons licence. What names no version or variant gets a `LicenseRef-` id that says
what is known, never a guess at the rest.
"""

from __future__ import annotations

import re

__all__ = ["canonical", "names_none", "spelled_out"]

_NONE = re.compile(
    r"(none|unknown|noassertion|n/?a|not (stated|known|specified)|[?-]+)?\.?"
    r"|.*\bno(ne)?\b.{0,12}\b(stated|named|specified|given)\b.*"
)
# The most telling words first: "BSD 2 clause, non-commercial" is no BSD licence.
_WORDS = tuple(
    (re.compile(pattern), id)
    for pattern, id in (
        (r"openpose", "LicenseRef-OpenPose"),
        (r"non-?\s?commercial|not for commercial", "LicenseRef-non-commercial"),
        (r"academic|research|education", "LicenseRef-research-and-education"),
        (r"apache.{0,24}\b2(\.0)?\b", "Apache-2.0"),
        (r"\bcc[ -]?0\b|publicdomain/zero/1\.0", "CC0-1.0"),
        (r"affero.{0,30}3|\bagpl.{0,3}3", "AGPL-3.0-only"),
        (r"lesser.{0,30}2\.1|\blgpl.{0,3}2\.1", "LGPL-2.1-only"),
        (r"lesser.{0,30}3|\blgpl.{0,3}3", "LGPL-3.0-only"),
        (r"general public license.{0,12}3|\bgpl.{0,3}3", "GPL-3.0-only"),
        (r"general public license.{0,12}2|\bgpl.{0,3}2", "GPL-2.0-only"),
        (r"\bbsd.{0,12}\b(2|two)\b|simplified bsd", "BSD-2-Clause"),
        (r"\bbsd.{0,12}\b(3|three)\b|(new|modified) bsd", "BSD-3-Clause"),
        (r"\bmit\b", "MIT"),
        (r"\bbsd\b", "LicenseRef-BSD-style"),
        (r"\bcc[ -]by\b", "LicenseRef-CC-BY"),
        (r"unrestricted", "LicenseRef-unrestricted"),
        (r"no legal constraints|public domain", "LicenseRef-no-legal-constraints"),
    )
)
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/licenses/(?P<parts>by[a-z-]*)/(?P<version>\d\.\d)"
    r"|\bcc[ -](?P<short>by(?:[ -](?:nc|sa|nd))*)[ -]v?(?P<short_version>\d\.\d)"
    r"|creative commons (?P<long>attribution[a-z -]*?)[ -]*v?(?P<long_version>\d\.\d)"
)
_PARTS = (("non-?commercial", "nc"), ("no-?deriv", "nd"), ("share-?alike", "sa"))


def canonical(text: str) -> str | None:
    """An SPDX expression in its proper spelling, None for anything else.

    >>> canonical("mit or apache-2.0"), canonical("BSD")
    ('MIT OR Apache-2.0', None)
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def names_none(text: str) -> bool:
    """Whether an author's words say that there is no licence, or nothing at all."""
    return _NONE.fullmatch(text.casefold().strip()) is not None


def spelled_out(text: str) -> str | None:
    """The licence that words mean, None where they are words of their own.

    >>> spelled_out("http://creativecommons.org/licenses/by-nc/4.0/ (personal use)")
    'CC-BY-NC-4.0'
    >>> spelled_out("BSD 3-Clause (repository)"), spelled_out("ask me")
    ('BSD-3-Clause', None)
    """
    folded = text.casefold()
    named = (id for pattern, id in _WORDS if pattern.search(folded))
    return _creative_commons(folded) or next(named, None)


def _creative_commons(folded: str) -> str | None:
    found = _CREATIVE_COMMONS.search(folded)
    if found is None:
        return None
    if found["long"]:
        parts = ["by", *(part for word, part in _PARTS if re.search(word, found["long"]))]
    else:
        parts = re.split(r"[ -]", found["parts"] or found["short"])
    version = found["version"] or found["short_version"] or found["long_version"]
    return canonical("-".join(["cc", *parts, version]))
