"""Folders of models in any place that fsspec opens: s3://, gs://, az://, sftp://, memory://, ...

Which package a scheme needs, fsspec says; s3 and gs are extras of zoo. Credentials come from where
each package looks for them (for s3 the environment and ~/.aws), never from the address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from zoo.errors import DownloadError, UnavailableError, UnknownModelError, UsageError, ZooError
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.storage import RemoteFile
from zoo.registry.storage.bounded import whole
from zoo.registry.storage.extras import EXTRAS, optional_module
from zoo.registry.storage.requesting import is_offline

__all__ = ["FsspecSource", "explained", "open_place", "read_place"]

_CHUNK = 1 << 20
# These read files of this machine, or let an address decide what is run to read it.
_REFUSED = (
    "file",
    "local",
    "http",
    "https",
    "reference",
    "generic",
    "jupyter",
    "jlab",
    "dir",
    "data",
)
_PARAMETERS = re.compile(r"\?\S*|//[^/\s]*@")


class FsspecSource:
    """Models in the folders below an address.

    Parameters
    ----------
    url : address of the folder of models, or of one model, which is then the only one.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._files, self._root = open_place(self._url)

    @property
    def name(self) -> str:
        """The address of the folder of models."""
        return self._parent_url if self._is_model else self._url

    @property
    def model(self) -> str | None:
        """The one model, where the address is that of a model."""
        return self._root.rpartition("/")[2] if self._is_model else None

    def list(self) -> Sequence[str]:
        """The names of the folders that have a readme.md."""
        return sorted(self._models)

    def card(self, name: str) -> Card:
        """The card of a model."""
        path = f"{self.name}/{name}/{README}"
        with self._stream(self._readme_of(name)) as (pieces, _):
            return Card.from_bytes(whole(pieces, path), path)

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of a model, its card as readme.md; with "" the files beside the models."""
        if not name:
            return [] if self._is_model else _remote(self._top)
        readme = self._readme_of(name).rpartition("/")[2]
        found = [file for file in self._models[name] if file["path"].rpartition("/")[2] != readme]
        size = next(f["size"] for f in self._models[name] if f["path"].endswith(f"/{readme}"))
        return [RemoteFile(README, size), *_remote(found)]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Read a file in pieces."""
        if not is_plain(file):
            raise DownloadError(f"{file!r} is not a file of a model", [(file, "no plain name")])
        path = f"{self._folder(name)}/{file}"
        with self._stream(self._readme_of(name) if name and file == README else path) as stream:
            yield stream

    @property
    def _parent_url(self) -> str:
        return self._url.rpartition("/")[0]

    @cached_property
    def _top(self) -> Sequence[Mapping[str, Any]]:
        return self._list(self._root)

    @cached_property
    def _is_model(self) -> bool:
        return _readme(self._top) is not None and not self._below

    @cached_property
    def _below(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """The files of each folder that is a model, by its name."""
        folders = [entry["path"] for entry in self._top if entry["folder"]]
        names = [path for path in folders if is_plain(path.rpartition("/")[2])]
        listed = {path.rpartition("/")[2]: self._list(path) for path in names}
        return {name: files for name, files in listed.items() if _readme(files)}

    @property
    def _models(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {self._root.rpartition("/")[2]: self._top} if self._is_model else self._below

    def _folder(self, name: str) -> str:
        return self._root if self._is_model or not name else f"{self._root}/{name}"

    def _readme_of(self, name: str) -> str:
        readme = _readme(self._models.get(name, ()))
        if readme is None:
            raise UnknownModelError(name, self.list(), self.name)
        return readme

    def _list(self, path: str) -> Sequence[Mapping[str, Any]]:
        with explained(path):
            try:
                entries = self._files.ls(path, detail=True)
            except FileNotFoundError:
                return []
            found = [
                {
                    "path": str(entry["name"]).rstrip("/"),
                    "size": entry.get("size"),
                    "folder": entry.get("type") == "directory",
                }
                for entry in entries
            ]
        # Some places list the folder itself among what is in it.
        return [entry for entry in found if entry["path"] != path]

    def _stream(self, path: str) -> Any:
        return read_place(self._files, path)


def open_place(url: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it.

    Raises
    ------
    UsageError
        when nobody knows the scheme, or it is one that reads files of this machine.
    UnavailableError
        when the package for it is not installed, or ZOO_OFFLINE is set.
    """
    scheme, _, place = url.partition("://")
    scheme = scheme.lower()
    if not place.strip("/"):
        raise UsageError(f"{url!r} names no place; expected such as s3://bucket/models.")
    if is_offline():
        raise DownloadError(
            f"{url}: ZOO_OFFLINE is set, so no network is touched", [(url, "ZOO_OFFLINE is set")]
        )
    fsspec = optional_module("fsspec", scheme)
    if scheme in _REFUSED or "::" in url or scheme not in fsspec.available_protocols():
        raise UsageError(
            f"{url}: addresses that begin with {scheme}:// are not known; expected https://,"
            " hf://, s3://, gs:// or another scheme of fsspec."
        )
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        line = f'pip install "model-zoo-kit[{extra}]"' if extra else str(error)
        raise UnavailableError(
            f"{url}: what reads {scheme}:// is not installed. Install it: {line}"
        ) from None
    except (ValueError, TypeError) as error:
        raise UsageError(f"{url} is no address of fsspec: {error}") from None
    except Exception as error:  # some connect at once
        raise _failed(url, error) from None
    return files, str(path).rstrip("/")


@contextmanager
def read_place(files: Any, path: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Read a file of a file system in pieces; what goes wrong there is a DownloadError."""
    with explained(path):
        stream = files.open(path, "rb")
    with stream:
        size = getattr(stream, "size", None)
        yield _pieces(stream, path), size if isinstance(size, int) else None


def _pieces(stream: Any, path: str) -> Iterator[bytes]:
    while True:
        with explained(path):
            piece: bytes = stream.read(_CHUNK)
        if not piece:
            return
        yield piece


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what the packages raise, each its own kind, into a DownloadError without secrets."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        raise _failed(path, error) from None


def _failed(path: str, error: Exception) -> DownloadError:
    lines = str(error).strip().splitlines()
    text = _PARAMETERS.sub("", lines[0][:200]) if lines else ""
    reason = f"{type(error).__name__}: {text}".rstrip(": ")
    return DownloadError(f"{path}: {reason}", [(path, reason)])


def _readme(entries: Sequence[Mapping[str, Any]]) -> str | None:
    found = [
        str(entry["path"])
        for entry in entries
        if not entry["folder"] and str(entry["path"]).rpartition("/")[2].lower() == README
    ]
    return min(found, key=lambda path: (not path.endswith(README), path), default=None)


def _remote(entries: Sequence[Mapping[str, Any]]) -> list[RemoteFile]:
    names = [
        (str(entry["path"]).rpartition("/")[2], entry["size"])
        for entry in entries
        if not entry["folder"]
    ]
    return [RemoteFile(name, size) for name, size in names if is_plain(name)]
