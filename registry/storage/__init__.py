"""Places that models come from. A storage is any object with the attributes of `Storage`.

Adding one: write a class with these five, in a file of its own, and let `open_source` choose it.
`tests/registry/test_storage.py` has the checks that every storage passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from zoo.errors import UsageError
from zoo.registry.card import Card

__all__ = ["RemoteFile", "Storage", "Stream", "embedded", "location", "open_source"]

_DATA = Path(__file__).resolve().parent.parent / "data"

Stream = AbstractContextManager[tuple[Iterator[bytes], int | None]]
"""Opens to the pieces of a file and its size, None where the place does not say."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that a storage has; `size` is None where it is not known before the file comes."""

    name: str
    size: int | None = None


@runtime_checkable
class Storage(Protocol):
    """What a place of models can do. A place that cannot be reached raises DownloadError."""

    @property
    def name(self) -> str:
        """What messages and records call the place; holds no credentials."""

    def list(self) -> Sequence[str]:
        """The names of its models; empty also where the place cannot list but only give."""

    def card(self, name: str) -> Card:
        """The card of a model. Raises UnknownModelError when the place has no such model."""

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of a model; with the name "" those that lie beside the models."""

    def open(self, name: str, file: str) -> Stream:
        """Open a file of a model, or with the name "" one that lies beside the models."""


def location(source: Storage, name: str, file: str) -> str:
    """Where a file lies, for messages."""
    return "/".join(part for part in (source.name.rstrip("/"), name, file) if part)


def embedded() -> Storage:
    """The models that ship with zoo."""
    from zoo.registry.storage.folder import FolderSource

    return FolderSource(_DATA, name="embedded")


def open_source(text: str | Path) -> Storage:
    """The storage that a `--source` means: an http(s) address or a folder of model directories.

    Raises
    ------
    UsageError
        when the folder does not exist, or the address has another scheme.
    """
    scheme, separator, _ = str(text).partition("://")
    if separator and scheme.lower() in ("http", "https"):
        from zoo.registry.storage.http import HttpSource

        return HttpSource(str(text))
    if separator:
        raise UsageError(
            f"--source {text}: addresses that begin with {scheme}:// are not known;"
            " expected http://, https:// or a folder."
        )
    from zoo.registry.storage.folder import FolderSource

    return FolderSource.at(text)
