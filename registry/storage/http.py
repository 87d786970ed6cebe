"""The http(s) address of a folder of model directories, on any web server.

Three ways to know what is there, the first that works: an `index.json` in the folder (see
`zoo.registry.index`), the server's own page about a directory, and, on a server that shows none,
the names that files of models conventionally have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote, urlsplit

from zoo.errors import CardError, DownloadError, UnknownModelError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.diagnose import diagnose, is_page
from zoo.registry.index import INDEX, Index, read_index
from zoo.registry.model_entry import ModelEntry
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
    index: Index | None = None

    @cached_property
    def name(self) -> str:
        """The address as people may see it."""
        return shown(self.base)


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

    def entry(self, name: str) -> ModelEntry | None:
        """What the index says of a model."""
        known = self._tree.index and self._tree.index.models.get(name)
        return known.entry(self._tree.name, lambda: self.card(name)) if known else None

    def resolve(self, name: str) -> str | None:
        """The model that the index means by a title or another name."""
        return self._tree.index.resolve(name) if self._tree.index else None

    def card(self, name: str) -> Card:
        """The card of a model, its readme.md."""
        return self._card_and_spelling(name)[0]

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of a model, its card as readme.md; with "" the files beside the models."""
        if not name:
            shared = self._tree.shared
            return self._probed("", _SHARED) if shared is None else shared
        if known := self._tree.models.get(name) or self._indexed(name):
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
        with open_url(self.url(name, file), self._session) as stream:
            yield stream

    def url(self, name: str, file: str) -> str:
        """The address of a file, its card as readme.md."""
        if name and file == README:
            file = self._card_and_spelling(name)[1]
        return self._address(name, file)

    def headers(self, url: str) -> Mapping[str, str]:
        """Nothing beyond what the address itself has."""
        return {}

    @property
    def _base(self) -> str:
        return self._tree.base if "_tree" in self.__dict__ else self._url

    @cached_property
    def _tree(self) -> _Tree:
        index = self._index()
        if index is not None:
            return _Tree(self._url, dict.fromkeys(index.models), index.shared_files, index)
        folders, files = self._links(self._url)
        readme = next((file for file in files if file.lower() == README), None)
        if readme is not None and not folders:
            base, _, name = self._url.rstrip("/").rpartition("/")
            listed = [RemoteFile(README if file == readme else file) for file in files]
            return _Tree(base + "/", {unquote(name): listed}, None)
        shared = [RemoteFile(file) for file in files]
        return _Tree(self._url, dict.fromkeys(folders), shared if folders else None)

    def _index(self) -> Index | None:
        """The index of the folder, None when the server has none."""
        content = self._if_there(self._url + INDEX)
        return read_index(content) if content else None

    def _indexed(self, name: str) -> Sequence[RemoteFile] | None:
        """The files that the index lists, unless the card has changed since."""
        known = self._tree.index and self._tree.index.models.get(name)
        if known and known.describes(self.card(name).to_bytes()):
            return known.remote_files
        return None

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
        if self._tree.index and name in self._tree.index.models:
            reason = f"{INDEX} lists {name}, which is not there; `zoo index` renews it"
            raise DownloadError(f"{self.name}: {reason}", [(self.name, reason)])
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
