"""Writing cached models to a tar, each file verified on its way.

The tar holds a cache of this layout: LAYOUT and models/<name>/. Weights that several models have
are in it once, and hard links to that. It names no user and no time of the machine that made it.
"""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from zoo.errors import HashMismatchError
from zoo.registry.cache import LAYOUT
from zoo.registry.cached import CachedModel, FileRecord
from zoo.registry.contents import RECORD
from zoo.registry.hashes import Hasher, Hashes, hash_file

__all__ = ["require_as_recorded", "write_tar"]

Progress = Callable[[str, int, int | None], None]


def write_tar(models: Sequence[CachedModel], target: Path, progress: Progress) -> None:
    """Write models to a tar; what was at `target` stays until it is whole.

    Raises
    ------
    HashMismatchError
        when a file is not what it was when it was fetched.
    """
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with temporary.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                _add_bytes(archive, "LAYOUT", f"{LAYOUT}\n".encode())
                first: dict[str, str] = {}
                for model in models:
                    _add_model(archive, model, first, progress)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def require_as_recorded(hashes: Hashes, recorded: FileRecord, label: str) -> None:
    """Refuse a file that is not what its record says."""
    if (hashes.sha256, hashes.size) == (recorded.sha256, recorded.size):
        return
    more = " or more" if hashes.size > recorded.size else ""
    raise HashMismatchError(
        f"{label} is damaged: expected sha256 {recorded.sha256} ({recorded.size} bytes), found"
        f" {hashes.sha256} ({hashes.size} bytes{more}). Nothing was kept of this model.",
        algorithm="sha256",
        expected=recorded.sha256,
        received=hashes.sha256,
    )


class _Passing:
    """A stream that is hashed while it is read."""

    def __init__(self, stream: IO[bytes], report: Callable[[int], None]) -> None:
        self._stream, self._report = stream, report
        self._done, self.hasher = 0, Hasher()

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data = self._stream.read(size)
        self.hasher.update(data)
        self._done += len(data)
        self._report(self._done)
        return data


def _add_model(
    archive: tarfile.TarFile, model: CachedModel, first: dict[str, str], progress: Progress
) -> None:
    for file, recorded in model.record.files.items():
        member = f"models/{model.name}/{file}"
        if recorded.sha256 in first:
            archive.addfile(_entry(member, link=first[recorded.sha256]))
        else:
            _add_verified(archive, member, model.directory / file, recorded, progress)
            first[recorded.sha256] = member
    _add_bytes(archive, f"models/{model.name}/{RECORD}", model.record.to_json())


def _add_verified(
    archive: tarfile.TarFile, member: str, path: Path, recorded: FileRecord, progress: Progress
) -> None:
    label = member.removeprefix("models/")
    with path.open("rb") as stream:
        passing = _Passing(stream, lambda done: progress(label, done, recorded.size))
        if os.fstat(stream.fileno()).st_size != recorded.size:
            require_as_recorded(hash_file(path), recorded, str(path))
        archive.addfile(_entry(member, recorded.size), passing)  # type: ignore[arg-type]
    require_as_recorded(passing.hasher.result(), recorded, str(path))


def _add_bytes(archive: tarfile.TarFile, member: str, content: bytes) -> None:
    archive.addfile(_entry(member, len(content)), io.BytesIO(content))


def _entry(member: str, size: int = 0, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(member)
    entry.size, entry.linkname = size, link
    entry.type = tarfile.LNKTYPE if link else tarfile.REGTYPE
    return entry
