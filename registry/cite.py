"""What is to be cited when a model is used: its paper, and what it was made from.

From its card are followed `derived_from` or `base_model` (the model whose weights it began with,
and so on), `also_cite` (whose paper describes the architecture) and `datasets`. Caffe is cited for
models that were made with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import CardError, UnknownModelError, UsageError, did_you_mean
from zoo.registry.address import parse_address
from zoo.registry.bibliography import Reference, joined, made_up, read_bibtex, unique
from zoo.registry.cache import Cache
from zoo.registry.card import Card
from zoo.registry.card_facts import texts
from zoo.registry.catalogue import Registry
from zoo.registry.citation_styles import apa, citation_cff
from zoo.registry.found import Sources
from zoo.registry.known import known
from zoo.registry.local import local_model
from zoo.registry.locate import found_at
from zoo.registry.publish_derived import stated_sources
from zoo.registry.usage import uses

__all__ = ["FORMATS", "Bibliography", "Work", "cite", "collect", "collect_project"]

FORMATS = ("bibtex", "apa", "cff")
_BESIDE = Path(__file__).resolve().parent / "data" / "citations.yaml"
_MADE_WITH_CAFFE = ("caffe_commit", "caffe_version", "on_wiki")


@dataclass(frozen=True)
class Work:
    """A work to cite, and for which model, as what: "model", "source", "architecture", "dataset"
    or "framework"."""

    reference: Reference
    model: str
    role: str


@dataclass
class Bibliography:
    """What is to be cited for some models. `notes` says what a person has to look after."""

    title: str
    works: list[Work] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def references(self) -> list[Reference]:
        """Each work once, with keys that differ."""
        return unique(work.reference for work in self.works)

    def text(self, format: str = "bibtex") -> str:
        """The references as "bibtex", "apa" or "cff"; "" where there is nothing to cite.

        Raises
        ------
        UsageError
            for another format.
        """
        if format not in FORMATS:
            raise UsageError(
                f"no format {format!r} of citations; expected {', '.join(FORMATS)}."
                f"{did_you_mean(format, FORMATS)}"
            )
        if not self.works:
            return ""
        if format == "bibtex":
            return joined(self.references)
        if format == "apa":
            return "".join(f"{apa(reference)}\n" for reference in self.references)
        return citation_cff(self.title, self.references)


def cite(*names: str, format: str = "bibtex", sources: Sources = ()) -> str:
    """The citations of models and of what they derive from.

    Parameters
    ----------
    names : of models; a model directory or another address will do, see `zoo.load`.
    format : "bibtex", "apa" or "cff".
    sources : where models are looked for, see `zoo.fetch`.

    Raises
    ------
    UnknownModelError, UsageError

    Examples
    --------
    >>> print(cite("squeezenet_v1.0", format="apa").splitlines()[0][:50])
    Iandola, F. N., Han, S., Moskewicz, M. W., Ashraf,
    """
    return collect(names, sources).text(format)


def collect(names: Sequence[str], sources: Sources = (), home: Cache | None = None) -> Bibliography:
    """Everything that is to be cited for some models.

    Raises
    ------
    UnknownModelError
        when no source has one of them.
    """
    collector = _Collector(Registry(sources, home))
    for name in names:
        collector.add(*collector.given(name), "model")
    collector.add_caffe()
    found = collector.found
    found.title = " and ".join(collector.titles)
    return found


def collect_project(sources: Sources = (), home: Cache | None = None) -> Bibliography:
    """Everything that is to be cited for the models that scripts used from a cache."""
    home = home or Cache()
    names = dict.fromkeys(use.model for use in uses(home.home))
    collector = _Collector(Registry(sources, home))
    for name in names:
        try:
            collector.add(*collector.named(name), "model")
        except UnknownModelError:
            collector.found.notes.append(f"{name} was used, but is not in the cache nor elsewhere")
    collector.add_caffe()
    collector.found.title = "Models that this project uses"
    return collector.found


class _Collector:
    """Goes from models to what they derive from, each once."""

    def __init__(self, registry: Registry) -> None:
        self.found = Bibliography("")
        self.titles: list[str] = []
        self._registry = registry
        self._seen: set[str] = set()  # by card: a directory may be called as what it was made from
        self._made_with_caffe = False

    def given(self, text: str) -> tuple[str, Card]:
        """The model that a user means, by its directory, its name or another address."""
        address = parse_address(text)
        if address.kind == "folder":
            model = local_model(address.target)
            return model.name, model.card
        if address.kind != "name":
            found = found_at(address)
            return found.name, found.card
        return self.named(text)

    def named(self, name: str) -> tuple[str, Card]:
        """The model of that name, in the cache or else in a source."""
        model = self._registry.cache.get(name)
        if model is not None:
            return model.name, model.card
        found = self._registry.find(name)
        return found.name, found.card

    def add(self, name: str, card: Card, role: str) -> None:
        """Take a model and everything behind it."""
        if card.path in self._seen:
            return
        self._seen.add(card.path)
        if role == "model":
            self.titles.append(card.name or name)
        self._made_with_caffe |= any(key in card.metadata for key in _MADE_WITH_CAFFE)
        self._cite(self._papers(name, card), name, role)
        for base in (*stated_sources(card), *texts(card, "base_model")):
            self._follow(base, name)
        for other in texts(card, "also_cite"):
            if other in known():
                self._cite(self._papers(other, known()[other].card()), name, "architecture")
        for dataset in texts(card, "datasets"):
            if dataset in _beside():
                self._cite(_beside()[dataset], name, "dataset")
            else:
                self.found.notes.append(f"{name}: cite the data set {dataset!r} by hand")

    def add_caffe(self) -> None:
        """Cite Caffe, if one of the models was made with it."""
        if self._made_with_caffe:
            self._cite(_beside()["caffe"], self.works[0].model, "framework")

    @property
    def works(self) -> list[Work]:
        """What was found so far."""
        return self.found.works

    def _follow(self, base: str, name: str) -> None:
        try:
            self.add(*self.named(base.partition("@sha")[0]), "source")
        except (UnknownModelError, UsageError):
            self.found.notes.append(f"{name}: cite {base!r}, of which it was made, by hand")

    def _papers(self, name: str, card: Card) -> list[Reference]:
        if card.citation:
            try:
                return read_bibtex(card.citation, card.path)
            except CardError as error:
                self.found.notes.append(f"{error}; an entry was made of its title instead")
        else:
            self.found.notes.append(f"{name}: no paper is known; an entry was made of its title")
        address = card.value("caffemodel_url") or card.value("url")
        return [made_up(name, card.name or name, address)]

    def _cite(self, references: Sequence[Reference], model: str, role: str) -> None:
        self.works.extend(Work(reference, model, role) for reference in references)


@cache
def _beside() -> Mapping[str, Sequence[Reference]]:
    """What is cited beside models, by key."""
    return dict(_read_beside(yaml.safe_load(_BESIDE.read_text(encoding="utf-8"))))


def _read_beside(facts: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Reference]]]:
    for key, entry in facts.items():
        text = entry.get("citation") or known()[entry["paper_of"]].citation
        yield key, read_bibtex(str(text), f"citations.yaml: {key}")
