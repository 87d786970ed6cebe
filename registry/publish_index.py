"""Writing the index.json of a folder of models, see `zoo.registry.index`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import CardError, UnavailableError, UsageError
from zoo.registry.atomic import write_atomically
from zoo.registry.card import Card
from zoo.registry.contents import README, is_labels_file, weights_file
from zoo.registry.index import INDEX, LARGEST_INDEX, Index, IndexedModel, read_index_file
from zoo.registry.licence import read_license
from zoo.registry.storage.folder import FolderSource

__all__ = ["IndexResult", "write_index"]


@dataclass(frozen=True)
class IndexResult:
    """What an index tells, its size, and by name why models were left out."""

    path: Path
    models: Sequence[str]
    size: int
    left_out: Mapping[str, str]


def write_index(directory: str | Path) -> IndexResult:
    """Write the index.json of a folder of model directories.

    What an index that is there says of a model is kept where its readme and its files are the same.

    Raises
    ------
    UsageError
        when there is no such folder, or it has more models than an index can tell.
    UnavailableError
        when it cannot be written; the old one stays.

    Examples
    --------
    >>> import tempfile
    >>> write_index(tempfile.mkdtemp()).models
    []
    """
    root = Path(directory).expanduser().absolute()
    if not root.is_dir():
        raise UsageError(f"{directory}: no such folder; expected one of model directories.")
    source = FolderSource(root)
    index = read_index_file(root / INDEX)
    before = index.models if index else {}
    models: dict[str, IndexedModel] = {}
    left_out: dict[str, str] = {}
    for name in source.list():
        try:
            models[name] = _indexed(source, name, before.get(name))
        except CardError as error:
            left_out[name] = str(error)
    shared = {file.name: file.size for file in source.files("") if is_labels_file(file.name)}
    content = Index(models, shared).to_bytes()
    if len(content) > LARGEST_INDEX:
        raise UsageError(
            f"{root}: the index of {len(models)} models would have {len(content)} bytes, and zoo"
            f" reads {LARGEST_INDEX} at most. Spread the models over several folders."
        )
    try:
        write_atomically(root / INDEX, content)
    except OSError as error:
        raise UnavailableError(
            f"{root / INDEX} cannot be written: {error.strerror or error}"
        ) from None
    return IndexResult(root / INDEX, list(models), len(content), left_out)


def _indexed(source: FolderSource, name: str, before: IndexedModel | None) -> IndexedModel:
    files = {file.name: file.size for file in source.files(name)}
    with source.open(name, README) as (pieces, _):
        content = b"".join(pieces)
    same = before is not None and before.card_sha256 and before.describes(content)
    if before is not None and same and before.files == files:
        return before
    return _described(name, Card.from_bytes(content, source.root / name / README), files, content)


def _described(
    name: str, card: Card, files: Mapping[str, int | None], content: bytes
) -> IndexedModel:
    weights = weights_file(files, card)
    aliases = card.metadata.get("aliases")
    tags = card.metadata.get("tags")
    return IndexedModel(
        name,
        card.name or name,
        files,
        task=card.value("task"),
        license=card.license,
        license_spdx=read_license(card.value("license_spdx") or card.license).id or None,
        size=files[weights] if weights else card.size_bytes,
        sha1=_lower(card.sha1),
        sha256=_lower(card.sha256),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        aliases=tuple(map(str, aliases)) if isinstance(aliases, list) else (),
        card_sha256=hashlib.sha256(content).hexdigest(),
    )


def _lower(digest: str | None) -> str | None:
    return digest.lower() if digest else None
