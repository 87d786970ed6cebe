"""A model in the cache, and the record that makes it one.

`zoo.json` is written last, so a directory without a valid one is never taken as a model. It holds

    {"format": 1, "name": ..., "source": ..., "weights": file name or null,
     "verified_against": ["sha1:..."], "verified_at": ISO time of the last hashing,
     "files": {file name: {"sha1", "sha256", "size", "mtime_ns"}}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from zoo.errors import CardError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import (
    README,
    RECORD,
    definition_file,
    is_plain,
    labels_file,
    train_val_file,
    weights_file,
)
from zoo.registry.hashes import Hashes, hash_file

__all__ = ["FORMAT", "CachedModel", "FileRecord", "Record"]

FORMAT = 1
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileRecord:
    """What a file was when it was hashed."""

    sha1: str
    sha256: str
    size: int
    mtime_ns: int

    def is_sound(self) -> bool:
        """Whether the hashes are hashes and the numbers are numbers."""
        return (
            _SHA1.fullmatch(self.sha1) is not None
            and _SHA256.fullmatch(self.sha256) is not None
            and type(self.size) is type(self.mtime_ns) is int
            and self.size >= 0
        )

    @classmethod
    def of(cls, path: Path, hashes: Hashes) -> FileRecord:
        """The record of a file whose hashes are known."""
        return cls(hashes.sha1, hashes.sha256, hashes.size, path.stat().st_mtime_ns)


@dataclass(frozen=True)
class Record:
    """Where a cached model came from and what its files were."""

    name: str
    source: str
    files: Mapping[str, FileRecord]
    weights: str | None = None
    verified_against: tuple[str, ...] = ()
    verified_at: str = ""

    def stamped(self) -> Record:
        """A copy that says its hashes were taken now."""
        return replace(self, verified_at=datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> bytes:
        """The text of zoo.json."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Record | None:
        """The record, or None for anything that this version did not write."""
        try:
            facts = json.loads(data)
            if facts.pop("format") != FORMAT:
                return None
            files = {name: FileRecord(**entry) for name, entry in facts.pop("files").items()}
            against = tuple(facts.pop("verified_against"))
            record = cls(files=files, verified_against=against, **facts)
            return record if record._is_sound() else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    @classmethod
    def read(cls, directory: Path) -> Record | None:
        """The record in a directory; None where none is, or none that is valid."""
        try:
            return cls.from_json((directory / RECORD).read_bytes())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _is_sound(self) -> bool:
        """Whether it can be believed to name files and hashes, wherever it was carried from."""
        texts = (self.name, self.source, self.verified_at, *self.verified_against)
        return (
            all(isinstance(text, str) for text in texts)
            and is_plain(self.name)
            and all(is_plain(name) and file.is_sound() for name, file in self.files.items())
            and (self.weights is None or self.weights in self.files)
        )


@dataclass(frozen=True)
class CachedModel:
    """A model whose files are all here.

    Parameters
    ----------
    name : the name that it is fetched by.
    directory : where its files lie.
    card : what its readme.md says.
    record : where it came from, and the hashes of its files.
    """

    name: str
    directory: Path
    card: Card
    record: Record

    @classmethod
    def read(cls, directory: Path) -> CachedModel | None:
        """The model in a directory, or None when its record or its card is not valid."""
        record = Record.read(directory)
        if record is None or record.name != directory.name:
            return None
        try:
            return cls(record.name, directory, Card.read(directory / README), record)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, CardError):
            return None

    @property
    def weights(self) -> Path | None:
        """The file of weights; None for a model that comes without."""
        name = self.record.weights or weights_file(self._names(), self.card)
        return self.directory / name if name else None

    @property
    def deploy(self) -> Path:
        """The network as it is used, see `zoo.registry.contents.definition_file`."""
        return self.directory / definition_file(self._names(), self.card)

    @property
    def train_val(self) -> Path | None:
        """The network as it is trained, where the model has one."""
        name = train_val_file(self._names())
        return self.directory / name if name else None

    @property
    def labels(self) -> Path | None:
        """The file with one label per line, where the model has one."""
        name = labels_file(self._names(), self.card)
        return self.directory / name if name else None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.record.files.values())

    def prototxt(self, kind: str = "deploy") -> Path:
        """The definition of a kind, "deploy" or "train_val".

        Raises
        ------
        CardError
            when the model has none, or several and nothing to choose by.
        """
        if kind == "deploy":
            return self.deploy
        if kind != "train_val":
            raise UsageError(f"no prototxt of kind {kind!r}; expected 'deploy' or 'train_val'")
        if self.train_val is None:
            raise CardError(f"{self.name} has no train_val.prototxt in {self.directory}")
        return self.train_val

    def damage(self) -> str:
        """What is wrong with the files, as a sentence, or "".

        Quick: a file is hashed only if its size is right and its time of change is not.
        """
        return self.looked_at()[0]

    def looked_at(self) -> tuple[str, Record]:
        """What is wrong, as `damage` says it, and the record with the times that were seen."""
        files = dict(self.record.files)
        for name, recorded in self.record.files.items():
            path = self.directory / name
            try:
                status = path.stat()
                if status.st_size != recorded.size:
                    found = f"has {status.st_size} bytes; {recorded.size} were fetched"
                    return f"{path} {found}.", self.record
                if status.st_mtime_ns != recorded.mtime_ns:
                    if hash_file(path).sha256 != recorded.sha256:
                        found = "is not what was fetched: its sha256 has changed"
                        return f"{path} {found}.", self.record
                    files[name] = replace(recorded, mtime_ns=status.st_mtime_ns)
            except OSError as error:
                return f"{path} cannot be read ({error.strerror or error}).", self.record
        return "", replace(self.record, files=files)

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.is_file())
