"""A model that lies in no directory: weights at an address, or a readme alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from zoo.errors import DownloadError, UnknownModelError
from zoo.registry.card import Card
from zoo.registry.contents import README
from zoo.registry.storage import RemoteFile, Stream

__all__ = ["LooseModel"]


class LooseModel:
    """The one model that a card describes; its other files are at the addresses in the card.

    Parameters
    ----------
    model : what it is called here.
    place : where it is, as messages call it.
    card : what is known of it.
    kept : the card as it is kept, if an address in `card` holds a secret.
    weights : name of the weights and what opens them, where no web server gives them.
    """

    def __init__(
        self,
        model: str,
        place: str,
        card: Card,
        kept: Card | None = None,
        weights: tuple[str, Callable[[], Stream]] | None = None,
    ) -> None:
        self.name, self.model, self._card, self._weights = place, model, card, weights
        self._readme = (kept or card).to_bytes()

    def list(self) -> Sequence[str]:
        """The one name."""
        return [self.model]

    def card(self, name: str) -> Card:
        """What is known of the model."""
        if name != self.model:
            raise UnknownModelError(name, self.list(), self.name)
        return self._card

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The card, and the weights where they are no web server's."""
        if not name:
            return []
        weights = [RemoteFile(self._weights[0])] if self._weights else []
        return [RemoteFile(README, len(self._readme)), *weights]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Read one of the two."""
        if file == README:
            yield iter((self._readme,)), len(self._readme)
        elif self._weights and file == self._weights[0]:
            with self._weights[1]() as stream:
                yield stream
        else:
            raise DownloadError(f"{self.name} has no file {file}", [(self.name, f"no {file}")])
