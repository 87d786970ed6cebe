"""Models that began with the weights of another: which one, under which licence, and whether the
licence of the new one agrees.

    derived_from: bvlc_googlenet@sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204
    derived_from_license: LicenseRef-unrestricted
    despite_source_license: "..."     why the licence is freer than that of the source all the same

`derived_from` may be a list, and so may `derived_from_license`, in the same order. Sources of
sources count too, as far as their cards are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo.errors import UsageError, ZooError
from zoo.registry.address import parse_address
from zoo.registry.card import Card
from zoo.registry.card_facts import texts
from zoo.registry.licence import License, read_license, restricts

__all__ = [
    "Conflict",
    "FindCard",
    "Source",
    "conflicts",
    "derivation",
    "explained",
    "license_values",
    "stated_sources",
]

FROM_SCRATCH = ("none", "scratch")
_MOST = 50
_LEAD = "Licence of the source:"
_PARAGRAPH = re.compile(rf"^{_LEAD}.*(?:\n(?!\s*$).*)*\n?", re.MULTILINE)

FindCard = Callable[[str], Card]
"""The card of an address or a name; raises ZooError where it cannot be had."""


@dataclass(frozen=True)
class Source:
    """A model that another began with.

    Parameters
    ----------
    text : as the card names it.
    name : without the hash.
    card : what is known of it; None where it could not be found, for the reason in `problem`.
    license : of its weights.
    """

    text: str
    name: str
    card: Card | None
    license: License
    problem: str = ""


@dataclass(frozen=True)
class Conflict:
    """A source whose licence does not allow the one of the new model, and why."""

    source: Source
    reason: str


def stated_sources(card: Card) -> list[str]:
    """What the card names as the models it began with; empty for one from scratch."""
    given = texts(card, "derived_from")
    return [] if [text.lower() for text in given] in [[word] for word in FROM_SCRATCH] else given


def derivation(card: Card, find: FindCard) -> tuple[list[Source], list[str]]:
    """The sources that a card names, and what is wrong with how it does.

    Returns
    -------
    The sources in their order, and sentences.
    """
    sources: list[Source] = []
    wrong: list[str] = []
    given = texts(card, "derived_from_license")
    names = stated_sources(card)
    if given and len(given) != len(names):
        wrong.append(
            f"derived_from names {len(names)} model(s), derived_from_license {len(given)}"
            " licence(s); expected one for each, in the same order."
        )
        given = []
    for number, text in enumerate(names):
        try:
            source = _source(text, given[number] if given else "", find)
        except UsageError as error:
            wrong.append(f"derived_from: {error}")
            continue
        sources.append(source)
        wrong += _wrong_with(source, given[number] if given else "")
    return sources, wrong


def conflicts(license: License, sources: Sequence[Source], find: FindCard) -> list[Conflict]:
    """The sources, and theirs in turn, whose licences do not allow `license`."""
    found = []
    for source in _ancestors(sources, find):
        if reason := restricts(license, source.license):
            found.append(Conflict(source, reason))
    return found


def explained(card: Card, conflicts: Sequence[Conflict], reason: str) -> Card:
    """The card that says why it is published although its source's licence speaks against it."""
    license = read_license(card.value("license_spdx") or card.license).label
    told = "; ".join(
        f"{conflict.source.name} ({conflict.source.license.label}), from which it was made:"
        f" {conflict.reason}"
        for conflict in conflicts
    )
    sentence = f"{_LEAD} published as {license} despite {told}. The reason given: {reason}\n"
    card = card.with_values(despite_source_license=reason)
    text = card.text()
    if _PARAGRAPH.search(card.body):
        text = _PARAGRAPH.sub(lambda _: sentence, text, count=1)
    else:
        text = f"{text.rstrip()}\n\n{sentence}"
    return replace(Card.parse(text, card.path), encoding=card.encoding)


def _source(text: str, stated: str, find: FindCard) -> Source:
    address = parse_address(text, prefer_names=True)
    name = text.partition("@sha")[0] if address.pin else text
    try:
        card = find(name)
    except ZooError as error:
        return Source(text, name, None, read_license(stated), str(error).splitlines()[0])
    license = read_license(card.value("license_spdx") or card.license)
    return Source(text, name, card, license)


def _wrong_with(source: Source, stated: str) -> Iterator[str]:
    """What a card says badly of one of its sources."""
    pin = parse_address(source.text, prefer_names=True).pin
    known = (
        {kind: (source.card.value(kind) or "").lower() for kind in ("sha1", "sha256")}
        if (source.card)
        else {}
    )
    if pin is None:
        example = known.get("sha1") or "and the sha1 of its weights"
        yield (
            f"derived_from: {source.text} does not say which weights; expected"
            f" {source.name}@sha1:{example}."
        )
    elif known.get(pin.algorithm) and not known[pin.algorithm].startswith(pin.digest):
        yield (
            f"derived_from: the weights of {source.name} have {pin.algorithm}"
            f" {known[pin.algorithm]}, not {pin.digest}. If these are of a model of that name"
            " elsewhere, give its --source."
        )
    if source.card is None and not stated:
        yield (
            f"derived_from: nothing is known of {source.name} here ({source.problem}); add"
            " 'derived_from_license: ...' with the licence of its weights, or give its --source."
        )
    if source.card is not None and stated and read_license(stated).id != source.license.id:
        yield (
            f"derived_from_license: {stated}, but the card of {source.name} says"
            f" {source.license.id or source.license.stated or 'nothing'}."
        )


def _ancestors(sources: Sequence[Source], find: FindCard) -> Iterator[Source]:
    """Sources and theirs in turn, each once; those that cannot be found end the line."""
    waiting, seen = list(sources), {source.name for source in sources}
    for _ in range(_MOST):
        if not waiting:
            return
        source = waiting.pop(0)
        yield source
        for text in stated_sources(source.card) if source.card else ():
            try:
                parent = _source(text, "", find)
            except UsageError:
                continue
            if parent.name not in seen and parent.card is not None:
                seen.add(parent.name)
                waiting.append(parent)


def license_values(sources: Sequence[Source]) -> dict[str, Any]:
    """What the card records of the licences of its sources."""
    ids = [source.license.id or source.license.stated or "not stated" for source in sources]
    if not ids:
        return {}
    return {"derived_from_license": ids[0] if len(ids) == 1 else ids}
