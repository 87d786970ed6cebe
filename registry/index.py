"""index.json: what a folder of models holds, in one file, so that listing it is one request.

    {"format": "zoo index", "version": 1,
     "shared": {file: bytes},                       files that lie beside the models
     "models": [{"name": ..., "title": ..., "task": ..., "license": ..., "license_spdx": ...,
                 "size": bytes of the weights, "sha1": ..., "sha256": ..., "tags": [...],
                 "aliases": [...], "card_sha256": of the readme, "files": {file: bytes}}, ...]}

`zoo index DIR` writes it, every model on a line of its own. It speeds up listing and decides
nothing: a fetch reads the card itself, and where `card_sha256` is not that of the card any more,
the entry is out of date and not used. An index comes from strangers, so it is of bounded size, and
what is no plain name, no hash or no size in it is left out. A bare list of models, as older folders
have it, is read too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.registry.card import Card
from zoo.registry.contents import is_plain
from zoo.registry.model_entry import ModelEntry
from zoo.registry.storage import RemoteFile

__all__ = ["INDEX", "LARGEST_INDEX", "Index", "IndexedModel", "read_index", "read_index_file"]

INDEX = "index.json"
LARGEST_INDEX = 16 << 20
"""Bytes of an index that is read; ten thousand models take about five million."""

_FORMAT, _VERSION = "zoo index", 1
_LONGEST = 500
_HASH = {40: "sha1", 64: "sha256"}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True)
class IndexedModel:
    """What an index says of a model; `files` is None where it does not list them."""

    name: str
    title: str
    files: Mapping[str, int | None] | None = None
    task: str | None = None
    license: str | None = None
    license_spdx: str | None = None
    size: int | None = None
    sha1: str | None = None
    sha256: str | None = None
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    card_sha256: str | None = None

    @property
    def remote_files(self) -> Sequence[RemoteFile] | None:
        """The files as a storage lists them."""
        return _remote(self.files)

    def describes(self, card: bytes) -> bool:
        """Whether this was written for that readme; True where the index does not say."""
        return self.card_sha256 in (None, hashlib.sha256(card).hexdigest())

    def entry(self, source: str, read_card: Callable[[], Card] | None = None) -> ModelEntry:
        """The model as `zoo list` shows it."""
        return ModelEntry(
            self.name,
            self.title,
            source,
            license=self.license,
            size=self.size,
            task=self.task,
            spdx=self.license_spdx,
            aliases=self.aliases,
            words=" ".join(self.tags),
            read_card=read_card,
        )

    def to_json(self) -> dict[str, Any]:
        """The entry as the file has it; what is not known is left out."""
        facts = {key: value for key, value in vars(self).items() if value not in (None, ())}
        return facts | {"files": dict(self.files)} if self.files is not None else facts


@dataclass(frozen=True)
class Index:
    """The models of a folder by name.

    `shared` is None where the index does not list them, `mtime_ns` when its file was written.
    """

    models: Mapping[str, IndexedModel]
    shared: Mapping[str, int | None] | None = None
    mtime_ns: int = 0

    @property
    def shared_files(self) -> Sequence[RemoteFile] | None:
        """The files beside the models as a storage lists them."""
        return _remote(self.shared)

    def resolve(self, name: str) -> str | None:
        """The model that a title or another of its names means; case does not count."""
        return self._other_names.get(name.casefold())

    @cached_property
    def _other_names(self) -> Mapping[str, str]:
        names: dict[str, str] = {}
        for model in self.models.values():
            for name in (*model.aliases, model.title):
                names.setdefault(name.casefold(), model.name)
        return MappingProxyType(names)

    def to_bytes(self) -> bytes:
        """The file: the same models give the same bytes."""
        models = [self.models[name] for name in sorted(self.models)]
        lines = ",\n".join(_compact(model.to_json()) for model in models)
        shared = _compact(dict(sorted((self.shared or {}).items())))
        return (
            f'{{"format": "{_FORMAT}", "version": {_VERSION}, "shared": {shared},'
            f' "models": [\n{lines}\n]}}\n'
        ).encode()


def read_index(content: bytes) -> Index | None:
    """The index that a file holds; None where it is none, or of a version not known here.

    Examples
    --------
    >>> index = read_index(b'[{"name": "lenet", "files": ["readme.md"]}, {"name": "../etc"}]')
    >>> list(index.models), index.models["lenet"].title
    (['lenet'], 'lenet')
    >>> read_index(b"<html>") is None
    True
    """
    if len(content) > LARGEST_INDEX:
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None  # a page that a server sends for whatever it lacks
    if isinstance(document, list):
        return Index(_models(document))
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        return None
    if document.get("version") != _VERSION or not isinstance(document.get("models"), list):
        return None
    return Index(_models(document["models"]), _files(document.get("shared")))


def read_index_file(path: Path) -> Index | None:
    """The index in a file of this machine; None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(LARGEST_INDEX + 1)
    except OSError:
        return None
    index = read_index(content)
    return replace(index, mtime_ns=status.st_mtime_ns) if index else None


def _models(entries: Sequence[Any]) -> Mapping[str, IndexedModel]:
    models = (_model(entry) for entry in entries if isinstance(entry, dict))
    return {model.name: model for model in models if model is not None}


def _model(facts: Mapping[str, Any]) -> IndexedModel | None:
    name = facts.get("name")
    if not isinstance(name, str) or not is_plain(name):
        return None
    return IndexedModel(
        name,
        _text(facts.get("title")) or name,
        _files(facts.get("files")),
        size=_size(facts.get("size")),
        tags=_texts(facts.get("tags")),
        aliases=_texts(facts.get("aliases")),
        **{key: _text(facts.get(key)) for key in ("task", "license", "license_spdx")},
        **{key: _hash(facts.get(key), key) for key in ("sha1", "sha256")},
        card_sha256=_hash(facts.get("card_sha256"), "sha256"),
    )


def _files(value: Any) -> Mapping[str, int | None] | None:
    """Sizes by name from a mapping, or from a list of names or of `{"name", "size"}`."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        facts = [item if isinstance(item, dict) else {"name": item} for item in value]
        pairs = [(fact.get("name"), fact.get("size")) for fact in facts]
    else:
        return None
    return {name: _size(size) for name, size in pairs if isinstance(name, str) and is_plain(name)}


def _text(value: Any) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...]:
    texts = map(_text, value[:_LONGEST]) if isinstance(value, list) else ()
    return tuple(text for text in texts if text)


def _size(value: Any) -> int | None:
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if right else None


def _hash(value: Any, algorithm: str) -> str | None:
    right = isinstance(value, str) and _HASH.get(len(value)) == algorithm and _HEX.fullmatch(value)
    return value if right else None


def _remote(files: Mapping[str, int | None] | None) -> Sequence[RemoteFile] | None:
    if files is None:
        return None
    return [RemoteFile(name, size) for name, size in files.items()]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
