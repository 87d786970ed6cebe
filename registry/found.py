"""One model in one place: found there by its name, or by its title and other names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import CardError, UnknownModelError
from zoo.registry.card import Card
from zoo.registry.model_entry import ModelEntry
from zoo.registry.storage import Listing, RemoteFile, Storage, open_source

__all__ = ["Found", "Sources", "as_storages", "listed_entry", "match"]

Sources = str | Path | Storage | Sequence[str | Path | Storage]
"""Places to search: folders, http(s) addresses, storages, one or several."""


@dataclass(frozen=True)
class Found:
    """A model in a source, not fetched yet."""

    name: str
    source: Storage
    card: Card

    def files(self) -> Sequence[RemoteFile]:
        """The files beside the card."""
        return self.source.files(self.name)

    def shared_files(self) -> Sequence[RemoteFile]:
        """The files that lie beside the models of the source."""
        return self.source.files("")

    def text(self, file: str) -> str:
        """A small file, such as a prototxt, without fetching the model."""
        with self.source.open(self.name, file) as (pieces, _):
            return b"".join(pieces).decode("utf-8", "replace")


def as_storages(sources: Sources) -> list[Storage]:
    """The storages that a `sources` argument means."""
    several = [sources] if isinstance(sources, str | Path | Storage) else sources
    return [item if isinstance(item, Storage) else open_source(item) for item in several]


def match(
    source: Storage, name: str, names: Sequence[str], *, by_title: bool = False
) -> Found | None:
    """The model of a source that `name` means, or None.

    Parameters
    ----------
    names : what the source lists. One that lists nothing is asked for the name itself.
    by_title : compare with the titles in the cards instead of the directories' names.
    """
    wanted = name.casefold()
    if by_title and isinstance(source, Listing) and (resolved := source.resolve(name)):
        return Found(resolved, source, source.card(resolved))
    if by_title:
        candidates = [each for each in names if listed_entry(source, each) is None]
    elif names:
        candidates = sorted((n for n in names if n.casefold() == wanted), key=lambda n: n != name)
    else:
        candidates = [name]
    for candidate in candidates:
        try:
            card = source.card(candidate)
        except UnknownModelError:
            continue
        except CardError:
            if by_title:
                continue
            raise
        if not by_title or (card.name or "").casefold() == wanted:
            return Found(candidate, source, card)
    return None


def listed_entry(source: Storage, name: str) -> ModelEntry | None:
    """What a source tells of a model without its card being read, if it does."""
    return source.entry(name) if isinstance(source, Listing) else None
