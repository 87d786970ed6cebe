"""A project's lock file: the models that it uses, and what every one of their files has to be.

# Written by `zoo lock`. `zoo fetch --locked` brings exactly these.
format: 1
models:
  bvlc_googlenet:
    source: catalogue
    weights: bvlc_googlenet.caffemodel
    files:
      bvlc_googlenet.caffemodel: <sha256>
      deploy.prototxt: <sha256>
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from zoo.errors import ParseError, UsageError, VerificationError, did_you_mean
from zoo.registry.address import parse_address
from zoo.registry.atomic import write_atomically
from zoo.registry.cached import CachedModel
from zoo.registry.hashes import parse_hash
from zoo.registry.usage import uses

__all__ = [
    "LOCK_FILE",
    "LockedModel",
    "check_drift",
    "locked_ones",
    "names_to_lock",
    "read_lock",
    "write_lock",
]

LOCK_FILE = "zoo.lock"
_FORMAT = 1
_HEADING = "# Written by `zoo lock`. `zoo fetch --locked` brings exactly these.\n"


@dataclass(frozen=True)
class LockedModel:
    """One model of a lock file.

    Attributes
    ----------
    name : what it is called in the cache.
    source : where it came from, as its record in the cache says.
    weights : the name of its file of weights, or None.
    files : file name to sha256.
    """

    name: str
    source: str
    weights: str | None
    files: Mapping[str, str]

    @classmethod
    def of(cls, model: CachedModel) -> LockedModel:
        """What a model in the cache is now, by its record."""
        record = model.record
        files = {name: record.files[name].sha256 for name in sorted(record.files)}
        return cls(model.name, record.source, record.weights, files)

    @property
    def weights_hash(self) -> str | None:
        """The sha256 of its weights."""
        return self.files.get(self.weights or "")

    @property
    def address(self) -> tuple[str, tuple[str, ...]]:
        """What to fetch, and the sources to look into for it."""
        if self.source in ("embedded", "catalogue"):
            return f"{self.source}/{self.name}", ()
        if parse_address(self.source).kind in ("gist", "hub", "weights"):
            return self.source, ()
        return self.name, (self.source,)

    def drift(self, other: LockedModel) -> list[str]:
        """How another differs from this one, a line for each file."""
        lines = []
        for file in sorted({*self.files, *other.files}):
            locked, received = self.files.get(file), other.files.get(file)
            if locked != received:
                lines.append(f"{file}: locked {locked or 'nothing'}, received {received or 'none'}")
        return lines


def names_to_lock(folder: Path, home: Path) -> list[str]:
    """The models in the lock file of a folder, and those that scripts below it have used."""
    locked = read_lock(folder) if (folder / LOCK_FILE).exists() else {}
    here = folder.resolve()
    used = [use.model for use in uses(home) if Path(use.script).is_relative_to(here)]
    return list(dict.fromkeys([*locked, *used]))


def write_lock(folder: Path, models: Iterable[LockedModel]) -> Path:
    """Write the lock file of a folder; returns its path."""
    entries = {
        model.name: {"source": model.source, "weights": model.weights, "files": dict(model.files)}
        for model in sorted(models, key=lambda model: model.name)
    }
    document = {"format": _FORMAT, "models": entries}
    text = _HEADING + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    write_atomically(folder / LOCK_FILE, text.encode())
    return folder / LOCK_FILE


def read_lock(folder: Path) -> dict[str, LockedModel]:
    """The models in the lock file of a folder, by name.

    Raises
    ------
    UsageError
        When there is none, or it is none of this format.
    """
    path = folder / LOCK_FILE
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}; `zoo lock NAME...` writes one") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ParseError("this is no YAML", path, mark.line + 1 if mark else None) from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise UsageError(f"{path}: expected `format: {_FORMAT}`; write it anew with `zoo lock`")
    try:
        return {str(name): _model(str(name), entry) for name, entry in document["models"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: expected models with source, weights and files ({error}); write it anew"
            " with `zoo lock`"
        ) from None


def locked_ones(models: Mapping[str, LockedModel], names: Iterable[str]) -> list[LockedModel]:
    """The named ones, all where none are named.

    Raises
    ------
    UsageError
        When one is not in the lock file.
    """
    for name in names:
        if name not in models:
            raise UsageError(f"{LOCK_FILE} has no model {name!r}.{did_you_mean(name, models)}")
    return [models[name] for name in names] or list(models.values())


def check_drift(locked: LockedModel, model: CachedModel) -> None:
    """Compare what came with what is locked.

    Raises
    ------
    VerificationError
        When a file differs; lists them all.
    """
    lines = locked.drift(LockedModel.of(model))
    if lines:
        raise VerificationError(
            f"{model.name} is not what {LOCK_FILE} says:\n  " + "\n  ".join(lines) + "\nIf the new"
            f" files are right, `zoo lock {model.name}` writes them down."
        )


def _model(name: str, entry: Mapping[str, object]) -> LockedModel:
    files = entry["files"]
    if not isinstance(files, dict):
        raise TypeError(f"{name}: files")
    for file, digest in files.items():
        parse_hash(str(digest), f"{LOCK_FILE}: {name}: {file}", "sha256")
    weights = entry.get("weights")
    return LockedModel(
        name, str(entry["source"]), None if weights is None else str(weights), dict(files)
    )
