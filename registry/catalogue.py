"""All models that can be had: of the given sources in their order, of the user's own (see
`zoo.registry.sources`), embedded, of the catalogue.

Models are found by the name of their directory, in any case, else by the title in their card or,
in the catalogue, by any of their other names. A name that several of the user's own sources have is
said with the source in front: `lab/my_model`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from zoo.errors import (
    CardError,
    DownloadError,
    UnavailableError,
    UnknownModelError,
    UsageError,
    ZooError,
    did_you_mean,
    near_names,
)
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel
from zoo.registry.card import Card
from zoo.registry.contents import check_model_name, weights_file
from zoo.registry.found import Found, Sources, as_storages, listed_entry, match
from zoo.registry.local import refuse_path
from zoo.registry.model_entry import ModelEntry
from zoo.registry.search import ranked
from zoo.registry.sources import configured_sources
from zoo.registry.storage import Listing, Storage, embedded, open_source
from zoo.registry.storage.folder import FolderSource
from zoo.registry.storage.known import KnownSource

__all__ = ["Registry", "SearchResult"]


@dataclass(frozen=True)
class SearchResult:
    """What a search found, best first; `near` are names that look alike when nothing was found."""

    entries: Sequence[ModelEntry]
    near: Sequence[str] = ()


class Registry:
    """Several sources searched in order, the models that come with zoo and its catalogue last.

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
        given = as_storages(sources)
        self.unreachable: dict[str, str] = {}
        own = self._configured()
        with_zoo: dict[str, Storage] = {"embedded": embedded(), "catalogue": KnownSource()}
        self.sources: list[Storage] = [*given, *own.values(), *with_zoo.values()]
        self.cache = cache or Cache()
        self._named = own | with_zoo
        self._own = {id(source): name for name, source in own.items()}
        self._given = [source.name for source in given]
        self._known: dict[int, Sequence[str]] = {}

    def find(self, name: str) -> Found:
        """The first source that has a model of that name.

        Parameters
        ----------
        name : of a model, or with the source in front that is meant: one of the user's own,
            `embedded` or `catalogue`.

        Raises
        ------
        UsageError
            when several of the user's own sources have it, or no source is called so, or nothing
            has that name but a folder or a file here.
        UnknownModelError
            with the nearest names of all sources, and the sources that could not be reached.
        DownloadError
            when none of the given sources could be reached.
        """
        qualifier, separator, bare = name.partition("/")
        if separator:
            if qualifier not in self._named and qualifier not in self.unreachable:
                refuse_path(name)
            return self._find_in(qualifier, check_model_name(bare))
        check_model_name(name)
        found = self._first(name, by_title=False) or self._first(name, by_title=True)
        if found is not None:
            return found
        self._require_a_source()
        refuse_path(name)
        raise UnknownModelError(name, [*self.names(), *self._aliases()], self._searched())

    def names(self) -> Sequence[str]:
        """Every name, in the order of the sources."""
        return list(dict.fromkeys(name for _, names in self._listings() for name in names))

    def list(self) -> Sequence[ModelEntry]:
        """Every model: of the sources in their order, then only in the cache, then the catalogue's.

        Raises
        ------
        DownloadError
            when none of the given sources could be reached.
        """
        *listings, catalogue = self._listings()
        clashing = self._clashing(listings)
        listed = [
            self._qualified(entry, source) if entry.name in clashing else entry
            for source, names in listings
            for entry in self._entries(source, names)
        ]
        self._require_a_source()
        listed += [
            ModelEntry.of_card(name, model.card, model.record.source)
            for name, model in self._cached.items()
        ]
        entries: dict[str, ModelEntry] = {}
        for entry in (*listed, *self._entries(*catalogue)):
            entries.setdefault(entry.name, self._with_cache(entry))
        return [*entries.values()]

    def search(self, query: str) -> SearchResult:
        """Models in which every word of `query` occurs, best first, see `zoo.registry.search`.

        Near names are given when nothing matches.
        """
        found = ranked(self.list(), query)
        return SearchResult(found, () if found else self.near(query))

    def near(self, name: str) -> Sequence[str]:
        """The names of models, at most three, that look most like `name`."""
        names = {
            called.casefold(): entry.name
            for entry in self.list()
            for called in (entry.name, *entry.aliases)
        }
        near = near_names(name.casefold(), names)
        return list(dict.fromkeys(names[called] for called in near))

    @cached_property
    def _cached(self) -> dict[str, CachedModel]:
        return {model.name: model for model in self.cache.models()}

    def _configured(self) -> dict[str, Storage]:
        """The user's own sources by name; one that cannot be used now stops no other."""
        found = {}
        for name, address in configured_sources().items():
            try:
                found[name] = open_source(address)
            except ZooError as error:
                self.unreachable[name] = str(error)
        return found

    def _first(self, name: str, *, by_title: bool) -> Found | None:
        """The first model of that name; several in the user's own sources are not chosen among."""
        own: dict[str, Found] = {}
        for source, names in self._listings():
            qualifier = self._own.get(id(source))
            if own and qualifier is None:
                break
            try:
                found = match(source, name, names, by_title=by_title)
            except DownloadError as error:
                self._failed(source, error)
                continue
            if found is not None and qualifier is None:
                return found
            if found is not None and qualifier is not None:
                own[qualifier] = found
        if len(own) > 1:
            choices = " or ".join(f"{source}/{found.name}" for source, found in own.items())
            raise UsageError(f"{len(own)} sources have a model {name!r}: write {choices}.")
        return next(iter(own.values()), None)

    def _find_in(self, qualifier: str, name: str) -> Found:
        """The model of that name in one source."""
        source = self._named.get(qualifier)
        if source is None and qualifier in self.unreachable:
            raise UnavailableError(f"{qualifier} cannot be used: {self.unreachable[qualifier]}")
        if source is None:
            raise UsageError(
                f"there is no source {qualifier!r}.{did_you_mean(qualifier, self._named)} The"
                f" sources are {', '.join(self._named)}; `zoo source add` adds one, and --source"
                " looks into a folder once."
            )
        names = source.list()
        for by_title in (False, True):
            if found := match(source, name, names, by_title=by_title):
                return found
        raise UnknownModelError(name, names, f"{qualifier} ({source.name})")

    def _clashing(self, listings: Sequence[tuple[Storage, Sequence[str]]]) -> set[str]:
        """The names that several of the user's own sources have."""
        own = [name for source, names in listings if id(source) in self._own for name in set(names)]
        return {name for name, count in Counter(own).items() if count > 1}

    def _qualified(self, entry: ModelEntry, source: Storage) -> ModelEntry:
        """A model of one of the user's own sources with that in front of its name."""
        if id(source) not in self._own:
            return entry
        model = self._cached.get(entry.name)
        here = model is not None and model.record.source == source.name
        return replace(entry, name=f"{self._own[id(source)]}/{entry.name}", cached=here)

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

    def _entries(self, source: Storage, names: Sequence[str]) -> Iterator[ModelEntry]:
        listing = source if isinstance(source, Listing) else None
        for name in names:
            entry = (listing.entry(name) if listing else None) or self._entry(source, name)
            if entry is not None:
                yield entry

    def _entry(self, source: Storage, name: str) -> ModelEntry | None:
        if source.name in self.unreachable:
            return None
        try:
            card = source.card(name)
            size = None if name in self._cached else _size(source, name, card)
        except UnknownModelError:
            return None  # a directory that holds no model
        except DownloadError as error:
            self._failed(source, error)
            return None
        except CardError as error:
            return ModelEntry(name, name, source.name, problem=str(error))
        return ModelEntry.of_card(name, card, source.name, size)

    def _with_cache(self, entry: ModelEntry) -> ModelEntry:
        """The entry with what the cache knows of it."""
        model = self._cached.get(entry.name)
        if model is None:
            return entry
        weights = model.record.files.get(model.record.weights or "")
        return replace(entry, cached=True, size=weights.size if weights else None)

    def _aliases(self) -> Iterator[str]:
        for source, names in self._listings():
            for name in names:
                if entry := listed_entry(source, name):
                    yield from entry.aliases

    def _failed(self, source: Storage, error: DownloadError) -> None:
        self.unreachable[source.name] = error.attempts[0][1] if error.attempts else str(error)

    def _require_a_source(self) -> None:
        if self._given and all(name in self.unreachable for name in self._given):
            attempts = [(name, self.unreachable[name]) for name in self._given]
            tried = "".join(f"\n  {name}: {reason}" for name, reason in attempts)
            raise DownloadError(f"no source could be reached:{tried}", attempts)

    def _searched(self) -> str:
        texts = []
        for name in self._given:
            reason = self.unreachable.get(name)
            texts.append(f"{name} (could not be reached: {reason})" if reason else name)
        texts += [f"{name} ({self._named[name].name})" for name in self._own.values()]
        return " or ".join([*texts, "the embedded models", "the catalogue"])


def _size(source: Storage, name: str, card: Card) -> int | None:
    """Bytes of the weights, where knowing them costs no request."""
    if card.size_bytes is None and isinstance(source, FolderSource):
        sizes = {file.name: file.size for file in source.files(name)}
        weights = weights_file(sizes, card)
        return sizes[weights] if weights else None
    return card.size_bytes
