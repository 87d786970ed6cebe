"""The addresses that a card offers: which give a file, which an archive, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from zoo.errors import UnavailableError
from zoo.registry.card import Card
from zoo.registry.card_facts import texts
from zoo.registry.contents import is_archive, is_weights
from zoo.registry.hashes import ExpectedHash, parse_hash
from zoo.registry.storage.share_links import downloadable, only_for_people

__all__ = [
    "archive_hashes",
    "archives_of",
    "definition_name",
    "gives_archive",
    "giving_files",
    "never_comes",
    "weights_addresses",
    "weights_name",
]

_PAGE = "it is a page where one has to go on by hand"


def weights_addresses(card: Card) -> list[str]:
    """Every address of the weights that the card gives, the best one first."""
    given = card.document.every("caffemodel_url", card.chosen)
    return list(dict.fromkeys([*given, *texts(card, "mirrors")]))


def giving_files(card: Card, given: Sequence[str]) -> list[str]:
    """The addresses that can give a file, as they give it."""
    page = card.caffemodel_url if card.value("caffemodel_url_is") == "page" else None
    reasons = {url: _is_page(url) if url != page else _PAGE for url in given}
    urls = [downloadable(url) for url in given if not reasons[url]]
    if urls:
        return list(dict.fromkeys(urls))
    tried = "".join(f"\n  {url}: {reason}" for url, reason in reasons.items())
    raise UnavailableError(
        f"{card.path}: no address gives the weights themselves:{tried}\nFetch them by hand, put"
        " them into a folder with the readme, and give that: `zoo fetch ./folder`."
    )


def weights_name(urls: Sequence[str], archives: Sequence[str]) -> str:
    """What weights are called that nobody named: as in an address, where that has a name at all."""
    names = [_last(url) for url in urls]
    called = next((name for name in names if is_weights(name)), "")
    return called or ("weights.caffemodel" if archives or any(names) else "")


def gives_archive(url: str, card: Card, member: str) -> bool:
    """Whether an address is that of an archive around the weights."""
    path = _path(url)
    return (is_archive(path) and not is_archive(card.caffemodel or "")) or (
        bool(member) and not is_weights(path)
    )


def archives_of(card: Card) -> tuple[str, ...]:
    """The addresses of archives among those of the weights."""
    urls = [downloadable(url) for url in weights_addresses(card) if not only_for_people(url)]
    return tuple(u for u in urls if gives_archive(u, card, card.value("archive_member") or ""))


def archive_hashes(card: Card) -> tuple[ExpectedHash, ...]:
    """What the archives are, where the card says so."""
    text = card.value("archive_sha1")
    return (parse_hash(text, f"{card.path}: archive_sha1", "sha1"),) if text else ()


def definition_name(url: str, *, alone: bool) -> str:
    """What a definition is called here: as in its address, always with the usual ending."""
    name = _last(url)
    stem, dot, ending = name.rpartition(".")
    if dot and ending in ("prototxt", "pt", "txt"):
        return f"{stem}.prototxt"
    return "deploy.prototxt" if alone else f"{name}.prototxt"


def never_comes(urls: Sequence[str], hash: object) -> bool:
    """Whether nobody could tell if it was changed on the way, so that it is not taken at all."""
    from zoo.registry.download import is_unguarded

    return hash is None and all(map(is_unguarded, urls))


def _is_page(url: str) -> str:
    """Why an address gives no file, "" where it may."""
    is_folder = "://" in url and not _last(url) and "?" not in url
    return only_for_people(url) or ("it is the address of a folder" if is_folder else "")


def _last(url: str) -> str:
    return unquote(_path(url).rpartition("/")[2])


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
