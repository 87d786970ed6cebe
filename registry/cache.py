"""Where fetched models are kept. The layout is a contract, and LAYOUT its version:

    <home>/LAYOUT                        "1"
    <home>/models/<name>/                readme.md, prototxts, weights, labels and, written last,
                                         zoo.json (see `zoo.registry.cached`)
    <home>/models/.partial-<name>-<id>/  a fetch under way, or what a killed one left
    <home>/models/.old-<name>-<id>/      a copy that is just being replaced
    <home>/locks/<name>.lock             held by whoever changes models/<name>

<home> is $ZOO_HOME, else the platform's folder for caches. A model is assembled in a `.partial-`
directory on the same volume and renamed into place, so models/<name> is always whole.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import platformdirs
from filelock import FileLock

from zoo.errors import (
    HashMismatchError,
    UnavailableError,
    UnknownModelError,
    UsageError,
    VerificationError,
)
from zoo.registry.atomic import write_atomically
from zoo.registry.cached import CachedModel, FileRecord, Record
from zoo.registry.contents import RECORD, check_model_name
from zoo.registry.hashes import Hashes, hash_file

__all__ = ["LAYOUT", "Cache"]

LAYOUT = 1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Cache:
    """The models on this machine.

    Parameters
    ----------
    home : folder of the cache; by default $ZOO_HOME, else the platform's folder for caches.
        Nothing is created before something is written.

    Examples
    --------
    >>> Cache("/tmp/no-such-cache").models()
    []
    """

    def __init__(self, home: str | Path | None = None) -> None:
        chosen = home or os.environ.get("ZOO_HOME") or platformdirs.user_cache_dir("zoo")
        self.home = Path(chosen).expanduser().absolute()
        self._models = self.home / "models"

    def path(self, name: str) -> Path:
        """Where the model of that name lies, or would lie."""
        return self._models / check_model_name(name)

    def get(self, name: str) -> CachedModel | None:
        """The model of that name, in any case, else of that title; None if it is not here.

        Files are not hashed; `CachedModel.damage` looks at them, `verify` hashes them.
        """
        with self._explained():
            exact = CachedModel.read(self.path(name))
        if exact is not None:
            return exact
        wanted, models = name.casefold(), self.models()
        same_name = (model for model in models if model.name.casefold() == wanted)
        same_title = (model for model in models if (model.card.name or "").casefold() == wanted)
        return next(same_name, None) or next(same_title, None)

    def models(self) -> list[CachedModel]:
        """Every whole model, by name."""
        with self._explained():
            if not self._models.is_dir():
                return []
            visible = sorted(p for p in self._models.iterdir() if not p.name.startswith("."))
            return [model for path in visible if (model := CachedModel.read(path)) is not None]

    def existing(self, name: str) -> CachedModel:
        """The model of that name.

        Raises
        ------
        UnknownModelError
            when it is not in the cache.
        """
        model = self.get(name)
        if model is None:
            raise UnknownModelError(name, [m.name for m in self.models()], f"the cache {self.home}")
        return model

    def remove(self, name: str) -> int:
        """Remove a model, or what a damaged one left; how many bytes that freed."""
        path = self.path(name)
        if not path.is_dir():
            path = self.existing(name).directory
        with self.lock(path.name), self._explained():
            freed = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            # A killed removal leaves a name that the next change sweeps, never half a model.
            aside = self._beside("partial", path.name)
            path.rename(aside)
            _delete(aside)
        return freed

    def verify(self, name: str) -> dict[str, Hashes]:
        """Hash every file of a model again; the hashes by file name.

        Raises
        ------
        VerificationError
            naming every damaged file with both hashes, or every missing one.
        """
        model = self.existing(name)
        hashes, problems = {}, []
        expected = received = ""
        with self._explained():
            for file, recorded in model.record.files.items():
                path = model.directory / file
                if not path.is_file():
                    problems.append(f"  {path}: missing")
                    continue
                hashes[file] = hash_file(path)
                if hashes[file].sha256 != recorded.sha256:
                    expected, received = recorded.sha1, hashes[file].sha1
                    problems.append(
                        f"  {path}: expected sha1 {expected} ({recorded.size} bytes),"
                        f" found sha1 {received} ({hashes[file].size} bytes)"
                    )
        if problems:
            message = (
                f"{model.name} is damaged:\n" + "\n".join(problems) + "\n"
                f"`zoo fetch {model.name} --force` fetches it again."
            )
            if not received:
                raise VerificationError(message)
            raise HashMismatchError(message, algorithm="sha1", expected=expected, received=received)
        self._note_verified(model, hashes)
        return hashes

    def free_bytes(self) -> int:
        """Free bytes on the volume of the cache."""
        with self._explained():
            return shutil.disk_usage(self._nearest()).free

    def describe(self) -> dict[str, object]:
        """What `zoo doctor` says: home, layout, models, bytes, free_bytes, writable, problem."""
        facts: dict[str, object] = {"home": str(self.home), "layout": LAYOUT, "problem": ""}
        try:
            models, nearest = self.models(), self._nearest()
            facts |= {
                "models": len(models),
                "bytes": sum(model.size for model in models),
                "free_bytes": self.free_bytes(),
                "writable": nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK),
            }
        except UnavailableError as error:
            facts |= {"models": 0, "bytes": 0, "free_bytes": 0, "writable": False}
            facts["problem"] = str(error)
        return facts

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the right to change one model; others wait. Sweeps what a killed process left."""
        check_model_name(name)
        with self._explained():
            self._prepare()
            lock = FileLock(self.home / "locks" / f"{name.casefold()}.lock")
            lock.acquire()
        try:
            with self._explained():
                self._sweep(name)
            yield
        finally:
            lock.release()

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """An empty directory to assemble a model in; it is gone afterwards unless installed.

        To be used under `lock(name)`. An OSError while it is used is the cache's.
        """
        directory = self._beside("partial", name)
        with self._explained():
            directory.mkdir()
            try:
                yield directory
            finally:
                _delete(directory)

    def install(self, staged: Path, record: Record) -> CachedModel:
        """Make an assembled directory the model; a copy it replaces stays until then."""
        target = self.path(record.name)
        with self._explained():
            write_atomically(staged / RECORD, record.stamped().to_json())
            aside = self._beside("old", record.name) if target.exists() else None
            if aside:
                target.rename(aside)
            try:
                staged.rename(target)
            except OSError:
                if aside:
                    aside.rename(target)
                raise
            if aside:
                _delete(aside)
        return self.existing(record.name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the system says about the cache folder into what to do about it."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in _FULL:
                raise UnavailableError(
                    f"the disk of the cache {self.home} is full ({reason}), so nothing was kept."
                    " Free some space (`zoo remove NAME`), or set ZOO_HOME to a folder with more."
                ) from None
            raise UnavailableError(
                f"the cache folder {self.home} cannot be used: {reason}"
                f"{f' ({error.filename})' if error.filename else ''}."
                " Set ZOO_HOME to a folder that you may write."
            ) from None

    def _prepare(self) -> None:
        self._models.mkdir(parents=True, exist_ok=True)
        (self.home / "locks").mkdir(exist_ok=True)
        marker = self.home / "LAYOUT"
        if not marker.exists():
            write_atomically(marker, f"{LAYOUT}\n".encode())
        elif (found := marker.read_text().strip()) != str(LAYOUT):
            raise UsageError(
                f"the cache {self.home} has layout {found!r}, this zoo writes {LAYOUT}."
                " Use the zoo that made it, or set ZOO_HOME to another folder."
            )

    def _beside(self, kind: str, name: str) -> Path:
        return self._models / f".{kind}-{name}-{uuid.uuid4().hex}"

    def _sweep(self, name: str) -> None:
        """Under the lock nobody else works on this model: what lies about was left by the dead."""
        for path in self._models.iterdir():
            kind, _, _ = path.name.partition("-")
            if path.name.rpartition("-")[0] != f"{kind}-{name}":
                continue
            if kind == ".old" and not self.path(name).exists():
                path.rename(self.path(name))  # killed between the two renames of install
            elif kind in (".old", ".partial"):
                _delete(path)

    def _note_verified(self, model: CachedModel, hashes: dict[str, Hashes]) -> None:
        """Record a verification, if the cache may be written and the model is still the same."""
        files = {
            name: FileRecord.of(model.directory / name, taken) for name, taken in hashes.items()
        }
        record = replace(model.record, files=files).stamped()
        with suppress(UnavailableError), self.lock(model.name), self._explained():
            now = CachedModel.read(model.directory)
            if now is not None and now.record == model.record:
                write_atomically(model.directory / RECORD, record.to_json())

    def _nearest(self) -> Path:
        """The folder of the cache, or what is there of the way to it."""
        with self._explained():
            return next(path for path in (self.home, *self.home.parents) if path.exists())


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
