"""What a card has to say before its model is published: every shortcoming, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import CardError, UsageError
from zoo.registry.bibliography import read_bibtex
from zoo.registry.card import Card
from zoo.registry.hashes import Hashes, parse_hash
from zoo.registry.licence import License, read_license
from zoo.registry.lint import lint
from zoo.registry.publish_derived import stated_sources
from zoo.registry.publish_plan import Flaw, PublishedFile

__all__ = ["card_flaws", "computed_values", "line_of", "path_flaws", "published_license"]

COMPUTED = ("caffemodel", "sha1", "sha256", "size_bytes")
_FINE_TUNED = re.compile(r"\bfine-?\s?tun(?:ed|ing)\s+(?:\w+\s+){0,3}?(?:from|on top of)\b", re.I)
_OWN_PLACES = r"(?:home|Users|root|mnt|media|scratch|tmp|workspace)"
_ABSOLUTE = re.compile(rf"(?<![\w:/.~-])(?:/{_OWN_PLACES}/[\w.-]|~/[\w.]|[A-Za-z]:\\[\w.])")
_BIBTEX = re.compile(r"\s*@[A-Za-z]+\s*\{")
_QUOTED_PATH = re.compile(r"""^\s*(?P<field>\w+)\s*:\s*["'](?:/|~/|[A-Za-z]:[\\/])""")
_NO_PATHS = ("name", "bottom", "top", "type")


def line_of(card: Card, key: str) -> int | None:
    """The line of the readme on which a key stands; None where it does not."""
    entry = card.document.entry(key, card.chosen)
    return entry.first + 1 if entry else None


def published_license(card: Card) -> License:
    """The licence that a card states."""
    return read_license(card.value("license_spdx") or card.license)


def computed_values(
    card: Card, weights: PublishedFile, hashes: Hashes, *, rehash: bool
) -> dict[str, Any]:
    """What can be computed and the card does not say: name, hashes and size of the weights.

    Parameters
    ----------
    rehash : replace what the card says of hash and size.
    """
    facts = {
        "caffemodel": weights.name,
        "sha1": hashes.sha1,
        "sha256": hashes.sha256,
        "size_bytes": str(hashes.size),
    }
    return {
        key: value
        for key, value in facts.items()
        if card.value(key) is None or (rehash and key != "caffemodel")
    }


def card_flaws(card: Card, hashes: Hashes | None, *, rehash: bool = False) -> list[Flaw]:
    """Everything that is wrong with a card, by line.

    Parameters
    ----------
    hashes : of the weights; None where there are none.
    rehash : the hashes that the card states are about to be replaced.
    """
    found = [
        *_linted(card, rehash),
        *_several(card),
        *(() if hashes is None or rehash else _hashes(card, hashes)),
        *_license(card),
        *_citation(card),
        *_source(card),
    ]
    return [Flaw(card.path, line, text) for line, text in sorted(found, key=lambda flaw: flaw[0])]


def path_flaws(card: Card, files: Sequence[PublishedFile]) -> list[Flaw]:
    """Paths of the author's machine in the readme and the definitions, which help nobody else."""
    flaws = []
    for number, line in enumerate(card.text().splitlines(), 1):
        if _ABSOLUTE.search(line):
            flaws.append(Flaw(card.path, number, _PATH_ADVICE.format(line.strip()[:80])))
    for file in files:
        if file.name.endswith(".prototxt") and file.path is not None:
            flaws += _definition_paths(file.path)
    return flaws


_PATH_ADVICE = "a path that only your machine has: {}. Leave it out, or name the file alone."

_Found = Iterator[tuple[int, str]]


def _linted(card: Card, rehash: bool) -> _Found:
    """What `zoo lint` says, but for what is about to be computed and what is said better here."""
    computed = {key for key in COMPUTED if rehash or card.value(key) is None}
    empty = {line_of(card, key) for key in card.empty_keys}
    for problem in lint(card):
        named = problem.key is not None or problem.line not in empty
        if named and problem.key not in (*computed, "license"):
            yield problem.line, problem.text if problem.text.endswith(".") else f"{problem.text}."


def _several(card: Card) -> _Found:
    if card.models:
        names = ", ".join(str(model.get("name", model.get("caffemodel"))) for model in card.models)
        yield 1, f"the readme describes several models ({names}); publish each with its own."


def _hashes(card: Card, hashes: Hashes) -> _Found:
    advice = "if these weights are the right ones, --rehash writes what they have."
    for key, received in (("sha1", hashes.sha1), ("sha256", hashes.sha256)):
        try:
            stated = parse_hash(card.value(key) or "", algorithm=key).digest
        except UsageError:
            continue  # missing, or no hash at all, which was said before
        if stated != received:
            text = f"{key}: {stated}, but the weights have {received}; {advice}"
            yield card.line(key), text
    size = card.size_bytes
    if size is not None and size != hashes.size:
        text = f"size_bytes: {size}, but the weights have {hashes.size}; {advice}"
        yield card.line("size_bytes"), text


def _license(card: Card) -> _Found:
    license, line = published_license(card), card.line("license")
    if license.terms is None:
        yield (
            line,
            "license: missing. Say what others may do with the weights: an SPDX id such as"
            " BSD-2-Clause (https://spdx.org/licenses), or LicenseRef-... and license_url for"
            " terms of your own.",
        )
    elif not license.is_spdx and not (
        license.stated.startswith("LicenseRef-") or card.value("license_url")
    ):
        likely = license.id or "LicenseRef-and-a-name"
        yield (
            line,
            f"license: {license.stated!r} is no SPDX id (https://spdx.org/licenses). If the terms"
            f" are your own, write {likely}, or add license_url with their address.",
        )


def _citation(card: Card) -> _Found:
    begun = _citation_line(card)
    if begun is None:
        yield (
            card.line("citation"),
            "citation: missing. Add the BibTeX entry of the paper to the text, or"
            " '@misc{key, author = {...}, title = {...}, year = {...}}' where there is none.",
        )
        return
    try:
        # An entry that never ends is none for a reader of cards, but its author meant one.
        read_bibtex(card.citation or card.body, "citation")
    except CardError as error:
        yield begun, str(error)


def _citation_line(card: Card) -> int | None:
    """Where the citation begins; None where there is none."""
    if card.value("citation"):
        return card.line("citation")
    lines = card.text().splitlines()
    return next((n for n, text in enumerate(lines, 1) if _BIBTEX.match(text)), None)


def _source(card: Card) -> _Found:
    """A text that tells of fine-tuning asks for the model that was fine-tuned."""
    if stated_sources(card) or card.value("derived_from") is not None:
        return
    for number, text in enumerate(card.text().splitlines(), 1):
        if _FINE_TUNED.search(text):
            yield (
                number,
                "derived_from: missing, and the text says that the model was fine-tuned. Name its"
                " source as name@sha1:..., or write 'derived_from: none' if there is none.",
            )
            return


def _definition_paths(path: Path) -> list[Flaw]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [Flaw(str(path), None, f"cannot be read as text: {error}")]
    flaws = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _QUOTED_PATH.match(line)
        if found and found["field"] not in _NO_PATHS:
            flaws.append(Flaw(str(path), number, _PATH_ADVICE.format(line.strip()[:80])))
    return flaws
