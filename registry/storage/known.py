"""The catalogue as a source: cards of models whose files lie elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from zoo.errors import DownloadError, UnknownModelError
from zoo.registry.card import Card
from zoo.registry.contents import README
from zoo.registry.known import Entry, known, resolve
from zoo.registry.model_entry import ModelEntry
from zoo.registry.storage import RemoteFile

__all__ = ["KnownSource"]

_LABELS = "labels.txt"


class KnownSource:
    """Every model of the catalogue. It has cards, and labels where the classes are known by name.

    Examples
    --------
    >>> KnownSource().resolve("AlexNet")
    'bvlc_alexnet'
    """

    name = "catalogue"

    def list(self) -> Sequence[str]:
        """The names of the entries."""
        return list(known())

    def resolve(self, name: str) -> str | None:
        """The entry that any of its names means."""
        return resolve(name)

    def entry(self, name: str) -> ModelEntry:
        """What is known of an entry, without reading its card."""
        entry = self._entry(name)
        facts = entry.facts
        return ModelEntry(
            entry.name,
            entry.title,
            self.name,
            license=facts.get("license"),
            size=entry.size_bytes,
            task=entry.task,
            spdx=facts.get("license_spdx"),
            aliases=entry.aliases,
            words=" ".join(_words(entry)),
            read_card=entry.card,
        )

    def card(self, name: str) -> Card:
        """The card of an entry."""
        return self._entry(name).card()

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The card, and labels; the other files are at the addresses that the card gives."""
        if not name:
            return []
        return [RemoteFile(file, len(data)) for file, data in self._files(name).items()]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Read one of the files."""
        data = self._files(name).get(file)
        if data is None:
            reason = "the catalogue has cards, no such file"
            raise DownloadError(f"{name}/{file}: {reason}", [(f"catalogue/{name}/{file}", reason)])
        yield iter((data,)), len(data)

    def _entry(self, name: str) -> Entry:
        if name not in known():
            raise UnknownModelError(name, known(), self.name)
        return known()[name]

    def _files(self, name: str) -> dict[str, bytes]:
        entry = self._entry(name)
        files = {README: entry.card().to_bytes()}
        if entry.label_names:
            files[_LABELS] = ("\n".join(entry.label_names) + "\n").encode()
        return files


def _words(entry: Entry) -> Iterator[str]:
    """What a search looks through beside the names."""
    facts = entry.facts
    yield entry.caffemodel or ""
    yield str(facts.get("classes", {}).get("labels", ""))
    yield str(facts.get("arxiv", ""))
    yield facts.get("notes", "")
    yield entry.citation or ""
