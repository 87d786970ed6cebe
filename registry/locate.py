"""From an address to a model: which storage has it, under which name, with which card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from zoo.errors import CardError, UnknownModelError, UsageError, ZooError
from zoo.registry.address import ModelAddress, parse_address
from zoo.registry.cache import Cache
from zoo.registry.card import Card
from zoo.registry.catalogue import Registry
from zoo.registry.contents import check_model_name, file_stem, is_archive, is_weights
from zoo.registry.found import Found, Sources
from zoo.registry.hashes import ExpectedHash
from zoo.registry.local import refuse_path
from zoo.registry.offers import weights_addresses
from zoo.registry.storage import Storage
from zoo.registry.storage.folder import FolderSource
from zoo.registry.storage.known import KnownSource
from zoo.registry.storage.layered import Layered
from zoo.registry.storage.loose import LooseModel

__all__ = ["Hints", "found_at", "locate"]

_KEY = re.compile(r"\w[\w-]*")


@dataclass(frozen=True)
class Hints:
    """What a user says of a model because its place does not.

    Parameters
    ----------
    model : which one, of a readme that describes several.
    prototxts : http(s) addresses of the definitions of weights that lie alone.
    member : the path of the weights in the archive that the address is of.
    """

    model: str = ""
    prototxts: tuple[str, ...] = ()
    member: str = ""

    def require_use(self, address: ModelAddress) -> None:
        """Refuse what says nothing of a model at this address.

        Raises
        ------
        UsageError
        """
        told = {"--prototxt": self.prototxts, "--member": self.member}
        for option, value in told.items():
            if value and address.kind != "weights":
                raise UsageError(
                    f"{option} is for weights that lie alone, at an address of their own;"
                    f" {address.target} is none."
                )

    def name_of(self, address: ModelAddress) -> str:
        """What the model of an address is called here."""
        return f"{address.name}--{self.model}" if self.model else address.name


def locate(
    address: ModelAddress,
    sources: Sources,
    cache: Cache,
    hints: Hints = Hints(),
    hashes: Sequence[ExpectedHash] = (),
) -> tuple[Found, dict[str, str]]:
    """The model that an address means.

    Parameters
    ----------
    address : what was asked for.
    sources : where a name is looked up first.
    cache : what is here, for the names that come near.
    hints : what the place does not say.
    hashes : of the weights, where the user gave them.

    Returns
    -------
    The model, and the places that could not be reached, each with the reason.

    Raises
    ------
    UnknownModelError, UnavailableError, UsageError
        when there is none, or several.
    CardError
        when what is there describes none.
    DownloadError
        when the place cannot be reached.
    """
    if address.kind == "name":
        registry = Registry(sources, cache)
        qualifier = f"{address.source}/" if address.source else ""
        found = registry.find(qualifier + address.target)
        found, problems = _with_definitions(found)
        return _one_of(found, address, hints), {**registry.unreachable, **problems}
    return _one_of(found_at(address, hints, hashes), address, hints), {}


def found_at(
    address: ModelAddress, hints: Hints = Hints(), hashes: Sequence[ExpectedHash] = ()
) -> Found:
    """What is at an address that is no name, with its readme as it is, of several models too.

    Parameters and errors are those of `locate`.
    """
    name = check_model_name(address.name)
    if address.kind == "weights":
        source: Storage = _weights_alone(name, address, hints, hashes)
    elif address.kind == "readme":
        source = _readme_alone(name, address)
    else:
        source = _storage(address, name)
    return Found(name, source, source.card(name))


def _one_of(found: Found, address: ModelAddress, hints: Hints) -> Found:
    """The model, or the one that is meant of several that the readme describes."""
    try:
        chosen = found.card.model(hints.model or None)
    except CardError as error:
        raise CardError(f"{error} Name it with --model.") from None
    if not found.card.models:
        return found
    name = check_model_name(f"{found.name}--{hints.model}")
    facts = {key: value for key, value in chosen.metadata.items() if _KEY.fullmatch(key)}
    facts |= {"citation": chosen.citation, "mirrors": weights_addresses(chosen)[1:] or None}
    card = Card.parse(f"---\nname: {name}\n---\n", found.card.path)
    card = card.with_values(**{key: value for key, value in facts.items() if value is not None})
    top = LooseModel(name, found.source.name, card)
    return Found(name, Layered(top, name, found.source, found.name), card)


def _with_definitions(found: Found) -> tuple[Found, dict[str, str]]:
    """An entry of the catalogue with the definitions in its gist, where it names no others."""
    gist_id = found.card.gist_id
    named = any(key in found.card.metadata for key in ("prototxt", "prototxt_members"))
    if not isinstance(found.source, KnownSource) or named or not gist_id:
        return found, {}
    from zoo.registry.storage.gist import GistSource

    gist = GistSource(parse_address(f"gist:{gist_id}"))
    try:
        gist.files(gist.model)
    except ZooError as error:
        return found, {gist.name: f"{error}".partition("\n")[0]}
    source = Layered(found.source, found.name, gist, gist.model)
    return Found(found.name, source, found.card), {}


def _storage(address: ModelAddress, name: str) -> Storage:
    if address.kind == "gist":
        from zoo.registry.storage.gist import GistSource

        return GistSource(address)
    if address.kind == "hub":
        from zoo.registry.storage.hub import HubSource

        return HubSource(address)
    if address.kind == "folder":
        return _only(FolderSource.at(address.target), name, address)
    if address.kind == "fsspec":
        from zoo.registry.storage.fsspec_places import FsspecSource

        return _only(FsspecSource(address.target), name, address)
    from zoo.registry.storage.http import HttpSource

    source = HttpSource(address.target)
    if source.list():
        return _only(source, name, address)
    # A server that shows no folders: the model is looked for below the folder that holds it.
    return HttpSource(address.target.rstrip("/").rpartition("/")[0])


def _only(source: Storage, name: str, address: ModelAddress) -> Storage:
    """The source, if the address is that of one model."""
    names = source.list()
    if list(names) == [name]:
        return source
    if not names and address.kind == "folder":
        refuse_path(address.target)
    if not names:
        raise UnknownModelError(name, names, f"{address.place}: it has no readme.md there")
    raise UsageError(
        f"{address.target} holds {len(names)} models: {', '.join(list(names)[:10])}. Give the"
        f" address of one, or name it: `zoo fetch {names[0]} --source {address.target}`."
    )


def _readme_alone(name: str, address: ModelAddress) -> LooseModel:
    if "://" not in address.target:
        return LooseModel(name, address.place, Card.read(address.target))
    from zoo.registry.diagnose import diagnose
    from zoo.registry.storage.requesting import get_bytes, new_session

    content = get_bytes(address.target, new_session())
    if problem := diagnose(content):
        raise CardError(f"{address.place}: expected the card of a model. {problem}")
    return LooseModel(name, address.place, Card.from_bytes(content, address.place))


def _weights_alone(
    name: str, address: ModelAddress, hints: Hints, hashes: Sequence[ExpectedHash]
) -> LooseModel:
    from zoo.registry.storage.trouble import shown

    file = _weights_name(name, address.target, hints.member)
    packed = is_archive(urlsplit(address.target).path)
    web = urlsplit(address.target).scheme.lower() in ("http", "https")
    if not web and packed:
        raise UsageError(
            f"{address.place}: an archive is only opened from https://; put the weights there bare."
        )
    facts = {
        "caffemodel": None if packed and not hints.member else file,
        "caffemodel_url": address.target if web else None,
        "archive_member": hints.member or None,
        "prototxt": list(hints.prototxts) or None,
        **{promise.algorithm: promise.digest for promise in hashes},
    }
    card = Card.parse(f"---\nname: {name}\n---\n", address.place)
    card = card.with_values(**{key: value for key, value in facts.items() if value is not None})
    if web:
        shown_card = card.with_values(caffemodel_url=shown(address.target))
        return LooseModel(name, address.place, card, kept=shown_card)
    from zoo.registry.storage.fsspec_places import open_place, read_place

    files, path = open_place(address.target)
    return LooseModel(name, address.place, card, weights=(file, lambda: read_place(files, path)))


def _weights_name(name: str, url: str, member: str) -> str:
    for path in (member, unquote(urlsplit(url).path)):
        last = path.rpartition("/")[2]
        if is_weights(last):
            return last
    return f"{file_stem(name)}.caffemodel"
