"""A line of `zoo list`: what a source tells of a model before anything of it is fetched.

A source that knows this without reading the card of every model has an `entry` method (see
`zoo.registry.storage.Listing`), so that listing many models is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from zoo.registry.card import Card
from zoo.registry.licence import License, read_license

__all__ = ["ModelEntry"]


@dataclass(frozen=True)
class ModelEntry:
    """A model that can be had.

    Parameters
    ----------
    name, title, source : what it is called, by its author too, and where it is.
    license : as its author stated it; None where nothing was said.
    size : bytes of the weights; None where they are not known without asking.
    cached : whether it is here.
    problem : why the card cannot be read.
    task : what it is for.
    spdx : the licence as SPDX has it, where somebody has looked that up.
    aliases : other names that find it.
    words : further text to search in.
    read_card : reads the card when it is asked for.
    """

    name: str
    title: str
    source: str
    license: str | None = None
    size: int | None = None
    cached: bool = False
    problem: str = ""
    task: str | None = None
    spdx: str | None = None
    aliases: tuple[str, ...] = ()
    words: str = field(default="", repr=False)
    read_card: Callable[[], Card] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_card(cls, name: str, card: Card, source: str, size: int | None = None) -> ModelEntry:
        """What a card says."""
        facts = card.metadata
        aliases = facts.get("aliases")
        words = (card.body, card.caffemodel, facts.get("notes"), facts.get("citation"))
        return cls(
            name,
            card.name or name,
            source,
            license=card.license,
            size=card.size_bytes if size is None else size,
            task=card.value("task"),
            spdx=card.value("license_spdx"),
            aliases=tuple(map(str, aliases)) if isinstance(aliases, list) else (),
            words=" ".join(text for text in words if isinstance(text, str)),
            read_card=lambda: card,
        )

    @cached_property
    def card(self) -> Card | None:
        """The card; None where it cannot be read."""
        return self.read_card() if self.read_card else None

    @cached_property
    def terms(self) -> License:
        """What the licence allows."""
        return read_license(self.spdx or self.license)
