"""Carrying models to a machine without internet: `zoo cache export`, `zoo cache import`.

What is exported is a cache itself: a folder that ZOO_HOME can name, or a tar of such a folder in
which weights that several models have are hard links. Importing verifies every file against the
record that was carried with it. That shows damage on the way; who made it, it does not show.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from zoo.errors import UnavailableError, UnknownModelError, UsageError, VerificationError
from zoo.registry.address import Pin
from zoo.registry.cache import Cache
from zoo.registry.cache_bundle import Bundle, open_bundle
from zoo.registry.cache_layout import read_layout
from zoo.registry.cache_tar import require_as_recorded, write_tar
from zoo.registry.cached import CachedModel, FileRecord, Record
from zoo.registry.card import Card
from zoo.registry.contents import README, RECORD
from zoo.registry.hashes import Hasher, Hashes

__all__ = ["Carried", "export_models", "import_models"]

Progress = Callable[[str, int, int | None], None]
_CHUNK = 1 << 20
_PROMISE = re.compile(r"(sha1|sha256):([0-9a-f]{8,64})")


@dataclass(frozen=True)
class Carried:
    """What became of a model: `how` is "copied", "replaced" or "already there"."""

    name: str
    how: str
    bytes: int


def export_models(
    cache: Cache,
    target: str | Path,
    names: Sequence[str] = (),
    *,
    force: bool = False,
    progress: Progress = lambda label, done, total: None,
) -> list[Carried]:
    """Copy models to where they can be carried from, verified on the way.

    Parameters
    ----------
    cache : where they are.
    target : a folder, new or empty or exported to before; or a file that ends with .tar.
    names : of the models; all of them by default.
    force : replace a tar, or models in the folder that differ.
    progress : called with (file, bytes so far, bytes in all).

    Raises
    ------
    UnknownModelError
        when a model is not here.
    UsageError
        when something is at the target that would be lost.
    HashMismatchError, VerificationError
        when a file is damaged.
    """
    models = [cache.existing(name) for name in dict.fromkeys(names)] or cache.models()
    target = Path(target).expanduser().absolute()
    if target.name.lower().endswith(".tar"):
        if target.exists() and not force:
            raise UsageError(f"{target} exists; --force replaces it.")
        write_tar(models, target, progress)
        return [Carried(model.name, "copied", model.size) for model in models]
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; expected a folder, or a name that ends with .tar.")
    if target.is_dir() and any(target.iterdir()) and read_layout(target) is None:
        raise UsageError(
            f"{target} holds other things; expected a new or an empty folder, or one that was"
            " exported to before."
        )
    return import_models(
        Cache(target), cache.home, [m.name for m in models], force=force, progress=progress
    )


def import_models(
    cache: Cache,
    origin: str | Path,
    names: Sequence[str] = (),
    *,
    force: bool = False,
    progress: Progress = lambda label, done, total: None,
) -> list[Carried]:
    """Bring carried models into a cache, verified; all of them, or nothing of the one that is bad.

    Parameters
    ----------
    cache : where to.
    origin : the folder or the tar that `export_models` wrote.
    names : of the models; all that are there by default.
    force : replace models of the same name that have other files.
    progress : called with (file, bytes so far, bytes in all).

    Raises
    ------
    UnknownModelError
        when a model is not there.
    UsageError
        when the cache has another model of the same name, or the origin is none.
    HashMismatchError, VerificationError
        when a file is not what its record says.
    """
    with open_bundle(origin) as bundle:
        there = bundle.names()
        for name in names:
            if name not in there:
                raise UnknownModelError(name, there, bundle.label)
        chosen = list(dict.fromkeys(names)) or list(there)
        records = {name: _record(bundle, name) for name in chosen}
        for name, record in records.items():
            _require_same(cache, name, record, bundle.label, force)
        return [_import(cache, bundle, records[name], force, progress) for name in chosen]


def _record(bundle: Bundle, name: str) -> Record:
    record = bundle.record(name)
    if record is None or record.name != name or README not in record.files:
        raise VerificationError(f"{bundle.label}: models/{name}/{RECORD} is no valid record.")
    return record


def _require_same(cache: Cache, name: str, record: Record, label: str, force: bool) -> bool:
    """Whether the cache has the model; UsageError where it has another of that name."""
    here = CachedModel.read(cache.path(name))
    if here is None or force:
        return here is not None
    differing = sorted(
        file
        for file in {*here.record.files, *record.files}
        if _digest(here.record, file) != _digest(record, file)
    )
    if differing:
        raise UsageError(
            f"{cache.home} has another {name} than {label}: {', '.join(differing)} differ(s)."
            " Nothing was changed; --force replaces it."
        )
    return True


def _digest(record: Record, file: str) -> str | None:
    return record.files[file].sha256 if file in record.files else None


def _import(
    cache: Cache, bundle: Bundle, record: Record, force: bool, progress: Progress
) -> Carried:
    name, size = record.name, sum(file.size for file in record.files.values())
    with cache.lock(name):
        had = _require_same(cache, name, record, bundle.label, force)
        here = cache.get(name) if had and not force else None
        if here is not None and not cache.damage(here):
            return Carried(name, "already there", size)
        if size > cache.free_bytes():
            raise UnavailableError(
                f"{name} has {size} bytes, {cache.free_bytes()} are free on the disk of the cache"
                f" {cache.home}. Free some space (`zoo cache gc`), or set ZOO_HOME."
            )
        with cache.staging(name) as directory:
            files = {
                file: _bring(bundle, name, file, recorded, directory, progress)
                for file, recorded in record.files.items()
            }
            Card.read(directory / README)
            cache.install(directory, replace(record, files=files, verified_against=_kept(record)))
    return Carried(name, "replaced" if had else "copied", size)


def _kept(record: Record) -> tuple[str, ...]:
    """The promises that the weights keep; what else the record says was not seen here."""
    weights = record.files.get(record.weights or "")
    promises = filter(None, map(_PROMISE.fullmatch, record.verified_against))
    pins = [Pin(promise[1], promise[2]) for promise in promises]
    return tuple(str(pin) for pin in pins if weights is not None and pin.kept_by(weights))


def _bring(
    bundle: Bundle,
    name: str,
    file: str,
    recorded: FileRecord,
    directory: Path,
    progress: Progress,
) -> FileRecord:
    """Copy a file, and hold it to its record."""
    label = f"{name}/{file}"
    try:
        with bundle.open(name, file) as stream:
            hashes = _copy(stream, directory / file, recorded.size, label, progress)
    except FileNotFoundError:
        raise VerificationError(f"{bundle.label}: {label}: missing") from None
    require_as_recorded(hashes, recorded, f"{bundle.label}: {label}")
    return FileRecord.of(directory / file, hashes)


def _copy(stream: IO[bytes], target: Path, size: int, label: str, progress: Progress) -> Hashes:
    """Copy a file, and no more of it than one byte too many."""
    hasher, done = Hasher(), 0
    with target.open("xb") as file:
        while chunk := stream.read(min(_CHUNK, size + 1 - done)):
            file.write(chunk)
            hasher.update(chunk)
            done += len(chunk)
            progress(label, done, size)
        file.flush()
        os.fsync(file.fileno())
    return hasher.result()
