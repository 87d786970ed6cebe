"""What the user of this cache has agreed to: licences accepted, hashes trusted at first sight.

Kept in `<home>/consent.json`:

    {"format": 1,
     "licences": {model: {"stated", "at"}},
     "first_seen": {place of the weights: {"sha1", "sha256", "size", "at"}}}

A licence is asked for again when its words have changed. Weights whose hash nobody gave are held to
the one that came first, also after the model was removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo.errors import UnavailableError, UsageError
from zoo.registry.address import HasHashes
from zoo.registry.atomic import write_atomically
from zoo.registry.card import Card
from zoo.registry.hashes import ExpectedHash
from zoo.registry.licence import License, read_license

__all__ = ["Accept", "Consent", "license_of", "needs_acceptance"]

Accept = bool | Callable[[str], bool]
"""Whether licences are accepted: yes, no, or whoever is asked with their text."""

_FORMAT = 1
_ASKED = ("non-commercial", "restricted")


def license_of(card: Card) -> License:
    """The licence of a model: as looked up, else as its author stated it."""
    return read_license(card.value("license_spdx") or card.license)


def needs_acceptance(card: Card) -> bool:
    """Whether a user has to accept the licence before the weights come.

    Where none is stated there is nothing to accept; that is said instead.
    """
    return license_of(card).kind in _ASKED


class Consent:
    """What was agreed to.

    Parameters
    ----------
    home : folder of the cache.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "consent.json"

    def require_license(self, name: str, card: Card, accept: Accept) -> None:
        """Make sure that the licence is accepted, once for each model.

        Raises
        ------
        UsageError
            when it is not.
        """
        stated = card.license or card.value("license_spdx") or ""
        if not needs_acceptance(card) or self._accepted(name) == stated:
            return
        text = _terms(name, card)
        if not (accept(text) if callable(accept) else accept):
            raise UsageError(
                f"{text}\nNothing was fetched, for this was not accepted. --accept-license"
                " (accept_license=True) accepts it, once for this model."
            )
        self._note("licences", name, {"stated": stated})

    def first_seen(self, place: str) -> ExpectedHash | None:
        """The SHA-256 of the weights that came first from a place."""
        entry = self._read()["first_seen"].get(place)
        digest = entry.get("sha256") if isinstance(entry, dict) else None
        return ExpectedHash("sha256", digest) if isinstance(digest, str) else None

    def trust(self, place: str, hashes: HasHashes) -> None:
        """Hold every later fetch from a place to these weights."""
        facts = {"sha1": hashes.sha1, "sha256": hashes.sha256, "size": hashes.size}
        self._note("first_seen", place, facts)

    def _accepted(self, name: str) -> str | None:
        entry = self._read()["licences"].get(name)
        return entry.get("stated") if isinstance(entry, dict) else None

    def _read(self) -> dict[str, Any]:
        try:
            facts = json.loads(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            facts = {}
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"{self._path} cannot be read ({error}). It holds the hashes that were trusted at"
                " first sight; put back a copy of it, or remove it to begin anew."
            ) from None
        empty: dict[str, Any] = {"format": _FORMAT, "licences": {}, "first_seen": {}}
        known = facts if isinstance(facts, dict) else {}
        return empty | {key: known[key] for key in empty if isinstance(known.get(key), dict)}

    def _note(self, kind: str, key: str, facts: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            from filelock import FileLock  # only for writing, which is rare

            with FileLock(self._path.with_suffix(".lock")):
                everything = self._read()
                at = datetime.now(UTC).isoformat(timespec="seconds")
                everything[kind][key] = facts | {"at": at}
                write_atomically(self._path, (json.dumps(everything, indent=1) + "\n").encode())
        except OSError as error:
            raise UnavailableError(
                f"{self._path} cannot be written: {error.strerror or error}."
                " Set ZOO_HOME to a folder that you may write."
            ) from None


def _terms(name: str, card: Card) -> str:
    """What a user is asked to accept."""
    license = license_of(card)
    lines = [f"{name} has the licence {license.stated!r}: {license.sentence}."]
    if card.license and card.license != license.stated:
        lines.append(f"As its authors put it: {card.license}")
    for key in ("license_restricts", "license_url"):
        if value := card.value(key):
            lines.append(value)
    return "\n".join(lines)
