"""A folder of model directories, each with a readme.md."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from zoo.errors import DownloadError, UnknownModelError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.index import INDEX, Index, read_index_file
from zoo.registry.model_entry import ModelEntry
from zoo.registry.storage import RemoteFile

__all__ = ["FolderSource"]

_CHUNK = 1 << 20


class FolderSource:
    """Models in the directories of a folder.

    Parameters
    ----------
    root : the folder.
    name : what messages call it; by default its path.
    only : the one model to see, None for all.
    """

    is_local = True

    def __init__(self, root: str | Path, name: str | None = None, only: str | None = None) -> None:
        self.root = Path(root).expanduser().absolute()
        self.name = name or str(self.root)
        self._only = only

    @classmethod
    def at(cls, path: str | Path) -> FolderSource:
        """The source that a path means; a model directory is its parent with that model only.

        Raises
        ------
        UsageError
            when there is no such folder.
        """
        root = Path(path).expanduser().absolute()
        if root.name.lower() == README and root.is_file():
            root = root.parent
        if not root.is_dir():
            problem = "is a file" if root.exists() else "does not exist"
            raise UsageError(
                f"{path} {problem}; expected a folder of model directories, each with a"
                f" {README}, or the http(s) address of one."
            )
        source = cls(root)
        if _readme(root) is not None and not source.list():
            return cls(root.resolve().parent, only=root.resolve().name)
        return source

    def list(self) -> Sequence[str]:
        """The names of the directories that have a readme.md."""
        return [path.name for path in self._entries(self.root) if self._is_model(path)]

    def entry(self, name: str) -> ModelEntry | None:
        """What the index says of a model, unless its readme has changed since."""
        index = self._index
        known = index.models.get(name) if index else None
        if index is None or known is None or known.files is None:
            return None
        try:
            status = (self.root / name / README).stat()
        except OSError:
            return None
        if status.st_mtime_ns > index.mtime_ns or status.st_size != known.files.get(README):
            return None
        return known.entry(self.name, lambda: self.card(name))

    def resolve(self, name: str) -> str | None:
        """The model that the index means by a title or another name."""
        found = self._index.resolve(name) if self._index else None
        return found if found and self.entry(found) else None

    def card(self, name: str) -> Card:
        """The card of a model."""
        readme = self._readme_of(name)
        self._require_inside(readme, self.root / name)
        return Card.read(readme)

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of a model, its card as readme.md; with "" the files beside the models."""
        readme = self._readme_of(name) if name else None
        files = []
        for path in self._entries(self.root / name):
            if path.is_file():
                size = path.stat().st_size
                files.append(RemoteFile(README if path == readme else path.name, size))
        return files

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Read a file in pieces."""
        path = self._readme_of(name) if name and file == README else self.root / name / file
        if not is_plain(file):
            raise DownloadError(
                f"{file!r} is not a file of a model", [(str(path), "no plain name")]
            )
        self._require_inside(path, self.root / name)
        try:
            size = path.stat().st_size
            stream = path.open("rb")
        except OSError as error:
            raise _unreadable(path, error) from None
        with stream:
            yield iter(lambda: stream.read(_CHUNK), b""), size

    @cached_property
    def _index(self) -> Index | None:
        return read_index_file(self.root / INDEX)

    def _require_inside(self, path: Path, directory: Path) -> None:
        """A link could make any file of this machine one of the model."""
        if path.is_symlink() and not path.resolve().is_relative_to(directory.resolve()):
            reason = "is a link that leads out of the model's directory; put the file itself there"
            raise DownloadError(f"{path} {reason}", [(str(path), reason)])

    def _is_model(self, path: Path) -> bool:
        wanted = self._only in (None, path.name) and is_plain(path.name)
        return wanted and path.is_dir() and _readme(path) is not None

    def _readme_of(self, name: str) -> Path:
        directory = self.root / name
        readme = _readme(directory) if is_plain(name) and self._is_model(directory) else None
        if readme is None:
            raise UnknownModelError(name, self.list(), self.name)
        return readme

    def _entries(self, directory: Path) -> Sequence[Path]:
        try:
            return sorted(path for path in directory.iterdir() if is_plain(path.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(directory, error) from None


def _readme(directory: Path) -> Path | None:
    """The readme of a directory in any spelling of its case."""
    try:
        found = [directory / name for name in os.listdir(directory) if name.lower() == README]
    except OSError:
        return None
    return min(found, key=lambda path: (path.name != README, path.name), default=None)


def _unreadable(path: Path, error: OSError) -> DownloadError:
    reason = error.strerror or str(error)
    return DownloadError(f"{path} cannot be read: {reason}", [(str(path), reason)])
