"""All models that can be had: those of the given sources in their order, then the embedded ones.

Models are found by the name of their directory, in any case, else by the title in their card.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zoo.errors import CardError, DownloadError, UnknownModelError
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel
from zoo.registry.card import Card
from zoo.registry.contents import check_model_name, weights_file
from zoo.registry.storage import RemoteFile, Storage, embedded, open_source
from zoo.registry.storage.folder import FolderSource

__all__ = ["Found", "ModelEntry", "Registry", "SearchResult", "Sources", "match"]

Sources = str | Path | Storage | Sequence[str | Path | Storage]
"""Places to search: folders, http(s) addresses, storages, one or several."""


@dataclass(frozen=True)
class ModelEntry:
    """A line of the catalogue. `size` is that of the weights; `problem` says why a card is None."""

    name: str
    title: str
    source: str
    license: str | None
    size: int | None
    cached: bool
    card: Card | None
    problem: str = ""


@dataclass(frozen=True)
class SearchResult:
    """What a search found, best first; `near` are names that look alike when nothing was found."""

    entries: Sequence[ModelEntry]
    near: Sequence[str] = ()


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


class Registry:
    """Several sources searched in order, the embedded one last.

    Parameters
    ----------
    sources : folders of model directories, http(s) addresses of such, or storages.
    cache : what is already here.

    Attributes
    ----------
    unreachable : reason by name of source, for those that failed so far.

    Examples
    --------
    >>> Registry().search("no such model at all").entries
    []
    """

    def __init__(self, sources: Sources = (), cache: Cache | None = None) -> None:
        self.sources = [*as_storages(sources), embedded()]
        self.cache = cache or Cache()
        self.unreachable: dict[str, str] = {}
        self._known: dict[int, Sequence[str]] = {}

    def find(self, name: str) -> Found:
        """The first source that has a model of that name.

        Raises
        ------
        UnknownModelError
            with the nearest names of all sources, and the sources that could not be reached.
        DownloadError
            when none of the given sources could be reached.
        """
        check_model_name(name)
        for by_title in (False, True):
            for source, names in self._listings():
                try:
                    found = match(source, name, names, by_title=by_title)
                except DownloadError as error:
                    self._failed(source, error)
                    continue
                if found is not None:
                    return found
        self._require_a_source()
        raise UnknownModelError(name, self.names(), self._searched())

    def names(self) -> Sequence[str]:
        """Every name, in the order of the sources."""
        return list(dict.fromkeys(name for _, names in self._listings() for name in names))

    def list(self) -> Sequence[ModelEntry]:
        """Every model: those of the sources in their order, then what is only in the cache.

        Raises
        ------
        DownloadError
            when none of the given sources could be reached.
        """
        entries: dict[str, ModelEntry] = {}
        for source, names in self._listings():
            for name in names:
                if name not in entries and (entry := self._entry(source, name)) is not None:
                    entries[name] = entry
        self._require_a_source()
        for name, model in self._cached.items():
            if name not in entries:
                entries[name] = _entry_of(name, model.card, model.record.source, model, None)
        return [*entries.values()]

    def search(self, query: str) -> SearchResult:
        """Models in which every word of `query` occurs.

        Those with all words in the name come first, then title, task and licence, text. Near names
        are given when nothing matches.
        """
        words = query.casefold().split()
        entries = self.list()
        ranked = [(rank, entry) for entry in entries if (rank := _rank(entry, words)) is not None]
        if ranked:
            return SearchResult([entry for _, entry in sorted(ranked, key=lambda pair: pair[0])])
        names = {entry.name.casefold(): entry.name for entry in entries}
        near = difflib.get_close_matches(query.casefold(), names, n=3, cutoff=0.5)
        return SearchResult([], [names[name] for name in near])

    @cached_property
    def _cached(self) -> dict[str, CachedModel]:
        return {model.name: model for model in self.cache.models()}

    def _listings(self) -> Iterator[tuple[Storage, Sequence[str]]]:
        """Every source that can be reached with its names; one that failed is not asked again."""
        for source in self.sources:
            if source.name in self.unreachable:
                continue
            try:
                if id(source) not in self._known:
                    self._known[id(source)] = source.list()
            except DownloadError as error:
                self._failed(source, error)
                continue
            yield source, self._known[id(source)]

    def _entry(self, source: Storage, name: str) -> ModelEntry | None:
        model = self._cached.get(name)
        if source.name in self.unreachable:
            return None
        try:
            card = source.card(name)
            size = _size(source, name, card) if model is None else None
        except UnknownModelError:
            return None  # a directory that holds no model
        except DownloadError as error:
            self._failed(source, error)
            return None
        except CardError as error:
            return ModelEntry(
                name, name, source.name, None, None, model is not None, None, str(error)
            )
        return _entry_of(name, card, source.name, model, size)

    def _failed(self, source: Storage, error: DownloadError) -> None:
        self.unreachable[source.name] = error.attempts[0][1] if error.attempts else str(error)

    def _require_a_source(self) -> None:
        given = [source.name for source in self.sources[:-1]]
        if given and all(name in self.unreachable for name in given):
            attempts = [(name, self.unreachable[name]) for name in given]
            tried = "".join(f"\n  {name}: {reason}" for name, reason in attempts)
            raise DownloadError(f"no source could be reached:{tried}", attempts)

    def _searched(self) -> str:
        texts = []
        for source in self.sources:
            reason = self.unreachable.get(source.name)
            label = "the embedded models" if source is self.sources[-1] else source.name
            texts.append(f"{label} (could not be reached: {reason})" if reason else label)
        return " or ".join(texts)


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
    if by_title:
        candidates = list(names)
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


def _entry_of(
    name: str, card: Card, source: str, model: CachedModel | None, size: int | None
) -> ModelEntry:
    if model is not None:
        weights = model.record.files.get(model.record.weights or "")
        size = weights.size if weights else None
    title = card.name or name
    return ModelEntry(name, title, source, card.license, size, model is not None, card)


def _size(source: Storage, name: str, card: Card) -> int | None:
    """Bytes of the weights, where knowing them costs no request."""
    if card.size_bytes is None and isinstance(source, FolderSource):
        sizes = {file.name: file.size for file in source.files(name)}
        weights = weights_file(sizes, card)
        return sizes[weights] if weights else None
    return card.size_bytes


def _rank(entry: ModelEntry, words: Sequence[str]) -> int | None:
    """How early all words are found: 0 in the name, 3 only with the text; None if not at all."""
    card = entry.card
    facts = f"{card.value('task') or ''} {entry.license or ''}" if card else ""
    seen = ""
    for rank, text in enumerate((entry.name, entry.title, facts, card.body if card else "")):
        seen += "\n" + text.casefold()
        if all(word in seen for word in words):
            return rank
    return None
