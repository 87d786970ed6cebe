"""Features that were computed before, known by the content of the picture.

<home>/features/KEY/ has rows of one blob. KEY is a digest of all that they follow from: definition
and weights of the network, blob, pooling, preprocessing, engine, version of zoo.

    about.json   some of that in words, and the shape of a row
    rows.f32     a row for each content, raw float32
    contents     for each row, written after it: SHA-256 of the content, CRC-32 of the row

Rows are only added, by whoever holds the lock; others read what is there. What cannot be read or
written is left alone, so that a cache never stops a run. Of more than a gibibyte those blobs are
removed that were not used for longest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

import zoo
from zoo.loaded import LoadedModel
from zoo.registry.cache_folder import CacheFolder
from zoo.transfer.data_rows import RawPicture

__all__ = ["FeatureCache", "Floats", "content_digest", "feature_cache"]

Floats = NDArray[np.float32]

_MOST_BYTES = 1 << 30  # of all rows together
_LARGEST_ROW = 1 << 16  # whole planes of early blobs take more room than they save time
_ENTRY = struct.Struct("<32sI")


class FeatureCache:
    """Rows of some blobs; see `feature_cache`."""

    def __init__(self, stores: Mapping[str, _Store]) -> None:
        self._stores = stores

    def get(self, digest: bytes) -> dict[str, Floats] | None:
        """The rows of all blobs for a content; None when one of them is not there."""
        rows = {}
        for blob, store in self._stores.items():
            row = store.get(digest)
            if row is None:
                return None
            rows[blob] = row
        return rows

    def add(self, digests: Sequence[bytes], arrays: Mapping[str, Floats]) -> None:
        """Keep rows of contents that are not there, where there is room."""
        for blob, store in self._stores.items():
            with suppress(OSError):
                store.add(digests, arrays[blob])


@contextmanager
def feature_cache(
    model: LoadedModel, blobs: Sequence[str], pool: str, engine: str
) -> Iterator[FeatureCache | None]:
    """The cache of these blobs; None for networks whose rows follow from more than is known."""
    net = model.net
    ours = all(type(layer.kind).__module__.startswith("zoo.layers.") for layer in net.layers)
    whole = all(net.params.get(name) or not shapes for name, shapes in net.param_shapes.items())
    if not (ours and whole and net.phase == "TEST"):
        yield None
        return
    top, common = CacheFolder().home / "features", _common(model, pool, engine)
    with ExitStack() as stack:
        stores = {}
        for blob in dict.fromkeys(blobs):
            key = hashlib.sha256(json.dumps([*common, blob]).encode()).hexdigest()
            about = {"model": model.name, "blob": blob, "pool": pool, "engine": engine}
            stores[blob] = stack.enter_context(_Store(top / key[:32], about))
        _make_room(top)
        yield FeatureCache(stores)


def content_digest(stored: RawPicture) -> bytes:
    """What tells one row of data from another one; nothing for a file that cannot be read.

    >>> content_digest(b"1") == content_digest(np.array([49], np.uint8))
    False
    """
    if isinstance(stored, np.ndarray):
        digest = hashlib.sha256(f"{stored.dtype} {stored.shape} ".encode())
        digest.update(np.ascontiguousarray(stored).data)
        return digest.digest()
    try:
        content = stored.read_bytes() if isinstance(stored, Path) else stored
    except OSError:
        return b""
    return hashlib.sha256(content).digest()


def _common(model: LoadedModel, pool: str, engine: str) -> list[Any]:
    """What the rows of all blobs follow from."""
    digest = hashlib.sha256(model.net.definition.SerializeToString(deterministic=True))
    for name, params in sorted(model.net.params.items()):
        digest.update(name.encode())
        for param in params:
            digest.update(np.ascontiguousarray(param).data)
    inputs = {name: list(shape) for name, shape in model.net.inputs.items()}
    spec = model.spec.to_mapping() if model.spec else None
    return [digest.hexdigest(), inputs, pool, spec, engine, zoo.__version__]


class _Store:
    """The rows of one blob; a context that may add to them if nobody else does."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self._folder, self._about = folder, about
        self._lock = FileLock(folder / ".lock")
        self._shape: tuple[int, ...] = ()
        self._entries: dict[bytes, tuple[int, int]] = {}
        self._count = self._room = 0
        self._rows: BinaryIO | None = None

    def __enter__(self) -> _Store:
        with suppress(OSError, Timeout):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._room = _MOST_BYTES
        try:
            self._read()
        except (OSError, ValueError, KeyError):  # nothing is there, or nothing of use
            if self._room:
                for path in (self._path, self._contents):
                    path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows is not None:
            self._rows.close()
        self._lock.release()

    def get(self, digest: bytes) -> Floats | None:
        """A row that is whole, or None."""
        place, checksum = self._entries.get(digest, (-1, 0))
        if place < 0 or self._rows is None:
            return None
        size = 4 * int(np.prod(self._shape))
        with suppress(OSError):
            content = os.pread(self._rows.fileno(), size, place * size)
            if len(content) == size and zlib.crc32(content) == checksum:
                return np.frombuffer(content, "<f4").reshape(self._shape)
        self._entries.pop(digest, None)  # so that it is added again
        return None

    def add(self, digests: Sequence[bytes], rows: Floats) -> None:
        """Rows first, then the entries that make them count."""
        shape, size = rows.shape[1:], 4 * int(np.prod(rows.shape[1:]))
        new = {
            digest: np.ascontiguousarray(row, "<f4").tobytes()
            for digest, row in zip(digests, rows, strict=True)
            if digest not in self._entries
        }
        if not new or size > _LARGEST_ROW or len(new) * size > self._room:
            return
        if self._shape not in ((), shape):
            return
        if not self._shape:
            text = json.dumps(self._about | {"shape": shape})
            (self._folder / "about.json").write_text(text, encoding="utf-8")
        self._shape, self._room = shape, self._room - len(new) * size
        entries = [(digest, zlib.crc32(row)) for digest, row in new.items()]
        with self._path.open("ab") as file:
            file.write(b"".join(new.values()))
        with self._contents.open("ab") as file:
            file.write(b"".join(_ENTRY.pack(*entry) for entry in entries))
        self._note(entries)

    @property
    def _path(self) -> Path:
        return self._folder / "rows.f32"

    @property
    def _contents(self) -> Path:
        return self._folder / "contents"

    def _read(self) -> None:
        """What is there; whoever may add cuts off what a killed run left unfinished."""
        self._shape = tuple(json.loads((self._folder / "about.json").read_bytes())["shape"])
        size, content = 4 * int(np.prod(self._shape)), self._contents.read_bytes()
        whole = min(len(content) // _ENTRY.size, self._path.stat().st_size // size)
        if self._room:
            os.truncate(self._path, whole * size)
            os.truncate(self._contents, whole * _ENTRY.size)
            os.utime(self._contents)
        self._room = max(0, self._room - whole * size)
        self._note(_ENTRY.iter_unpack(content[: whole * _ENTRY.size]))  # type: ignore[arg-type]

    def _note(self, entries: Iterable[tuple[bytes, int]]) -> None:
        for digest, checksum in entries:
            self._entries[digest] = (self._count, checksum)
            self._count += 1
        if self._rows is None:
            self._rows = self._path.open("rb")


def _make_room(top: Path) -> None:
    """Remove what was not used for longest, but nothing that is in use."""
    with suppress(OSError):
        stores = sorted(top.glob("*/contents"), key=lambda path: -path.stat().st_mtime_ns)
        total = 0
        for contents in stores:
            total += contents.with_name("rows.f32").stat().st_size
            if total <= _MOST_BYTES:
                continue
            with suppress(Timeout), FileLock(contents.with_name(".lock"), timeout=0):
                shutil.rmtree(contents.parent, ignore_errors=True)
