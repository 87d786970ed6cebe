"""Hashing what is in the cache again, to find what a disk has changed.

Weights that several models share are hashed once by one `Verification`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from zoo.errors import HashMismatchError, VerificationError
from zoo.registry.cache_folder import CacheFolder
from zoo.registry.cached import CachedModel, FileRecord
from zoo.registry.hashes import Hashes, hash_file

__all__ = ["Progress", "Verification"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is hashed, the bytes that are done and the bytes in all."""


class Verification:
    """One pass over models of a cache.

    Parameters
    ----------
    cache : its folder.
    progress : is told how far it is.
    """

    def __init__(self, cache: CacheFolder, progress: Progress | None = None) -> None:
        self._cache = cache
        self._progress = progress or (lambda *_: None)
        self._done: dict[tuple[int, int], Hashes] = {}

    def model(self, model: CachedModel) -> dict[str, Hashes]:
        """Hash every file of a model; the hashes by file name.

        Raises
        ------
        HashMismatchError, VerificationError
            naming every damaged file with both hashes, or every missing one.
        """
        hashes: dict[str, Hashes] = {}
        problems: list[str] = []
        differing: tuple[str, str] | None = None
        with self._cache.explained():
            for file, recorded in model.record.files.items():
                path = model.directory / file
                if not path.is_file():
                    problems.append(f"  {path}: missing")
                    continue
                found = hashes[file] = self._hash(path, f"{model.name}/{file}")
                if found.sha256 != recorded.sha256:
                    differing = (recorded.sha1, found.sha1)
                    problems.append(_difference(path, recorded, found))
        if problems:
            raise _damaged(model.name, problems, differing)
        return hashes

    def loose(self, digests: Mapping[str, int]) -> dict[str, bool]:
        """Whether blobs that no model has are what their names say."""
        with self._cache.explained():
            paths = {digest: self._cache.blobs.path(digest) for digest in digests}
            return {
                digest: self._hash(path, f"blob {digest[:12]}").sha256 == digest
                for digest, path in paths.items()
                if path.is_file()
            }

    def _hash(self, path: Path, label: str) -> Hashes:
        status = path.stat()
        key = status.st_dev, status.st_ino
        if key not in self._done:
            size = status.st_size
            self._done[key] = hash_file(path, lambda done: self._progress(label, done, size))
        return self._done[key]


def _difference(path: Path, recorded: FileRecord, found: Hashes) -> str:
    return (
        f"  {path}: expected sha1 {recorded.sha1} ({recorded.size} bytes),"
        f" found sha1 {found.sha1} ({found.size} bytes)"
    )


def _damaged(
    name: str, problems: list[str], differing: tuple[str, str] | None
) -> VerificationError:
    message = (
        f"{name} is damaged:\n" + "\n".join(problems) + "\n"
        f"`zoo fetch {name} --force` fetches it again."
    )
    if differing is None:
        return VerificationError(message)
    expected, received = differing
    return HashMismatchError(message, algorithm="sha1", expected=expected, received=received)
