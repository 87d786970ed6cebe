"""Deciding what to fetch and from where. Nothing here touches a file or the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from zoo.errors import CardError, UnavailableError
from zoo.registry.card import Card
from zoo.registry.contents import (
    README,
    is_companion,
    is_labels_file,
    is_plain,
    labels_file,
    named_file,
    weights_file,
)
from zoo.registry.hashes import ExpectedHash, parse_hash
from zoo.registry.storage import RemoteFile

__all__ = ["FetchPlan", "PlannedFile", "expected_hashes", "plan_fetch"]


@dataclass(frozen=True)
class PlannedFile:
    """A file to fetch: beside the card, or beside the models (`shared`), or from `url`."""

    name: str
    size: int | None = None
    shared: bool = False
    url: str = ""
    expected: tuple[ExpectedHash, ...] = ()


@dataclass(frozen=True)
class FetchPlan:
    """What is to be fetched, the weights last; `note` says what a user should know."""

    files: tuple[PlannedFile, ...]
    weights: str | None = None
    note: str = ""

    @property
    def bytes(self) -> int:
        """Bytes to come, as far as they are known."""
        return sum(file.size or 0 for file in self.files)


def plan_fetch(
    card: Card, files: Sequence[RemoteFile], shared: Sequence[RemoteFile] = ()
) -> FetchPlan:
    """Decide what to fetch and from where; touches nothing.

    Parameters
    ----------
    card : the card of the model.
    files : what lies beside it. Definitions, labels, means and the licence are taken, and the
        weights that the card names, but no other snapshots.
    shared : what lies beside the models; labels are taken from here if the model has none.

    Raises
    ------
    CardError
        when the card names a file or a hash that is none.
    UnavailableError
        when the weights are neither beside the card nor offered at an address.
    """
    present = {file.name: file for file in files if is_plain(file.name)}
    weights = weights_file(present, card)
    named = [named_file(card, key, getattr(card, key)) for key in ("prototxt", "labels")]
    companions = [
        PlannedFile(file.name, file.size)
        for file in present.values()
        if file.name != weights and (is_companion(file.name) or file.name in named)
    ]
    if README not in present:
        companions.insert(0, PlannedFile(README))
    labels = [file for file in shared if is_labels_file(file.name) and is_plain(file.name)]
    if len(labels) == 1 and card.labels is None and labels_file(present, card) is None:
        companions.append(PlannedFile(labels[0].name, labels[0].size, shared=True))
    if weights is not None:
        planned = PlannedFile(weights, present[weights].size, expected=expected_hashes(card))
    elif card.caffemodel or card.caffemodel_url:
        planned = _from_address(card)
    else:
        return FetchPlan(tuple(companions), None, "the card names no weights, so there are none")
    return FetchPlan((*companions, planned), planned.name)


def _from_address(card: Card) -> PlannedFile:
    """The weights where the card offers them, for they are not beside it."""
    url = card.caffemodel_url
    if not url:
        raise UnavailableError(
            f"{card.path}: the weights {card.caffemodel} are not beside the card, and it gives no"
            " caffemodel_url. Put the file there, or give a --source that has it."
        )
    name = card.caffemodel or unquote(urlsplit(url).path.rpartition("/")[2])
    if not is_plain(name):
        raise CardError(f"{card.path}: names no caffemodel. Add 'caffemodel: <file>' to the card.")
    return PlannedFile(name, card.size_bytes, url=url, expected=expected_hashes(card))


def expected_hashes(card: Card) -> tuple[ExpectedHash, ...]:
    """The hashes that the card promises for its weights; UsageError where it gives none such."""
    given = (("sha1", card.sha1), ("sha256", card.sha256))
    return tuple(parse_hash(text, f"{card.path}: {key}", key) for key, text in given if text)
