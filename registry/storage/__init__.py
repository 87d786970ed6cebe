"""Places that models come from. A storage is any object with the attributes of `Storage`.

Adding one: write a class with these five, in a file of its own, and let `open_source` choose it.
`tests/registry/test_storage.py` has the checks that every storage passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from zoo.errors import UsageError
from zoo.registry.card import Card

if TYPE_CHECKING:
    from zoo.registry.model_entry import ModelEntry

__all__ = [
    "Listing",
    "RemoteFile",
    "Storage",
    "Stream",
    "WebFiles",
    "embedded",
    "location",
    "open_source",
]

_DATA = Path(__file__).resolve().parent.parent / "data"

Stream = AbstractContextManager[tuple[Iterator[bytes], int | None]]
"""Opens to the pieces of a file and its size, None where the place does not say."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that a storage has.

    `size` is None where it is not known before the file comes, `sha256` is "" where the place does
    not tell it.
    """

    name: str
    size: int | None = None
    sha256: str = ""


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


@runtime_checkable
class Listing(Protocol):
    """What a storage may have beside: it knows models without reading their cards."""

    def entry(self, name: str) -> ModelEntry | None:
        """What it knows of a model; None where the card has to be read for that."""

    def resolve(self, name: str) -> str | None:
        """The model that another of its names means, such as an alias or its title; None where
        none of those does of which it knows."""


@runtime_checkable
class WebFiles(Protocol):
    """What a storage may have beside: a web server gives its files, so that they can be resumed."""

    def url(self, name: str, file: str) -> str:
        """The http(s) address of a file of a model; with "" of one beside the models."""

    def headers(self, url: str) -> Mapping[str, str]:
        """What a request for one of its files has to carry, such as a token; for its host only."""


def location(source: Storage, name: str, file: str) -> str:
    """Where a file lies, for messages."""
    return "/".join(part for part in (source.name.rstrip("/"), name, file) if part)


def embedded() -> Storage:
    """The models that ship with zoo."""
    from zoo.registry.storage.folder import FolderSource

    return FolderSource(_DATA, name="embedded")


def open_source(text: str | Path) -> Storage:
    """The storage that a `--source` means.

    Parameters
    ----------
    text : a folder of model directories, the http(s) address of one, hf://owner/repo, or the
        address of a folder in a place that fsspec opens (s3://, gs://).

    Raises
    ------
    UsageError
        when there is no such folder, the text is empty, or nobody knows the scheme.
    UnavailableError
        when the optional part that reads the place is not installed.
    """
    if not str(text).strip():
        raise UsageError("the address of a source is empty; expected a folder or an address.")
    scheme, separator, rest = str(text).partition("://")
    if separator and scheme.lower() in ("http", "https"):
        from zoo.registry.storage.http import HttpSource

        return HttpSource(str(text))
    if separator and scheme.lower() == "hf":
        from zoo.registry.address import parse_address
        from zoo.registry.storage.hub import HubSource

        return HubSource(parse_address(str(text)))
    if separator:
        from zoo.registry.storage.fsspec_places import FsspecSource

        if not rest or scheme.lower() == "file":
            raise UsageError(f"{text} names no folder; expected a folder or an address.")
        return FsspecSource(str(text))
    from zoo.registry.storage.folder import FolderSource

    return FolderSource.at(text)
