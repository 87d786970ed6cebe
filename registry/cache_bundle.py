"""Models that were carried here: the folder of another cache, or a tar of one.

A tar is only ever read: nothing is unpacked by the names in it. Members other than regular files,
hard links to such and folders make the whole tar refused, and so do absolute names and those with
`..`; of the others, those that lie where files of models lie are looked at.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from zoo.errors import UsageError
from zoo.registry.cache import Cache
from zoo.registry.cache_layout import read_layout
from zoo.registry.cached import Record
from zoo.registry.contents import RECORD, is_plain

__all__ = ["Bundle", "open_bundle"]

_LARGEST_RECORD = 1 << 20
_MOST_MEMBERS = 100_000


class Bundle(Protocol):
    """Models with records, to be read."""

    @property
    def label(self) -> str:
        """What messages call it."""

    def names(self) -> Sequence[str]:
        """The models."""

    def record(self, name: str) -> Record | None:
        """What a model is said to be; None where that is not valid."""

    def open(self, name: str, file: str) -> IO[bytes]:
        """A file of a model. Raises FileNotFoundError."""


@contextmanager
def open_bundle(path: str | Path) -> Iterator[Bundle]:
    """What was carried here.

    Parameters
    ----------
    path : a folder, or a file that `tar` made of one.

    Raises
    ------
    UsageError
        when it is none; says why.
    """
    path = Path(path).expanduser().absolute()
    if path.is_dir():
        yield _Folder(path)
    elif path.is_file():
        try:
            with tarfile.open(path, "r:") as archive:
                yield _Tar(path, archive)
        except tarfile.TarError as error:
            raise UsageError(f"{path} is no tar, or a damaged one: {error}.") from None
    else:
        raise UsageError(f"{path} does not exist; expected what `zoo cache export` wrote.")


class _Folder:
    """A cache in a folder, of this layout or an older one."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._cache = Cache(path)
        if read_layout(path) is None:
            raise UsageError(
                f"{path} is not what `zoo cache export` wrote: it has no file LAYOUT. Models in a"
                f" folder of their own come with `zoo fetch NAME --source {path}`."
            )

    def names(self) -> Sequence[str]:
        return [model.name for model in self._cache.models()]

    def record(self, name: str) -> Record | None:
        return Record.read(self._cache.path(name))

    def open(self, name: str, file: str) -> IO[bytes]:
        return (self._cache.path(name) / file).open("rb")


class _Tar:
    """A tar of such a folder."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self.label = str(path)
        self._archive = archive
        self._members: dict[tuple[str, ...], tarfile.TarInfo] = {}
        for count, member in enumerate(archive):
            if count >= _MOST_MEMBERS:
                raise UsageError(f"{path} has more than {_MOST_MEMBERS} members.")
            self._add(member)
        if ("LAYOUT",) not in self._members:
            raise UsageError(f"{path} is not what `zoo cache export` wrote: it has no LAYOUT.")

    def names(self) -> Sequence[str]:
        found = (parts[1] for parts in self._members if parts[2:] == (RECORD,))
        return sorted(name for name in found if is_plain(name))

    def record(self, name: str) -> Record | None:
        with self.open(name, RECORD) as stream:
            return Record.from_json(stream.read(_LARGEST_RECORD))

    def open(self, name: str, file: str) -> IO[bytes]:
        member = self._members.get(("models", name, file))
        stream = self._archive.extractfile(member) if member else None
        if stream is None:
            raise FileNotFoundError(f"{self.label}: models/{name}/{file}: missing")
        return stream

    def _add(self, member: tarfile.TarInfo) -> None:
        parts = _parts(member.name)
        if member.isdir():
            return
        if parts is None or not (member.isreg() or member.islnk()):
            raise UsageError(
                f"{self.label}: {member.name!r} has no place in an exported cache, so nothing was"
                " taken from it. `zoo cache export FILE.tar` writes files and hard links only."
            )
        if member.islnk():
            target = self._members.get(_parts(member.linkname) or ())
            if target is None:
                raise UsageError(
                    f"{self.label}: {member.name!r} is a link to {member.linkname!r}, which is not"
                    " before it in the tar, so nothing was taken from it."
                )
            member = target
        self._members[parts] = member


def _parts(name: str) -> tuple[str, ...] | None:
    """The folders and the name of a member; None where it leads out of the tar."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    return None if outside else path.parts
