"""Bringing a model here: found, planned, streamed, verified, put in place.

`fetch` is the recipe; what is fetched from where is decided in `zoo.registry.plan`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import UsageError, ZooError
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel, FileRecord, Record
from zoo.registry.catalogue import Found, Registry, Sources, as_storages, match
from zoo.registry.contents import check_model_name
from zoo.registry.download import Address, Progress, download
from zoo.registry.plan import FetchPlan, PlannedFile, expected_hashes, plan_fetch
from zoo.registry.storage import Stream, location
from zoo.registry.storage.folder import FolderSource

__all__ = ["FetchPlan", "FetchResult", "Progress", "fetch", "plan_fetch"]


@dataclass(frozen=True)
class FetchResult:
    """What a fetch did.

    Parameters
    ----------
    name : the model's name, as its directory has it.
    directory : where its files lie.
    source : where they came from.
    files : their names.
    downloaded : False when they were here already, or nothing was to be done.
    bytes : of all files, as far as they are known.
    verified : the hashes of the card that the weights have, such as "sha1:24c2...".
    note : what a user should know, or "".
    """

    name: str
    directory: Path
    source: str
    files: tuple[str, ...]
    downloaded: bool
    bytes: int
    verified: tuple[str, ...] = ()
    note: str = ""
    cached: CachedModel | None = field(default=None, repr=False)

    @property
    def model(self) -> CachedModel:
        """The model in the cache; UsageError after a dry run of one that is not there."""
        if self.cached is None:
            raise UsageError(f"{self.name} was not fetched: this was a dry run")
        return self.cached


def fetch(
    name: str,
    sources: Sources = (),
    *,
    cache: Cache | None = None,
    force: bool = False,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> FetchResult:
    """Bring a model into the cache, verified; one that is there is not asked for again.

    Parameters
    ----------
    name : name of the model's directory in its source, or the title in its card.
    sources : folders of models or http(s) addresses of such, searched in order; the models that
        ship with zoo come last.
    force : fetch again although it is here; the old copy stays until the new one is in place.
    progress : called with (file, bytes so far, bytes in all or None).
    dry_run : say what would be fetched and fetch nothing.

    Raises
    ------
    UnknownModelError
        when no source has it.
    HashMismatchError
        when the weights are not those that the card describes; nothing is kept.
    DownloadError
        when an address does not give its file.
    UnavailableError
        when the cache cannot be written.
    """
    cache = cache or Cache()
    cached = _usable(cache, check_model_name(name), force)
    if cached is not None:
        return _result(cached, _disagreement(cached, sources), downloaded=False)

    registry = Registry(sources, cache)
    found = registry.find(name)
    plan = plan_fetch(found.card, found.files(), found.shared_files())
    note = _joined(plan.note, _skipped(registry))
    if dry_run:
        return _would_fetch(cache.path(found.name), found, plan, note)

    with cache.lock(found.name):
        cached = _usable(cache, found.name, force)  # another process may have been quicker
        if cached is not None:
            return _result(cached, note, downloaded=False)
        with cache.staging(found.name) as directory:
            record = _assemble(found, plan, directory, progress)
            model = cache.install(directory, record)
    return _result(model, _joined(note, _unverified(record)), downloaded=True)


def _usable(cache: Cache, name: str, force: bool) -> CachedModel | None:
    """The model in the cache, unless it is damaged or a new copy is wanted."""
    model = None if force else cache.get(name)
    return None if model is None or model.damage() else model


def _assemble(found: Found, plan: FetchPlan, directory: Path, progress: Progress | None) -> Record:
    records = {}
    for file in plan.files:
        target = directory / file.name
        hashes = download(
            [_address(found, file)],
            target,
            expected=file.expected,
            size=file.size,
            explain=file.name == plan.weights or file.name.endswith(".prototxt"),
            progress=progress,
        )
        records[file.name] = FileRecord.of(target, hashes)
    verified = tuple(str(promise) for file in plan.files for promise in file.expected)
    return Record(found.name, found.source.name, records, plan.weights, verified)


def _address(found: Found, file: PlannedFile) -> Address:
    if file.url:
        from zoo.registry.storage.requesting import open_url, shown

        return Address(shown(file.url), lambda: open_url(file.url))
    name = "" if file.shared else found.name

    def opened() -> Stream:
        return found.source.open(name, file.name)

    return Address(location(found.source, name, file.name), opened)


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


def _unverified(record: Record) -> str:
    if record.weights is None or record.verified_against:
        return ""
    seen = record.files[record.weights].sha1
    return f"the card gives no sha1 to verify {record.weights} against; what came has sha1 {seen}"


def _skipped(registry: Registry) -> str:
    return "; ".join(
        f"{name} could not be reached ({why})" for name, why in registry.unreachable.items()
    )


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _result(model: CachedModel, note: str, *, downloaded: bool) -> FetchResult:
    record = model.record
    return FetchResult(
        name=model.name,
        directory=model.directory,
        source=record.source,
        files=tuple(record.files),
        downloaded=downloaded,
        bytes=model.size,
        verified=record.verified_against,
        note=note,
        cached=model,
    )


def _would_fetch(directory: Path, found: Found, plan: FetchPlan, note: str) -> FetchResult:
    files = tuple(file.name for file in plan.files)
    note = _joined("nothing was fetched (dry run)", note)
    return FetchResult(
        found.name, directory, found.source.name, files, False, plan.bytes, note=note
    )
