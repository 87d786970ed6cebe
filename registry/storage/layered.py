"""A model of one storage, completed by the files of another.

For a readme that describes several models, the card of one of them lies on top of the files beside
the readme; for an entry of the catalogue, the entry lies on top of the gist with its definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from zoo.registry.card import Card
from zoo.registry.storage import RemoteFile, Storage, WebFiles

__all__ = ["Layered"]


class Layered:
    """The one model.

    Parameters
    ----------
    top, model : the storage whose card and files come first, and what the model is called there.
    below, below_model : the storage of all other files, and what the model is called there.
    """

    def __init__(self, top: Storage, model: str, below: Storage, below_model: str) -> None:
        self.name, self.model = top.name, model
        self.is_local = getattr(below, "is_local", False)
        self._top, self._below, self._below_model = top, below, below_model

    def list(self) -> Sequence[str]:
        """The one name."""
        return [self.model]

    def card(self, name: str) -> Card:
        """The card on top."""
        return self._top.card(name)

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of both, those on top first."""
        if not name:
            return [*self._top.files(""), *self._below.files("")]
        on_top = self._top.files(name)
        names = {file.name for file in on_top}
        return [*on_top, *(f for f in self._below.files(self._below_model) if f.name not in names)]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Read a file of either."""
        source, name = self._of(name, file)
        with source.open(name, file) as stream:
            yield stream

    def url(self, name: str, file: str) -> str:
        """The address of a file, "" where no web server gives it."""
        source, name = self._of(name, file)
        return source.url(name, file) if isinstance(source, WebFiles) else ""

    def headers(self, url: str) -> Mapping[str, str]:
        """What the storage of the address asks for."""
        web = [source for source in (self._top, self._below) if isinstance(source, WebFiles)]
        return {key: value for source in web for key, value in source.headers(url).items()}

    def _of(self, name: str, file: str) -> tuple[Storage, str]:
        if any(one.name == file for one in self._top.files(name)):
            return self._top, name
        return self._below, self._below_model if name else ""
