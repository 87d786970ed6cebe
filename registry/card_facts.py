"""What a card says, as plain values that print as JSON: for `zoo info` and for programs.

The keys are those of the model zoo's readmes and of zoo's catalogue (see `zoo.registry.known`), so
that a model answers alike before and after it was fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.registry.card import Card
from zoo.registry.licence import read_license

__all__ = ["card_facts", "is_measured", "texts"]

_TEXTS = (
    "task",
    "caffemodel",
    "caffemodel_url",
    "archive_member",
    "sha1",
    "sha256",
    "md5",
    "license",
    "license_url",
    "gist_id",
    "arxiv",
)
_LISTS = ("aliases", "mirrors", "prototxt", "datasets", "derived_from", "also_cite")
_SECTIONS = ("prototxt_sha1", "input_incomplete", "classes", "accuracy", "needs", "sources")


def card_facts(card: Card) -> dict[str, Any]:
    """Everything that a card says, None where it says nothing.

    Returns
    -------
    ``{"task", "caffemodel", "caffemodel_url", "archive_member", "sha1", "sha256", "md5",
    "license", "license_url", "gist_id", "arxiv"}``: texts;
    ``{"aliases", "mirrors", "prototxt", "datasets", "derived_from", "also_cite"}``: lists;
    ``{"prototxt_sha1", "input_incomplete", "classes", "accuracy", "needs", "sources"}``: as the
    card has them; and ``{"pinned", "license_id", "license_class", "license_meaning",
    "license_restricts", "params_million", "input", "labels", "citation", "notes", "metadata"}``.

    Raises
    ------
    CardError
        when the input section is wrong.

    Examples
    --------
    >>> card_facts(Card.parse("---\\nname: LeNet\\nlicense: BSD 2-clause\\n---\\n"))["license_id"]
    'BSD-2-Clause'
    """
    metadata = {key: _plain(value) for key, value in card.metadata.items()}
    license = read_license(card.value("license_spdx") or card.license)
    millions = card.value("params_million")
    return {
        **{key: card.value(key) for key in _TEXTS},
        **{key: texts(card, key) for key in _LISTS},
        **{key: metadata.get(key) for key in _SECTIONS},
        "pinned": bool(card.sha1 or card.sha256),
        "license_id": license.id or None,
        "license_class": license.kind,
        "license_meaning": license.sentence,
        "license_restricts": card.value("license_restricts"),
        "params_million": float(millions) if millions else None,
        "input": card.input.to_mapping() if card.input else None,
        "labels": card.labels,
        "citation": card.citation,
        "notes": card.value("notes"),
        "metadata": metadata,
    }


def is_measured(facts: Mapping[str, Any], measure: str) -> bool:
    """Whether a run measured an accuracy that a card states; any other is only claimed.

    A run binds its number to the data, the way of measuring and these very weights, in the card's
    `evidence`; a number or weights that were changed afterwards are bound to nothing.

    Parameters
    ----------
    facts : of `card_facts`.
    measure : a key of its "accuracy".

    Examples
    --------
    >>> card = Card.parse("---\\nname: a\\naccuracy: {top1: 57.1}\\n---\\n")
    >>> is_measured(card_facts(card), "top1")
    False
    """
    evidence = (facts.get("metadata") or {}).get("evidence")
    if not isinstance(evidence, dict) or not evidence.get("data_sha256"):
        return False
    return (
        evidence.get("measure") == measure
        and evidence.get("percent") == facts["accuracy"].get(measure)
        and evidence.get("weights_sha256") == facts["sha256"]
    )


def texts(card: Card, key: str) -> list[str]:
    """The texts of a key that may have one or several.

    >>> texts(Card.parse("---\\nname: a\\nderived_from: b\\n---\\n"), "derived_from")
    ['b']
    """
    value = card.metadata.get(key)
    values = value if isinstance(value, list) else [value]
    found = [str(item).strip() for item in values if not isinstance(item, dict | list | None)]
    return [text for text in found if text]


def _plain(value: Any) -> Any:
    """A value of the metadata as JSON knows it; YAML reads dates as dates."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
