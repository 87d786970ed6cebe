"""The http(s) address of a folder of model directories, on any web server.

Three ways to know what is there, the first that works: an `index.json` in the folder
(`[{"name": ..., "files": [file name or {"name", "size"}]}]`), the server's own page about a
directory, and, on a server that shows none, the names that files of models conventionally have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from zoo.errors import CardError, DownloadError, UnknownModelError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.hashes import diagnose, is_page
from zoo.registry.storage import RemoteFile
from zoo.registry.storage.links import directory_links
from zoo.registry.storage.requesting import get_bytes, new_session, open_url, shown

__all__ = ["HttpSource"]

_CONVENTIONAL = (
    "deploy.prototxt",
    "train_val.prototxt",
    "solver.prototxt",
    "labels.txt",
    "synset_words.txt",
    "LICENSE",
)
_SHARED = ("labels.txt", "synset_words.txt", "synsets.txt", "imagenet_synsets.txt")


@dataclass(frozen=True)
class _Tree:
    """What the server says it has; None where it does not say."""

    base: str
    models: Mapping[str, Sequence[RemoteFile] | None]
    shared: Sequence[RemoteFile] | None


class HttpSource:
    """Models below an address.

    Parameters
    ----------
    url : http:// or https:// address of the folder, or of a single model directory, which is
        taken as its parent with that model only.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise UsageError(f"--source {shown(url)}: the address names no host.")
        self._url = url.partition("#")[0].partition("?")[0].rstrip("/") + "/"
        self._session = new_session()
        self._cards: dict[str, tuple[Card, str]] = {}

    @property
    def name(self) -> str:
        """The address of the folder, without credentials."""
        return shown(self._base)

    def list(self) -> Sequence[str]:
        """The names of the models; empty where the server lists nothing."""
        return sorted(self._tree.models)

    def card(self, name: str) -> Card:
        """The card of a model, its readme.md."""
        return self._card_and_spelling(name)[0]

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of a model, its card as readme.md; with "" the files beside the models."""
        if not name:
            shared = self._tree.shared
            return self._probed("", _SHARED) if shared is None else shared
        if known := self._tree.models.get(name):
            return known
        card, readme = self._card_and_spelling(name)
        _, found = self._links(self._address(name))
        if readme in found:
            return [RemoteFile(README if file == readme else file) for file in found]
        named = [file for file in (card.prototxt, card.labels, card.caffemodel) if file]
        candidates = tuple(dict.fromkeys([*_CONVENTIONAL, *named]))
        return [RemoteFile(README), *self._probed(name, candidates, surely=card.caffemodel)]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Ask for a file in pieces."""
        if name and file == README:
            file = self._card_and_spelling(name)[1]
        with open_url(self._address(name, file), self._session) as stream:
            yield stream

    @property
    def _base(self) -> str:
        return self._tree.base if "_tree" in self.__dict__ else self._url

    @cached_property
    def _tree(self) -> _Tree:
        index = self._index()
        if index is not None:
            return _Tree(self._url, index, None)
        folders, files = self._links(self._url)
        readme = next((file for file in files if file.lower() == README), None)
        if readme is not None and not folders:
            base, _, name = self._url.rstrip("/").rpartition("/")
            listed = [RemoteFile(README if file == readme else file) for file in files]
            return _Tree(base + "/", {unquote(name): listed}, None)
        shared = [RemoteFile(file) for file in files]
        return _Tree(self._url, dict.fromkeys(folders), shared if folders else None)

    def _index(self) -> Mapping[str, Sequence[RemoteFile] | None] | None:
        """What index.json says, or None when the server has none."""
        content = self._if_there(self._url + "index.json")
        try:
            entries = json.loads(content) if content else None
        except ValueError:
            return None  # a page that the server sends for whatever it lacks
        if not isinstance(entries, list):
            return None
        named = [entry for entry in entries if isinstance(entry, dict) and "name" in entry]
        return {
            entry["name"]: _index_files(entry.get("files"))
            for entry in named
            if isinstance(entry["name"], str) and is_plain(entry["name"])
        }

    def _card_and_spelling(self, name: str) -> tuple[Card, str]:
        if name in self._cards:
            return self._cards[name]
        for spelling in (README, "README.md"):
            url = self._address(name, spelling)
            content = self._if_there(url) if is_plain(name) else None
            if content is None:
                continue
            if problem := diagnose(content):
                raise CardError(f"{shown(url)}: expected the card of a model. {problem}")
            self._cards[name] = Card.from_bytes(content, shown(url)), spelling
            return self._cards[name]
        raise UnknownModelError(name, self.list(), self.name)

    def _links(self, url: str) -> tuple[Sequence[str], Sequence[str]]:
        page = self._if_there(url)
        return directory_links(page.decode("utf-8", "replace"), url) if page else ([], [])

    def _probed(
        self, name: str, candidates: Sequence[str], surely: str | None = None
    ) -> Sequence[RemoteFile]:
        """Those of some files that the server has, found by beginning to ask for each.

        Some servers send a page for whatever they lack; only for `surely` such a page counts as the
        file, so that the one who asks for weights hears what came instead.
        """
        found = []
        for file in filter(is_plain, candidates):
            try:
                with open_url(self._address(name, file), self._session) as (pieces, size):
                    if file == surely or not is_page(next(pieces, b"")):
                        found.append(RemoteFile(file, size))
            except DownloadError as error:
                if not _refused(error):
                    raise
        return found

    def _if_there(self, url: str) -> bytes | None:
        """A small file, or None when the server answers that it has none or shows none."""
        try:
            return get_bytes(url, self._session)
        except DownloadError as error:
            if _refused(error):
                return None
            raise

    def _address(self, name: str, file: str = "") -> str:
        return self._base + (f"{quote(name)}/" if name else "") + quote(file)


def _refused(error: DownloadError) -> bool:
    """Whether a server answered that it does not give this, rather than failing."""
    answers = ("HTTP 403", "HTTP 404", "HTTP 405", "HTTP 410")
    return all(reason.startswith(answers) for _, reason in error.attempts)


def _index_files(entries: Any) -> Sequence[RemoteFile] | None:
    if not isinstance(entries, list):
        return None
    files = []
    for entry in entries:
        facts = entry if isinstance(entry, dict) else {"name": entry}
        name, size = facts.get("name"), facts.get("size")
        if isinstance(name, str) and is_plain(name):
            files.append(RemoteFile(name, size if isinstance(size, int) else None))
    return files
