"""What a run was made of and with: versions, source model, data; no version control is asked."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import zoo
from zoo.errors import CardError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import README, weights_file
from zoo.registry.hashes import hash_file
from zoo.registry.publish_check import published_license
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import printable_name

if TYPE_CHECKING:
    from zoo.loaded import LoadedModel

__all__ = ["data_facts", "data_hash", "how_started", "source_facts", "weights_facts"]

_PACKAGES = ("tensorflow", "keras", "numpy")


def how_started() -> dict[str, Any]:
    """When and with what a run was begun or gone on with."""
    return {
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "zoo": zoo.__version__,
            **{name: _version(name) for name in _PACKAGES},
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


def source_facts(model: LoadedModel) -> dict[str, Any]:
    """The model that a run began with: name, weights with their hashes, licence, citation."""
    files = sorted(path.name for path in model.directory.iterdir() if path.is_file())
    weights = weights_file(files, model.card)
    return {
        "name": model.name,
        **(_hashed(model.directory / weights) if weights else {}),
        **_terms(model.card),
    }


def weights_facts(path: Path) -> dict[str, Any]:
    """The same of a file of weights; licence and citation from a readme beside it, if there is."""
    readme = path.parent / README
    terms: dict[str, Any] = {}
    if readme.is_file():
        try:
            text = readme.read_text(encoding="utf-8", errors="replace")
            terms = _terms(Card.parse(text, readme))
        except (CardError, UsageError, OSError):
            terms = {}  # a readme of something else
    return {"name": path.name, **_hashed(path), **terms}


def data_facts(data: Dataset) -> dict[str, Any]:
    """What a run was trained on or measured by; the name without the folders of this machine."""
    return {
        "name": printable_name(data.path.name),
        "kind": data.kind,
        "rows": len(data),
        "sha256": data_hash(data),
    }


def data_hash(data: Dataset) -> str:
    """SHA-256 of all rows in their order, contents and labels, whatever they are called."""
    digest = hashlib.sha256()
    for index in range(len(data)):
        stored = data.read(index)
        if isinstance(stored, Path):
            content = stored.read_bytes()
        elif isinstance(stored, bytes):
            content = stored
        else:
            content = (
                f"{stored.dtype} {stored.shape} ".encode() + np.ascontiguousarray(stored).tobytes()
            )
        digest.update(hashlib.sha256(content).digest())
        digest.update(_label(data, index).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _label(data: Dataset, index: int) -> str:
    if data.labels is None:
        return ""
    if data.has_classes:
        return data.classes[int(data.labels[index])]
    return ",".join(f"{float(value):g}" for value in data.labels[index])


def _hashed(path: Path) -> dict[str, str]:
    hashes = hash_file(path)
    return {"weights": path.name, "sha256": hashes.sha256, "sha1": hashes.sha1}


def _terms(card: Card) -> dict[str, Any]:
    license = published_license(card)
    return {
        "license": license.id or license.stated or None,
        "license_meaning": license.sentence,
        "citation": card.citation,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # TensorFlow has builds under other names
        return ""
