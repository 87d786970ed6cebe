"""One file out of a zip or tar archive; nothing else of the archive is ever written.

The file gets the name that the caller chose, never that of the archive. What is refused: a member
that is a link, a device or a folder, one with an absolute path or `..`, one that is larger than it
may be, and an archive that grows out of proportion while it is unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from zoo.errors import VerificationError
from zoo.registry.contents import is_weights
from zoo.registry.hashes import Hasher, Hashes

__all__ = ["LARGEST", "extract_member"]

LARGEST = 16 << 30
"""Bytes that a file may have whose size nobody said."""

_CHUNK = 1 << 20
_MOST_GROWTH = 200  # weights shrink to a half at best; only a bomb shrinks to a thousandth
_HARMLESS = 64 << 20
_LONGEST_HEADER = 1 << 20
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted zip
    ValueError,
)


def extract_member(
    archive: Path, member: str, target: Path, *, label: str, size: int | None = None
) -> Hashes:
    """Write one member of an archive to `target`.

    Parameters
    ----------
    archive : a zip file, or a tar file, bare or compressed with gzip, bzip2 or xz.
    member : its path in the archive, or its last part where only one member ends so; "" for the
        only weights.
    target : where to write it.
    label : what messages call the archive.
    size : bytes that the member has, where that is known; more are never written.

    Returns
    -------
    The hashes of what was written.

    Raises
    ------
    VerificationError
        when the archive is none, is broken, has no such member, or one that is refused.
    """
    limit = min(LARGEST if size is None else size, _most(archive))
    try:
        if zipfile.is_zipfile(archive):
            return _from_zip(archive, member, target, limit, label)
        return _from_tar(archive, member, target, limit, label)
    except _BROKEN as error:
        raise VerificationError(
            f"{label} is no archive that can be opened: {error or type(error).__name__}."
            " Expected a zip or tar file."
        ) from None


def _most(archive: Path) -> int:
    """How many bytes an archive may hold before it counts as a bomb."""
    return max(_HARMLESS, _MOST_GROWTH * archive.stat().st_size)


def _from_zip(archive: Path, member: str, target: Path, limit: int, label: str) -> Hashes:
    with zipfile.ZipFile(archive) as opened:
        files = [info for info in opened.infolist() if not info.is_dir()]
        name = _chosen(member, [info.filename for info in files], label)
        info = next(info for info in files if info.filename == name)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _refused(label, name, "is a link")
        _check_size(info.file_size, limit, label, name)
        with opened.open(info) as stream:
            return _copy(stream, target, limit, label, name)


def _from_tar(archive: Path, member: str, target: Path, limit: int, label: str) -> Hashes:
    names: list[str] = []
    for once_more in (False, True):
        wanted = _chosen(member, names, label) if once_more else member
        with _tar(archive, label) as opened:
            for info in opened:
                names += [] if info.isdir() else [info.name]
                if info.name != wanted:
                    continue
                _check_path(wanted, label)
                if not info.isreg():
                    raise _refused(label, wanted, "is a link or no file")
                _check_size(info.size, limit, label, wanted)
                stream = opened.extractfile(info)
                if stream is not None:
                    return _copy(stream, target, limit, label, wanted)
    raise _refused(label, member, "cannot be read")


def _chosen(member: str, names: Sequence[str], label: str) -> str:
    """The one member that is meant."""
    found = [member] if member in names else []
    if not member:
        found = [name for name in names if is_weights(name)]
    found = found or [name for name in names if name.rpartition("/")[2] == member]
    if len(found) != 1:
        there = ", ".join(sorted(names)[:20]) + (", ..." if len(names) > 20 else "")
        problem = f"has {len(found)} files called" if found else "does not hold"
        raise VerificationError(
            f"{label} {problem} {member or '*.caffemodel'}. In it: {there or 'nothing'}."
            " Name one as the member (--member, archive_member)."
        )
    _check_path(found[0], label)
    return found[0]


def _check_path(name: str, label: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise _refused(label, name, "has a path that leads out of the archive")


def _check_size(size: int, limit: int, label: str, name: str) -> None:
    if size > limit:
        raise _refused(label, name, f"has {size} bytes where at most {limit} are expected")


@contextmanager
def _tar(archive: Path, label: str) -> Iterator[tarfile.TarFile]:
    """Read a tar file from its beginning to its end, whatever it is compressed with."""
    with archive.open("rb") as file:
        start = file.read(6)
    opener: Any = next((opener for magic, opener in _OPENERS if start.startswith(magic)), open)
    with opener(archive, "rb") as stream:
        bounded: Any = _Bounded(stream, _most(archive) + _HARMLESS, label)
        with tarfile.open(fileobj=bounded, mode="r|", tarinfo=_Header) as opened:
            yield opened


def _copy(stream: IO[bytes], target: Path, limit: int, label: str, name: str) -> Hashes:
    hasher = Hasher()
    written = 0
    with target.open("wb") as file:
        while piece := stream.read(_CHUNK):
            written += len(piece)
            _check_size(written, limit, label, name)
            hasher.update(piece)
            file.write(piece)
    return hasher.result()


class _Bounded:
    """A stream that ends with an error when it gives more than it may."""

    def __init__(self, stream: IO[bytes], limit: int, label: str) -> None:
        self._stream, self._left, self._label = stream, limit, label

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise VerificationError(f"{self._label} unpacks to far more than it should; refused.")
        return piece


class _Header(tarfile.TarInfo):
    """The header of a member; a long name is read into memory, so it may not be too long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        info = super().frombuf(buf, encoding, errors)
        if info.type not in tarfile.REGULAR_TYPES and info.size > _LONGEST_HEADER:
            raise VerificationError(f"the archive has a header of {info.size} bytes; refused.")
        return info


def _refused(label: str, name: str, reason: str) -> VerificationError:
    return VerificationError(f"{label}: {name!r} {reason}, so it was not unpacked.")
