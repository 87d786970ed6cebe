"""Publishing a model directory: everything is checked, then it is put where others fetch it from.

What is wrong is collected and raised at once, before anything is written anywhere. The checks of
the card are in `zoo.registry.publish_check`, those that need a net in `zoo.network_check`, and each
kind of place has a file `zoo.registry.publish_*`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from zoo.errors import PublishError
from zoo.network_check import network_flaws
from zoo.registry.address import parse_address
from zoo.registry.cache import Cache
from zoo.registry.card import Card
from zoo.registry.contents import check_model_name
from zoo.registry.found import Sources
from zoo.registry.hashes import hash_file
from zoo.registry.locate import Hints, locate
from zoo.registry.publish_check import (
    card_flaws,
    computed_values,
    line_of,
    path_flaws,
    published_license,
)
from zoo.registry.publish_derived import (
    Conflict,
    FindCard,
    Source,
    conflicts,
    derivation,
    explained,
    license_values,
)
from zoo.registry.publish_place import Place, check_revision, place_at
from zoo.registry.publish_plan import Flaw, Publication, choose_files, readme_of
from zoo.registry.publish_remote import weights_elsewhere

__all__ = ["Published", "publish", "source_card"]


@dataclass(frozen=True)
class Published:
    """What was published, or with a dry run what would be.

    Parameters
    ----------
    name : what the model is called there.
    place : where, as it was given.
    files : names and sizes of what is there now.
    written : the keys that were computed, with their values; they stand in the readme now.
    command : the line that fetches it for the next person; "" after a dry run.
    location : where it can be looked at; "" after a dry run.
    notes : what else should be known.
    """

    name: str
    place: str
    files: tuple[tuple[str, int], ...]
    written: dict[str, object]
    command: str = ""
    location: str = ""
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


def publish(
    directory: str | Path,
    to: str,
    *,
    name: str = "",
    update: bool = False,
    dry_run: bool = False,
    rehash: bool = False,
    unlisted: bool = False,
    despite_source_license: str = "",
    sources: Sources = (),
) -> Published:
    """Check a model directory and put it where others can fetch it from.

    What can be computed (hashes, size and name of the weights) is written into the readme, on the
    lines of these keys alone.

    Parameters
    ----------
    directory : holds readme.md, a definition and the weights.
    to : "gist", "gist:ID", "hf://owner/repo", an address of fsspec such as s3://bucket/models, or
        the path of a folder of models.
    name : what it is called there; by default as the directory.
    update : replace what is there.
    dry_run : check everything and say what would be done; nothing is written, here or there.
    rehash : replace hashes that the readme states and the weights do not have.
    unlisted : a new gist is not listed; who has its address sees it all the same.
    despite_source_license : why the licence may be freer than that of the model it was made from.
    sources : where that model is looked for, see `zoo.fetch`.

    Raises
    ------
    PublishError
        with everything that has to be put right.
    UsageError
        when the place holds the model already and `update` was not asked for.
    UnavailableError
        when the place cannot be reached or does not take it.
    """
    readme = readme_of(directory)
    name = check_model_name(name or readme.parent.resolve().name)
    place = place_at(to, unlisted=unlisted)
    checked = _checked(readme, name, place, rehash, despite_source_license, sources)
    publication, written = checked.publication, checked.written
    files = [(file.name, file.size) for file in place.files(publication)]
    if dry_run:
        check_revision(place, publication, update)
        return Published(name, place.address, tuple(files), written, notes=checked.notes)
    receipt = place.put(publication, update=update)
    card = receipt.card or publication.card
    notes = (*checked.notes, *receipt.notes, *_write(card, readme))
    return Published(
        name, place.address, tuple(files), written, receipt.command, receipt.location, notes
    )


@dataclass(frozen=True)
class _Checked:
    publication: Publication
    written: dict[str, object]
    notes: tuple[str, ...] = ()


def _checked(
    readme: Path, name: str, place: Place, rehash: bool, despite: str, sources: Sources
) -> _Checked:
    """The model with everything computed, or PublishError with all that is wrong."""
    card = Card.read(readme)
    files, weights, flaws = choose_files(readme, card)
    hashes = hash_file(weights.path) if weights and weights.path else None
    found_sources, found_conflicts, source_flaws = _derived(card, despite, sources)
    names = [file.name for file in (*files, *([weights] if weights else []))]
    flaws = [
        *card_flaws(card, hashes, rehash=rehash),
        *source_flaws,
        *path_flaws(card, files),
        *flaws,
        *network_flaws(card, readme.parent, names, weights.path if weights else None),
    ]
    if weights is None or hashes is None:
        text = "caffemodel: the weights are not beside the readme, so nothing can be checked."
        raise PublishError(name, [*flaws, Flaw(card.path, card.line("caffemodel"), text)])
    if card.models:  # which of them would be filled in?
        raise PublishError(name, flaws)
    written = {
        **computed_values(card, weights, hashes, rehash=rehash),
        **(license_values(found_sources) if not card.value("derived_from_license") else {}),
    }
    filled, notes = _without_empty(card.with_values(**written))
    if found_conflicts:
        filled = explained(filled, found_conflicts, _reason(card, despite))
    publication = Publication(name, filled, tuple(files), weights, hashes)
    flaws += [Flaw(str(readme.parent), None, text) for text in place.refusals(publication)]
    if place.text_only and card.caffemodel_url:
        wrong, told = weights_elsewhere(card.caffemodel_url, hashes)
        notes += told
        flaws += [Flaw(card.path, card.line("caffemodel_url"), text) for text in wrong]
    if flaws:
        raise PublishError(name, flaws)
    return _Checked(publication, written, notes)


def _without_empty(card: Card) -> tuple[Card, tuple[str, ...]]:
    """The card without the keys that say nothing, such as those that `zoo new` offered."""
    empty = card.empty_keys
    note = f"left out, being empty: {', '.join(empty)}"
    return card.with_values(**dict.fromkeys(empty)), (note,) if empty else ()


def _derived(
    card: Card, despite: str, sources: Sources
) -> tuple[list[Source], list[Conflict], list[Flaw]]:
    """The models that this one was made from, and what speaks against its licence."""
    find = source_card(sources)
    found, wrong = derivation(card, find)
    line = line_of(card, "derived_from")
    flaws = [Flaw(card.path, line, text) for text in wrong]
    against = conflicts(published_license(card), found, find)
    if not _reason(card, despite):
        flaws += [Flaw(card.path, card.line("license"), _advice(card, each)) for each in against]
    return found, against, flaws


def _advice(card: Card, conflict: Conflict) -> str:
    return (
        f"license: {card.license or 'none'} does not agree with that of {conflict.source.name},"
        f" from which the model was made: {conflict.reason}. Publish it under"
        f" {conflict.source.license.id or 'terms that its authors agree to'}, or say why you may"
        " with --despite-source-license REASON."
    )


def _reason(card: Card, despite: str) -> str:
    """Why the licence is freer than that of the source: now, or as the card said it before."""
    return " ".join((despite or card.value("despite_source_license") or "").split())


def source_card(sources: Sources = ()) -> FindCard:
    """A function from the name or the address of a model to its card, the cache first."""

    @cache
    def find(text: str) -> Card:
        address = parse_address(text, prefer_names=True)
        model = Cache().get(address.target) if address.kind == "name" else None
        if model is not None:
            return model.card
        return locate(replace(address, pin=None), sources, Cache(), Hints())[0].card

    return find


def _write(card: Card, readme: Path) -> tuple[str, ...]:
    """Write what was computed into the author's readme; it is published already."""
    if readme.read_bytes() == card.to_bytes():
        return ()
    try:
        card.write(readme)
    except OSError as error:
        return (f"{readme} cannot be written, so it is without what was computed: {error}",)
    return ()
