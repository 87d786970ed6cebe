"""The catalogue that comes with zoo: facts about models that others published, and no weights.

`data/catalogue/NAME.yaml` is the metadata of a card (see `zoo.registry.card`) without its fences,
so that an entry can be handed out as the readme that its model never had. Every fact was read in a
public place, which `sources` names; a fact that is missing could not be established. The keys:

    name, aliases, task, on_wiki        on_wiki: the wiki page of Caffe's model zoo had it
    caffemodel, caffemodel_url, mirrors, archive_member   `caffemodel_url_is: page` where a person
                                        has to go on from there by hand
    sha1, sha256, md5, size_bytes, archive_sha1, archive_md5
    license, license_spdx, license_restricts, license_url   see `zoo.registry.licence`
    prototxt, prototxt_members, prototxt_sha1   addresses; names inside the archive
    input                               see `zoo.input_spec`; or `input_incomplete`, which lists
                                        what is `missing` before pictures can be prepared
    classes, datasets, accuracy, params_million
    needs                               `layers` that Caffe's master lacks, the `fork` that has them
    derived_from, also_cite             other entries: whose weights it began with, whose paper
                                        describes its architecture
    arxiv, citation, gist_id, caffe_commit, notes, sources
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from zoo.input_spec import InputSpec
from zoo.registry.card import Card
from zoo.registry.licence import License, read_license

__all__ = ["CATALOGUE", "Entry", "known", "known_hash", "resolve", "tasks"]

CATALOGUE = Path(__file__).resolve().parent / "data" / "catalogue"
_BODY = """
The facts above are those of zoo's catalogue; `sources` says where each was read. The addresses are
as their authors gave them and may have moved.
"""


@dataclass(frozen=True)
class Entry:
    """What the catalogue knows of a model.

    Parameters
    ----------
    name : what it is called here.
    facts : every key of its file.

    Examples
    --------
    >>> entry = known()["bvlc_googlenet"]
    >>> entry.sha1, entry.pinned, entry.input.size
    ('405fc5acd08a3bb12de8ee5e23a96bec22f08204', True, (224, 224))
    """

    name: str
    facts: Mapping[str, Any] = field(repr=False)
    _text: str = field(repr=False)

    @property
    def title(self) -> str:
        """The name that its author gave it."""
        return str(self.facts["name"])

    @property
    def task(self) -> str:
        """What it is for."""
        return str(self.facts["task"])

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that find it."""
        return tuple(self.facts.get("aliases", ()))

    @property
    def caffemodel(self) -> str | None:
        """The name of the file of weights."""
        return self.facts.get("caffemodel")

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the weights, or the archive with them, are offered: the author's, then mirrors."""
        url = self.facts.get("caffemodel_url")
        return (*([url] if url else []), *self.facts.get("mirrors", ()))

    @property
    def needs_a_person(self) -> bool:
        """Whether the author's address is a page where one has to go on by hand."""
        return self.facts.get("caffemodel_url_is") == "page"

    @property
    def archive_member(self) -> str | None:
        """The path of the weights inside the archive that `urls` offer; None for a bare file."""
        return self.facts.get("archive_member")

    @property
    def sha1(self) -> str | None:
        """SHA-1 of the weights."""
        return self.facts.get("sha1")

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the weights."""
        return self.facts.get("sha256")

    @property
    def md5(self) -> str | None:
        """MD5 of the weights, which shows damage, but could be forged by anybody."""
        return self.facts.get("md5")

    @property
    def pinned(self) -> bool:
        """Whether a SHA-1 or SHA-256 of the weights is known, so that a fetch can be verified."""
        return bool(self.sha1 or self.sha256)

    @property
    def size_bytes(self) -> int | None:
        """Size of the weights."""
        return self.facts.get("size_bytes")

    @cached_property
    def license(self) -> License:
        """What the weights may be used for."""
        return read_license(self.facts.get("license_spdx") or self.facts.get("license"))

    @property
    def prototxt_urls(self) -> tuple[str, ...]:
        """Where the definitions are."""
        return tuple(self.facts.get("prototxt", ()))

    @property
    def prototxt_sha1(self) -> Mapping[str, str]:
        """SHA-1 by the name of the definition, as far as known."""
        return MappingProxyType(self.facts.get("prototxt_sha1", {}))

    @property
    def input(self) -> InputSpec | None:
        """How pictures are prepared; None where not everything that it takes is known."""
        section = self.facts.get("input")
        return InputSpec.from_mapping(section, self.name) if section else None

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes, where the catalogue itself has them."""
        labels = self.facts.get("classes", {}).get("labels")
        return tuple(labels) if isinstance(labels, list) else ()

    @property
    def citation(self) -> str | None:
        """BibTeX of the paper."""
        return self.facts.get("citation")

    def card(self) -> Card:
        """The entry as the readme.md of a model directory."""
        return Card.parse(f"---\n{self._text}---\n{_BODY}", f"catalogue/{self.name}.yaml")


@cache
def known() -> Mapping[str, Entry]:
    """Every entry by its name.

    Examples
    --------
    >>> known()["squeezenet_v1.0"].license.id
    'BSD-2-Clause'
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = {}
    for path in sorted(CATALOGUE.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        entries[path.stem] = Entry(path.stem, yaml.load(text, Loader=loader), text)
    return MappingProxyType(entries)


def known_hash(digest: str) -> str | None:
    """The model whose weights have this SHA-1, SHA-256 or MD5.

    >>> known_hash("405FC5ACD08A3BB12DE8EE5E23A96BEC22F08204")
    'bvlc_googlenet'
    """
    return _hashes().get(digest.strip().lower())


def resolve(name: str) -> str | None:
    """The entry that a name means: its own, an alias, its title, or its file of weights.

    Case does not count, nor what separates words.

    >>> resolve("ResNet50"), resolve("alexnet"), resolve("VGG_FACE.caffemodel")
    ('resnet_50', 'bvlc_alexnet', 'vgg_face')
    """
    return _names().get(_bare(name.removesuffix(".caffemodel")))


def tasks() -> tuple[str, ...]:
    """The tasks of the catalogue."""
    return tuple(sorted({entry.task for entry in known().values()}))


@cache
def _hashes() -> Mapping[str, str]:
    return {
        entry.facts[kind]: entry.name
        for entry in known().values()
        for kind in ("md5", "sha256", "sha1")
        if kind in entry.facts
    }


@cache
def _names() -> Mapping[str, str]:
    """Entries by everything that they are called; what two are called means the first of them."""
    names: dict[str, str] = {}
    every = list(known().values())
    for called in (
        lambda entry: (entry.name,),
        lambda entry: entry.aliases,
        lambda entry: (entry.title,),
        lambda entry: ((entry.caffemodel or "").removesuffix(".caffemodel"),),
    ):
        for entry in every:
            for name in called(entry):
                names.setdefault(_bare(name), entry.name)
    names.pop("", None)
    return names


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
