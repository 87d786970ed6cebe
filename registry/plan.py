"""Deciding what to fetch and from where. Nothing here touches a file or the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoo.errors import CardError, UnavailableError
from zoo.registry.card import Card
from zoo.registry.card_facts import texts
from zoo.registry.contents import (
    README,
    RECORD,
    definition_file,
    is_companion,
    is_labels_file,
    is_plain,
    labels_file,
    named_file,
    weights_file,
)
from zoo.registry.hashes import ExpectedHash, parse_hash
from zoo.registry.offers import (
    archive_hashes,
    archives_of,
    definition_name,
    gives_archive,
    giving_files,
    never_comes,
    weights_addresses,
    weights_name,
)
from zoo.registry.storage import RemoteFile
from zoo.registry.storage.share_links import downloadable, only_for_people

__all__ = ["FetchPlan", "PlannedFile", "expected_hashes", "joined", "plan_fetch"]


@dataclass(frozen=True)
class PlannedFile:
    """A file to fetch: beside the card, beside the models (`shared`), or from an address.

    Parameters
    ----------
    name : what it is called here.
    size : bytes, where they are known.
    shared : whether it lies beside the models.
    urls : http(s) addresses that give it, the best first; none for a file of the storage.
    expected : its hashes, where they are known.
    archives : http(s) addresses of archives with it, tried after `urls`.
    member : its path in those.
    archive_hashes : what the archives are.
    optional : whether the model is worth having without it.
    """

    name: str
    size: int | None = None
    shared: bool = False
    urls: tuple[str, ...] = ()
    expected: tuple[ExpectedHash, ...] = ()
    archives: tuple[str, ...] = ()
    member: str = ""
    archive_hashes: tuple[ExpectedHash, ...] = ()
    optional: bool = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether it comes from an address and not from the storage."""
        return bool(self.urls or self.archives)


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

    @property
    def weights_file(self) -> PlannedFile | None:
        """The weights."""
        return next((file for file in self.files if file.name == self.weights), None)


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
        when the card names a file or a hash that is none, or speaks of several models.
    UnavailableError
        when the weights are neither beside the card nor offered at an address.
    """
    card.require_decided("caffemodel", "caffemodel_url", "sha1", "sha256")
    present, note = _usable(files)
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
    companions += _definitions(card, present)
    planned = _weights(card, present.get(weights or ""))
    if planned is None:
        note = joined(note, "the card names no weights, so there are none")
        return FetchPlan(tuple(companions), None, note)
    return FetchPlan((*companions, planned), planned.name, note)


def expected_hashes(card: Card) -> tuple[ExpectedHash, ...]:
    """The hashes that the card promises for its weights; UsageError where it gives none such."""
    given = (("sha1", card.sha1), ("sha256", card.sha256))
    return tuple(parse_hash(text, f"{card.path}: {key}", key) for key, text in given if text)


def _usable(files: Iterable[RemoteFile]) -> tuple[dict[str, RemoteFile], str]:
    """The files with names that are safe, by name; no two may differ in case alone."""
    present: dict[str, RemoteFile] = {}
    taken: dict[str, str] = {}
    left_out = []
    for file in sorted(files, key=lambda file: file.name != README):
        folded = file.name.casefold()
        if not is_plain(file.name) or folded == RECORD or folded in taken:
            left_out.append(file.name)
            continue
        present[file.name] = file
        taken[folded] = file.name
    clashes = [f"{name!r}" for name in left_out if name.casefold() in taken]
    note = f"left out {', '.join(clashes)}: differs only in case from another file"
    return present, note if clashes else ""


def _weights(card: Card, beside: RemoteFile | None) -> PlannedFile | None:
    expected = expected_hashes(card)
    if beside is not None:
        if beside.sha256 and not any(one.algorithm == "sha256" for one in expected):
            expected += (parse_hash(beside.sha256, beside.name, "sha256"),)
        return PlannedFile(_own_name(card, beside.name), beside.size, expected=expected)
    if not (card.caffemodel or card.caffemodel_url):
        return None
    return _from_addresses(card, expected)


def _from_addresses(card: Card, expected: tuple[ExpectedHash, ...]) -> PlannedFile:
    """The weights where the card offers them, for they are not beside it."""
    given = weights_addresses(card)
    if not given:
        raise UnavailableError(
            f"{card.path}: the weights {card.caffemodel} are not beside the card, and it gives no"
            " caffemodel_url. Put the file there, or give a --source that has it."
        )
    urls = giving_files(card, given)
    member = card.value("archive_member") or ""
    archives = tuple(url for url in urls if gives_archive(url, card, member))
    direct = tuple(url for url in urls if url not in archives)
    named = card.caffemodel or member.rpartition("/")[2] or weights_name(direct, archives)
    if not is_plain(named):
        raise CardError(f"{card.path}: names no caffemodel. Add 'caffemodel: <file>' to the card.")
    return PlannedFile(
        _own_name(card, named),
        card.size_bytes,
        urls=direct,
        expected=expected,
        archives=archives,
        member=member or (card.caffemodel or "" if archives else ""),
        archive_hashes=archive_hashes(card),
    )


def _definitions(card: Card, present: Mapping[str, RemoteFile]) -> list[PlannedFile]:
    """The definitions that the card offers at addresses; all but the one in use are optional."""
    urls: dict[str, tuple[str, ...]] = {}
    given = [text for text in texts(card, "prototxt") if "://" in text]
    for url in given:
        name = definition_name(url, alone=len(given) == 1)
        if is_plain(name) and name not in present and not only_for_people(url):
            urls[name] = (*urls.get(name, ()), downloadable(url))
    hashes = card.metadata.get("prototxt_sha1")
    hashes = hashes if isinstance(hashes, dict) else {}
    members = {path.rpartition("/")[2]: path for path in texts(card, "prototxt_members")}
    archive = archives_of(card)
    names = [*urls, *(name for name in members if archive and is_plain(name) and name not in urls)]
    needed = _in_use(card, [*present, *names])
    return [
        PlannedFile(
            name,
            urls=urls.get(name, ()),
            expected=_hash_of(card, name, hashes.get(name)),
            archives=archive if name in members and name not in urls else (),
            member=members.get(name, ""),
            archive_hashes=archive_hashes(card),
            optional=name != needed or never_comes(urls.get(name, archive), hashes.get(name)),
        )
        for name in names
    ]


def _in_use(card: Card, names: Sequence[str]) -> str | None:
    try:
        return definition_file(names, card)
    except CardError:
        return None


def _hash_of(card: Card, name: str, text: object) -> tuple[ExpectedHash, ...]:
    if text is None:
        return ()
    return (parse_hash(str(text), f"{card.path}: prototxt_sha1: {name}", "sha1"),)


def _own_name(card: Card, name: str) -> str:
    """The name of the weights, which may not be that of another file of every model."""
    if name.casefold() in (README, RECORD):
        raise CardError(f"{card.path}: caffemodel: {name!r} cannot be the name of weights.")
    return name


def joined(*notes: str) -> str:
    """What there is to say, in one line.

    >>> joined("", "one", "two")
    'one; two'
    """
    return "; ".join(note for note in notes if note)
