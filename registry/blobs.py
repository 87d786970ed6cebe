"""The weights of all cached models, each content once: <home>/blobs/sha256/<hash>.

In the directory of a model the file is a hard link to its blob. Where the file system has none it
is a relative symbolic link, and where it has neither the file lies in that directory only and there
is no blob. So a model's directory is always complete, and nobody who reads it has to know of blobs.

What people read, and may edit, is never a blob: readmes, definitions, labels. Blobs are read-only.
Whoever changes something here holds the cache's lock for blobs (see `zoo.registry.cache`).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zoo.registry.cached import FileRecord, Record
from zoo.registry.hashes import Hashes, hash_file

__all__ = ["Blobs", "is_blob"]

_READ_BY_PEOPLE = (".md", ".txt", ".prototxt", ".json", ".yaml", ".yml", ".bib", ".cff", ".html")
_NO_LINKS = (
    errno.EPERM,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
    errno.EXDEV,
)
_NAME = re.compile(r"[0-9a-f]{64}")


def is_blob(name: str, record: Record) -> bool:
    """Whether a file of a model is kept by its content: weights, and whatever is no text.

    >>> tiny = Record("tiny", "", {})
    >>> is_blob("tiny.caffemodel", tiny), is_blob("mean.npy", tiny), is_blob("readme.md", tiny)
    (True, True, False)
    """
    return name == record.weights or not name.lower().endswith(_READ_BY_PEOPLE)


class Blobs:
    """The blobs below the folder of a cache; looking creates nothing."""

    def __init__(self, home: Path) -> None:
        self._root = home / "blobs" / "sha256"

    def path(self, digest: str) -> Path:
        """Where a content lies, or would lie."""
        return self._root / digest

    def sizes(self) -> dict[str, int]:
        """Every blob with its bytes."""
        return {path.name: path.stat().st_size for path in self._list() if _NAME.match(path.name)}

    def share(self, directory: Path, record: Record, *, in_use: bool = False) -> Record:
        """Make the files of a model links to blobs; the record with their times.

        Parameters
        ----------
        directory : where the files are, which have to be what the record says.
        record : of the model.
        in_use : others read the directory, so that no file may be missing for a moment.
        """
        files = dict(record.files)
        for name, file in record.files.items():
            path = directory / name
            if is_blob(name, record) and (not in_use or _is_as_recorded(path, file)):
                self._share(path, file, in_use)
                files[name] = replace(file, mtime_ns=path.stat().st_mtime_ns)
        return replace(record, files=files)

    def mend(self, directory: Path, record: Record, digests: Collection[str]) -> Record:
        """Replace files of a model by links to these blobs; the record with their times.

        What is replaced is another copy of the same content, or one that is damaged.
        """
        files = dict(record.files)
        for name, file in record.files.items():
            path, blob = directory / name, self.path(file.sha256)
            if file.sha256 not in digests or not blob.is_file() or _is_same(path, blob):
                continue
            if _link(blob, path, symbolic=True):
                files[name] = replace(file, mtime_ns=path.stat().st_mtime_ns)
        return replace(record, files=files)

    def take(self, digest: str, target: Path) -> Hashes | None:
        """Put a content at a path, hashed anew; None where it is not here, or is damaged."""
        blob = self.path(digest)
        try:
            hashes = hash_file(blob)
            if hashes.sha256 != digest:
                return None
            if not _link(blob, target, symbolic=False):
                shutil.copyfile(blob, target)
        except FileNotFoundError:  # maybe removed meanwhile
            return None
        return hashes

    def behind(self, directory: Path) -> set[str]:
        """The blobs that files of a directory are links to."""
        blobs = {_identity(path): path.name for path in self._list()}
        files = (path for path in directory.iterdir() if path.exists())
        return {blobs[key] for path in files if (key := _identity(path)) in blobs}

    def drop(self, digests: Iterable[str]) -> int:
        """Remove blobs; how many bytes they had."""
        freed = 0
        for digest in digests:
            path = self.path(digest)
            if path.exists():
                freed += path.stat().st_size
                path.unlink()
        return freed

    def temporary(self) -> list[Path]:
        """What is being made, or what a killed process left half done."""
        return [path for path in self._list() if path.name.startswith(".")]

    def _list(self) -> list[Path]:
        return sorted(self._root.iterdir()) if self._root.is_dir() else []

    def _share(self, path: Path, file: FileRecord, in_use: bool) -> None:
        blob = self.path(file.sha256)
        if _is_same(path, blob):
            return
        if blob.exists() and hash_file(blob).sha256 == file.sha256:
            _link(blob, path, symbolic=not in_use)
            return
        self._root.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # a file of another user
            path.chmod(path.stat().st_mode & 0o555)  # an edit in place would change every copy
        if not _link(path, blob, symbolic=False) and not in_use:
            os.replace(path, blob)
            if not _link(blob, path, symbolic=True):
                os.replace(blob, path)


def _link(content: Path, path: Path, *, symbolic: bool) -> bool:
    """Make `path` a link to what lies at `content`, at once; False where there are no links.

    Parameters
    ----------
    content : a file.
    path : what is there is replaced.
    symbolic : whether a symbolic link will do.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    try:
        try:
            os.link(content, temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not symbolic:
                return False
            os.symlink(os.path.relpath(content, path.parent), temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _is_same(path: Path, blob: Path) -> bool:
    try:
        return path.samefile(blob)
    except FileNotFoundError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is_as_recorded(path: Path, file: FileRecord) -> bool:
    """Whether a file is what it was, as `CachedModel.damage` sees it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    if (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns):
        return True
    return status.st_size == file.size and hash_file(path).sha256 == file.sha256
