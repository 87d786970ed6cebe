"""Where models are published: what every place can do, and which one an address means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo.errors import CardError, UsageError
from zoo.registry.card import Card
from zoo.registry.publish_plan import Publication, PublishedFile

__all__ = ["Place", "Receipt", "check_revision", "place_at"]


@dataclass(frozen=True)
class Receipt:
    """What was done.

    Parameters
    ----------
    arguments : what the next person types behind `zoo fetch`.
    location : where the model is now, for people.
    card : the card as it was published, where the place changed it for good, such as by an id.
    notes : what else should be known.
    """

    arguments: str
    location: str
    card: Card | None = None
    notes: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The line that works for the next person."""
        return f"zoo fetch {self.arguments}"


class Place(Protocol):
    """A place that takes models. One that cannot be reached raises DownloadError."""

    text_only: bool
    """Whether it holds text and no weights, so that these have to be somewhere else."""

    @property
    def address(self) -> str:
        """What messages call it; holds no credentials."""

    def refusals(self, publication: Publication) -> Sequence[str]:
        """Why this place cannot take the model, asking nobody."""

    def card(self, name: str) -> Card | None:
        """The card of the model that is there under this name, None where there is none."""

    def files(self, publication: Publication) -> Sequence[PublishedFile]:
        """What is put there, in the order in which it is."""

    def put(self, publication: Publication, *, update: bool) -> Receipt:
        """Put the model there, or with `update` replace the one that is there."""


def place_at(text: str, *, unlisted: bool = False) -> Place:
    """The place that `--to` means.

    Parameters
    ----------
    text : "gist", "gist:ID", "hf://owner/repo", an address of fsspec such as s3://bucket/models,
        else the path of a folder of models.
    unlisted : a new gist is not listed.

    Raises
    ------
    UsageError
        for an address that nothing can be put to.

    Examples
    --------
    >>> place_at("gist:034c6ac3865563b69e60").address
    'gist:034c6ac3865563b69e60'
    """
    scheme, separator, _ = text.partition("://")
    if not text:
        raise UsageError("--to is empty; expected a folder of models, gist or another address.")
    if unlisted and text != "gist":
        raise UsageError(f"--unlisted is for a new gist, which {text} is none of.")
    if text == "gist" or text.startswith("gist:"):
        from zoo.registry.publish_gist import GistPlace

        return GistPlace.at(text, public=not unlisted)
    if not separator:
        from zoo.registry.publish_folder import FolderPlace

        return FolderPlace(text)
    if scheme == "hf":
        from zoo.registry.publish_hub import HubPlace

        return HubPlace.at(text)
    if scheme in ("http", "https"):
        raise UsageError(
            f"--to {text}: nothing can be put to a web server like that. Publish to the folder that"
            " it offers, or to gist, hf://owner/repo or an address such as s3://bucket/models."
        )
    from zoo.registry.publish_fsspec import FsspecPlace

    return FsspecPlace(text)


def check_revision(place: Place, publication: Publication, update: bool) -> None:
    """Refuse to replace what nobody asked to replace, and to revise what is not there.

    Raises
    ------
    UsageError
    """
    name = publication.name
    try:
        there = place.card(name)
    except CardError as error:
        if update:
            return
        raise UsageError(
            f"{place.address} has a {name} already, whose card is not fit to be read ({error})."
            " --update replaces it."
        ) from None
    if there is None:
        if update:
            raise UsageError(
                f"there is no {name} at {place.address} to revise; leave --update out."
            )
        return
    if update:
        return
    same = (there.sha1 or "").lower() == publication.hashes.sha1
    weights = "the same weights" if same else f"other weights (sha1 {there.sha1 or 'not stated'})"
    raise UsageError(f"{place.address} has a {name} already, with {weights}. --update revises it.")
