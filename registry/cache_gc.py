"""What the cache could do without: found first, shown, and only then removed.

Weights that no model has, unfinished downloads and other work of processes that are gone; and, if
the user says how long is long, models that were not used for so long. When a model was last used is
known from the usage record (`zoo.registry.usage`), from when its weights were last read, where the
file system notes that, and from when it was fetched or verified: the latest of these counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zoo.errors import UsageError, did_you_mean
from zoo.registry.cache import Cache
from zoo.registry.cache_folder import unfinished
from zoo.registry.cache_lock import InUse
from zoo.registry.cached import CachedModel
from zoo.registry.transfer_lock import is_live, lock_file
from zoo.registry.usage import uses

__all__ = ["Waste", "collect", "find_waste", "last_used", "stale_parts"]

_LONG_ENOUGH = 3600


@dataclass(frozen=True)
class Waste:
    """Something that can go.

    Parameters
    ----------
    kind : "model", "blob", "part" (of a download) or "leftover" (of a killed process).
    name : of the model, else of the file.
    path : where it lies.
    bytes : what removing it frees.
    why : it can go.
    """

    kind: str
    name: str
    path: Path
    bytes: int
    why: str


def find_waste(
    cache: Cache, *, older_than: timedelta | None = None, keep: Collection[str] = ()
) -> list[Waste]:
    """What can go; removes nothing.

    Parameters
    ----------
    cache : what is looked through.
    older_than : models not used for so long, and no parts of downloads that are younger; None for
        no models, and all parts.
    keep : names of models that stay, however old.

    Raises
    ------
    UsageError
        when a model to keep is not here.
    """
    models = cache.models()
    _require_known(keep, [model.name for model in models])
    now = datetime.now(UTC)
    kept = {name.casefold() for name in keep}
    old = [
        model
        for model in models
        if older_than is not None
        and model.name.casefold() not in kept
        and now - last_used(model, cache.home) > older_than
    ]
    with cache.explained():
        leftovers = list(_leftovers(cache))
        gone = {waste.path for waste in leftovers}
        return [
            *_old_models(cache, old, gone, now),
            *leftovers,
            *_loose_blobs(cache, gone),
            *_parts(cache, now - older_than if older_than else now),
        ]


def collect(cache: Cache, wastes: Iterable[Waste]) -> tuple[int, list[Waste]]:
    """Remove what was found, unless somebody needs it by now.

    Returns
    -------
    The bytes freed, and what was not removed.
    """
    freed, left = 0, []
    for waste in wastes:
        try:
            gone = _remove(cache, waste)
        except InUse:
            gone = None
        if gone is None:
            left.append(waste)
        freed += gone or 0
    return freed, left


def last_used(model: CachedModel, home: Path) -> datetime:
    """When a model was last used, as far as anything tells."""
    times = [use.last_used for use in uses(home) if use.model == model.name]
    known = [datetime.min.replace(tzinfo=UTC)]
    for text in (*times, model.record.verified_at):
        with suppress(ValueError):
            time = datetime.fromisoformat(text)
            known.append(time if time.tzinfo else time.replace(tzinfo=UTC))
    with suppress(OSError):
        if model.weights is not None:
            known.append(datetime.fromtimestamp(model.weights.stat().st_atime, UTC))
    return max(known)


def stale_parts(cache: Cache) -> list[Path]:
    """The parts of downloads that no process works on, and what belongs to no part any more."""
    if not cache.parts.is_dir():
        return []
    paths = sorted(path for path in cache.parts.iterdir() if path.is_file())
    live = {path.stem for path in paths if path.suffix == ".part" and _may_be_live(path)}
    return [path for path in paths if path.name.partition(".")[0] not in live]


def _may_be_live(part: Path) -> bool:
    try:
        return is_live(part)
    except OSError:  # a cache that may not be written: nobody can tell
        return True


def _require_known(keep: Collection[str], names: Collection[str]) -> None:
    folded = {name.casefold() for name in names}
    for name in keep:
        if name.casefold() not in folded:
            raise UsageError(
                f"--keep {name}: there is no such model in the cache.{did_you_mean(name, names)}"
            )


def _old_models(
    cache: Cache, old: list[CachedModel], gone: set[Path], now: datetime
) -> Iterator[Waste]:
    """Models with the bytes of their directories, and of the blobs that nobody else has."""
    going = [model.directory for model in old]
    sizes = cache.blobs.sizes()
    blobs = dict.fromkeys(going, 0)
    for digest, users in cache.blob_users().items():
        mine = [path for path in going if path in users]
        if mine and gone.union(mine).issuperset(users):
            blobs[mine[0]] += sizes[digest]
    for model in old:
        days = (now - last_used(model, cache.home)).days
        yield Waste(
            "model",
            model.name,
            model.directory,
            cache.own_bytes(model.directory) + blobs[model.directory],
            f"not used for {days} day{'' if days == 1 else 's'}",
        )


def _loose_blobs(cache: Cache, gone: set[Path]) -> Iterator[Waste]:
    sizes = cache.blobs.sizes()
    for digest, users in sorted(cache.blob_users().items()):
        if gone.issuperset(users):
            path = cache.blobs.path(digest)
            yield Waste("blob", digest, path, sizes[digest], "no model has it")


def _leftovers(cache: Cache) -> Iterator[Waste]:
    why = "left by a process that is gone"
    for path in cache.directories():
        kind, name = unfinished(path)
        replaced = kind == "partial" or (kind == "old" and cache.path(name).exists())
        if replaced and not cache.is_busy(name):
            yield Waste("leftover", path.name, path, cache.own_bytes(path), why)
        for file in _temporary(path) if path.is_dir() and not kind else ():
            yield Waste("leftover", f"{path.name}/{file.name}", file, 0, why)
    for file in (*cache.blobs.temporary(), *_unnamed(cache.home)):
        yield Waste("leftover", file.name, file, 0, why)


def _parts(cache: Cache, before: datetime) -> Iterator[Waste]:
    for path in stale_parts(cache):
        status = path.stat()
        if datetime.fromtimestamp(status.st_mtime, UTC) <= before:
            size = min(status.st_size, status.st_blocks * 512)  # parts may have holes
            yield Waste("part", path.name, path, size, "an unfinished download; nobody goes on")


def _temporary(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name.startswith(".") and path.is_file()]


def _unnamed(home: Path) -> list[Path]:
    """Files that did not get their names; except for the layout's, one that is young may do yet."""
    folders = [folder for folder in (home, home / "usage") if folder.is_dir()]
    files = [file for folder in folders for file in folder.glob(".*.partial")]
    long_ago = time.time() - _LONG_ENOUGH
    return [
        file
        for file in files
        if file.name.startswith(".LAYOUT.") or file.stat().st_mtime < long_ago
    ]


def _remove(cache: Cache, waste: Waste) -> int | None:
    """Remove one thing; the bytes that freed, None where it has to stay."""
    if waste.kind == "model":
        return cache.remove(waste.name, wait=False)
    if waste.kind == "part":
        with cache.explained():
            return waste.bytes if _remove_part(waste.path) else None
    kind, name = unfinished(waste.path)
    if kind:
        with cache.lock(name, wait=False):  # locking sweeps
            return waste.bytes
    with cache.changing_blobs():
        if waste.kind == "blob":
            return cache.blobs.drop([waste.name]) if waste.name in cache.loose_blobs() else None
        waste.path.unlink(missing_ok=True)  # whoever makes such a file holds this lock
        return waste.bytes


def _remove_part(path: Path) -> bool:
    """Remove a file of a part that nobody works on."""
    part = path.with_name(f"{path.name.partition('.')[0]}.part")
    if not part.exists():
        path.unlink(missing_ok=True)
        return True
    descriptor = lock_file(part)
    if descriptor is None:
        return False
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True
