"""Bringing a model here: found, agreed to, streamed, verified, put in place.

`fetch` is the recipe. What an address means is decided in `zoo.registry.address`, where it is in
`zoo.registry.locate`, what is fetched from where in `zoo.registry.plan`, whether that may be done
in `zoo.registry.demands`; `zoo.registry.assemble` brings the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UnavailableError, UsageError, ZooError
from zoo.registry.address import ModelAddress, parse_address
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel, Record
from zoo.registry.catalogue import Registry
from zoo.registry.consent import Accept, Consent
from zoo.registry.demands import Demands
from zoo.registry.fetch_result import FetchResult, dry_result, result_of
from zoo.registry.found import Found, Sources, as_storages, match
from zoo.registry.hashes import Expected
from zoo.registry.locate import Hints, locate
from zoo.registry.patience import Patience
from zoo.registry.plan import FetchPlan, PlannedFile, expected_hashes, joined, plan_fetch
from zoo.registry.storage.folder import FolderSource

if TYPE_CHECKING:
    from zoo.registry.download import Progress

__all__ = ["FetchPlan", "FetchResult", "PlannedFile", "fetch", "plan_fetch"]


def fetch(
    name: str | Path,
    sources: Sources = (),
    *,
    cache: Cache | None = None,
    force: bool = False,
    progress: Progress | None = None,
    dry_run: bool = False,
    sha1: str | None = None,
    sha256: str | None = None,
    hints: Hints = Hints(),  # noqa: B008
    accept_license: Accept = False,
    trust_first_use: bool = False,
    patience: Patience = Patience(),  # noqa: B008
) -> FetchResult:
    """Bring a model into the cache, verified; one that is there is not asked for again.

    Parameters
    ----------
    name : its name or another address, see `zoo.registry.address`.
    sources : folders of models or http(s) addresses of such, searched in order for a name; the
        models that ship with zoo and those of its catalogue come last.
    force : fetch again although it is here; the old copy stays until the new one is in place.
    progress : called with (file, bytes so far, bytes in all or None), maybe from several threads.
    dry_run : say what would be fetched and fetch nothing.
    sha1, sha256 : what the weights have to be.
    hints : what the place does not say, for weights that lie somewhere alone.
    accept_license : True, or called with the text of a licence that restricts; asked once a model.
    trust_first_use : take weights whose hash nobody gave, and hold later fetches to what came.
    patience : with web servers.

    Raises
    ------
    UnknownModelError
        when no source has it.
    UsageError
        when the address is none, a licence is not accepted, or a hash is wanted.
    HashMismatchError
        when the weights are not those that were promised; nothing is kept.
    DownloadError
        when an address does not give its file.
    UnavailableError
        when the cache cannot be written, the network may not be used, or a part is missing.
    """
    cache = cache or Cache()
    by_hash = bool(sha1 or sha256)
    address = parse_address(str(name), weights=by_hash, prefer_names=bool(sources))
    hints.require_use(address)
    demands = Demands.of(address, sha1, sha256, trust_first_use, Consent(cache.home))
    here = None if force else _meant(cache, hints.name_of(address), address, sources)
    if here is not None:
        return _as_it_is(here, address, sources, demands)

    _require_network(address)
    found, unreachable = locate(address, sources, cache, hints, demands.hashes)
    note = "; ".join(f"{it} could not be reached ({why})" for it, why in unreachable.items())
    here = _usable(cache, found.name, force)
    if here is not None:
        return _as_it_is(here, address, sources, demands, note)

    plan = plan_fetch(found.card, found.files(), found.shared_files())
    if not dry_run:
        _require_network(address, plan, found)
    plan = demands.applied(plan, found, dry_run=dry_run)
    if dry_run:
        return dry_result(cache.path(found.name), found, plan, demands, note)
    with cache.lock(found.name):
        here = _usable(cache, found.name, force)  # another process may have been quicker
        if here is not None:
            return _as_it_is(here, address, sources, demands, note)
        demands.consent.require_license(found.name, found.card, accept_license)
        return _fetched(found, plan, demands, cache, force, progress, patience, note)


def _fetched(
    found: Found,
    plan: FetchPlan,
    demands: Demands,
    cache: Cache,
    force: bool,
    progress: Progress | None,
    patience: Patience,
    note: str,
) -> FetchResult:
    """Assemble the files and put them in place; to be used under the lock of the model."""
    from zoo.registry.assemble import assemble

    with cache.staging(found.name) as directory:
        came = assemble(
            found,
            plan,
            directory,
            cache.parts,
            progress=progress,
            patience=patience,
            trusted=demands.trust_first_use,
            at_hand=_nowhere if force else cache.take,
        )
        weights = came.files.get(plan.weights or "")
        verified = demands.check_weights(found, plan, weights)
        record = Record(found.name, found.source.name, came.files, plan.weights, verified)
        model = cache.install(directory, record)
    missing = [f"{file} was not fetched ({why})" for file, why in came.missing.items()]
    told = joined(note, plan.note, *missing, demands.note(found, plan, weights))
    return result_of(model, told, downloaded=True)


def _meant(cache: Cache, name: str, address: ModelAddress, sources: Sources) -> CachedModel | None:
    """The model in the cache that an address means, unless it is damaged.

    One whose title is the name that was asked for gives way to one of another place that is called
    so.
    """
    model = cache.get(name)
    if model is None or cache.damage(model):
        return None
    if address.kind != "name" or model.name.casefold() == name.casefold():
        return model
    try:
        found = Registry(sources, cache).find(address.target)
    except ZooError:
        return model
    return None if found.name.casefold() == name.casefold() else model


def _usable(cache: Cache, name: str, force: bool) -> CachedModel | None:
    """The model of that very name in the cache, unless it is damaged or a new copy is wanted."""
    model = None if force else cache.get(name, by_title=False)
    return None if model is None or cache.damage(model) else model


def _nowhere(expected: Expected, target: Path) -> None:
    """What is here is not wanted."""


def _as_it_is(
    model: CachedModel, address: ModelAddress, sources: Sources, demands: Demands, note: str = ""
) -> FetchResult:
    """What is in the cache, if it is what was asked for."""
    demands.check_cached(model)
    source = model.record.source.rstrip("/")
    if address.place and source != address.place.rstrip("/"):
        raise UsageError(
            f"the cache has another model called {model.name}, from {source}. --force replaces it"
            f" by the one of {address.place}."
        )
    if address.kind == "folder":
        sources = address.target
    return result_of(model, joined(note, _disagreement(model, sources)), downloaded=False)


def _require_network(
    address: ModelAddress, plan: FetchPlan | None = None, found: Found | None = None
) -> None:
    """Refuse at once what cannot be had without the network, when that may not be touched."""
    from zoo.registry.storage.requesting import is_offline

    elsewhere = plan is not None and any(file.is_elsewhere for file in plan.files)
    if is_offline() and (elsewhere or not address.is_local):
        name = found.name if found else address.place
        raise UnavailableError(
            f"{name} is not in the cache, and ZOO_OFFLINE is set, so nothing is fetched."
        )


def _disagreement(cached: CachedModel, sources: Sources) -> str:
    """How a cached model differs from the sources given; asks folders, never the network."""
    try:
        storages = as_storages(sources)
    except ZooError:
        return ""  # what is here does not need its source
    weights = cached.record.files.get(cached.record.weights or "")
    for source in storages:
        if not isinstance(source, FolderSource):
            origin = cached.record.source
            if source.name not in (origin, f"{origin}{cached.name}/"):
                return f"this copy came from {origin}; {source.name} was not asked"
            continue
        try:
            found = match(source, cached.name, source.list())
            promises = expected_hashes(found.card) if found else ()
        except ZooError:
            continue
        for promise in promises:
            here = getattr(weights, promise.algorithm, None)
            if here != promise.digest:
                return (
                    f"this copy has {promise.algorithm} {here}, the card in {source.name} says"
                    f" {promise.digest}; --force fetches that one"
                )
    return ""
