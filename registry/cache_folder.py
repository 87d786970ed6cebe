"""The folder of a cache: who may change what in it, and what the dead left there.

`zoo.registry.cache` has the layout.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from zoo.errors import UnavailableError
from zoo.registry.blobs import Blobs
from zoo.registry.cache_layout import LAYOUT, bring_up_to_date, read_layout
from zoo.registry.cache_lock import InUse, acquire
from zoo.registry.contents import check_model_name, is_plain

__all__ = ["CacheFolder", "delete", "unfinished"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CacheFolder:
    """The folder, before anything is said about models.

    Parameters
    ----------
    home : by default $ZOO_HOME, else the platform's folder for caches. Nothing is created before
        something is written.
    """

    def __init__(self, home: str | Path | None = None) -> None:
        chosen = home or os.environ.get("ZOO_HOME") or platformdirs.user_cache_dir("zoo")
        self.home = Path(chosen).expanduser().absolute()
        self.blobs = Blobs(self.home)
        self._models = self.home / "models"
        self._locks = self.home / "locks"

    @property
    def parts(self) -> Path:
        """Where unfinished downloads lie, which go on the next time."""
        return self.home / "parts"

    def path(self, name: str) -> Path:
        """Where the model of that name lies, or would lie."""
        return self._models / check_model_name(name)

    def directories(self) -> list[Path]:
        """The directories of models, the hidden ones of unfinished work too."""
        return sorted(self._models.iterdir()) if self._models.is_dir() else []

    def free_bytes(self) -> int:
        """Free bytes on the volume of the cache."""
        with self.explained():
            return shutil.disk_usage(self.nearest()).free

    def nearest(self) -> Path:
        """The folder, or what is there of the way to it."""
        with self.explained():
            return next(path for path in (self.home, *self.home.parents) if path.exists())

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the right to change one model. Sweeps what a killed process left of it.

        Others wait, or, if they do not want to, get InUse.
        """
        check_model_name(name)
        with self.explained():
            self._prepare()
            lock = acquire(self._locks / f"{name.casefold()}.lock", wait=wait)
        try:
            with self.explained():
                self._sweep(name)
            yield
        finally:
            lock.release()

    def is_busy(self, name: str) -> bool:
        """Whether another process changes a model just now, or nobody can tell."""
        try:
            acquire(self._locks / f"{name.casefold()}.lock", wait=False).release()
        except (InUse, OSError):
            return True
        return False

    @contextmanager
    def changing_blobs(self) -> Iterator[None]:
        """Hold the right to change what blobs there are, for a moment; an OSError is the cache's.

        Whoever holds it takes no other lock.
        """
        with self.explained():
            self._locks.mkdir(parents=True, exist_ok=True)
            lock = acquire(self._locks / ".blobs.lock")
            try:
                yield
            finally:
                lock.release()

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """An empty directory to assemble a model in; it is gone afterwards unless installed.

        To be used under `lock(name)`. An OSError while it is used is the cache's.
        """
        directory = self.beside("partial", name)
        with self.explained():
            directory.mkdir()
            try:
                yield directory
            finally:
                delete(directory)

    def beside(self, kind: str, name: str) -> Path:
        """A new name for unfinished work on a model, "partial", or what it replaces, "old"."""
        return self._models / f".{kind}-{name}-{uuid.uuid4().hex}"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what the system says about the cache folder into what to do about it."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in _FULL:
                raise UnavailableError(
                    f"the disk of the cache {self.home} is full ({reason}), so nothing was kept."
                    " Free some space (`zoo cache gc`, `zoo remove NAME`), or set ZOO_HOME to a"
                    " folder with more."
                ) from None
            if isinstance(error, FileNotFoundError) and self.home.is_dir():
                raise UnavailableError(
                    f"{error.filename} was taken out of the cache meanwhile, by another process."
                    " Try again."
                ) from None
            raise UnavailableError(
                f"the cache folder {self.home} cannot be used: {reason}"
                f"{f' ({error.filename})' if error.filename else ''}."
                " Set ZOO_HOME to a folder that you may write."
            ) from None

    def _prepare(self) -> None:
        self._models.mkdir(parents=True, exist_ok=True)
        self._locks.mkdir(exist_ok=True)
        if read_layout(self.home) != LAYOUT:
            with self.changing_blobs():
                bring_up_to_date(self.home, self.directories(), self.blobs)

    def _sweep(self, name: str) -> None:
        """Under the lock nobody else works on this model: what lies about was left by the dead."""
        for path in self.directories():
            kind, of = unfinished(path)
            if of != name:
                continue
            if kind == "old" and not self.path(name).exists():
                path.rename(self.path(name))  # killed between the two renames of install
            else:
                delete(path)


def unfinished(path: Path) -> tuple[str, str]:
    """What unfinished work a directory is, "partial" or "old", and of which model; else ("", "").

    >>> unfinished(Path(".old-tiny-0123")), unfinished(Path("tiny"))
    (('old', 'tiny'), ('', ''))
    """
    kind, _, name = path.name.rpartition("-")[0].partition("-")
    return (kind[1:], name) if kind in (".partial", ".old") and is_plain(name) else ("", "")


def delete(path: Path) -> None:
    """Remove a directory, or a link in its place, as far as that can be done."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
