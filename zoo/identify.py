"""Which known model has the same weights as a file, in whatever format that is.

The hash of the file answers at once where it is a file that the catalogue or the cache knows. Else
the numbers are compared: a `.caffemodel`, a `.caffemodel.h5` and a `.keras` of the same weights
have the same kernels, under other names and with their axes in another order. So the fingerprint is
made of the values of each array with two axes or more, in no order of values or arrays. Biases and
statistics are left out, for Keras may keep them otherwise. It tells models apart; it does not
withstand somebody who wants two of them to look the same.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.caffe.weights import read_weights
from zoo.errors import ParseError, UnavailableError, WeightsError, ZooError
from zoo.registry.cache import Cache
from zoo.registry.hashes import Hashes, hash_file
from zoo.registry.known import known_hash

__all__ = ["Identity", "fingerprint", "identify"]

_PIECE = 1 << 22
_KERAS_WEIGHTS = "model.weights.h5"


@dataclass(frozen=True)
class Identity:
    """What a file of weights is.

    Parameters
    ----------
    fingerprint : of its values.
    hashes : of the file.
    models : names of the known models with the same weights; none where nobody knows them.
    how : "file" where it is the very file, "values" where it has the same weights, else "".
    """

    fingerprint: str
    hashes: Hashes
    models: tuple[str, ...]
    how: str


def identify(path: str | Path, cache: Cache | None = None) -> Identity:
    """Name the known models with the same weights: those of the catalogue and of the cache.

    Parameters
    ----------
    path : a `.caffemodel`, `.caffemodel.h5` or `.keras` file.
    cache : where to look for models; the catalogue knows files only by their hashes.

    Raises
    ------
    ParseError, WeightsError, UnavailableError
        when the file holds no weights that can be read.

    Examples
    --------
    >>> import zoo
    >>> identify(zoo.fetch("lenet_digits").model.weights).models
    ('lenet_digits',)
    """
    path, cache = Path(path), cache or Cache()
    arrays = _arrays(path)
    hashes = hash_file(path)
    mine = fingerprint(arrays)
    in_cache = [(model, model.weights) for model in cache.models() if model.weights]
    same_file = [
        model.name
        for model, weights in in_cache
        if model.record.files[weights.name].sha256 == hashes.sha256
    ]
    if catalogued := known_hash(hashes.sha256) or known_hash(hashes.sha1):
        same_file.append(catalogued)
    if same_file:
        return Identity(mine, hashes, tuple(sorted(set(same_file))), "file")
    sizes = _sizes(arrays)
    same = []
    for model, weights in in_cache:
        theirs = _arrays_of_cached(weights)
        if _sizes(theirs) == sizes and fingerprint(theirs) == mine:
            same.append(model.name)
    return Identity(mine, hashes, tuple(sorted(same)), "values" if same else "")


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """32 hex digits that depend on nothing but the values of the arrays with two axes or more.

    >>> kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    >>> fingerprint([kernel, np.zeros(3)]) == fingerprint([kernel.T])
    True
    """
    parts = sorted(f"{array.size}:{_sum_of(array):016x}" for array in arrays if _is_kernel(array))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _is_kernel(array: np.ndarray) -> bool:
    return len([size for size in array.shape if size > 1]) > 1


def _sizes(arrays: Iterable[np.ndarray]) -> list[int]:
    return sorted(array.size for array in arrays if _is_kernel(array))


def _sum_of(array: np.ndarray) -> int:
    """A sum over the well mixed bits of each value, so that their order does not count."""
    bits = np.ascontiguousarray(array, np.float32).reshape(-1).view(np.uint32)
    total = 0
    for start in range(0, bits.size, _PIECE):
        mixed = bits[start : start + _PIECE].astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        total += int((mixed ^ (mixed >> np.uint64(31))).sum(dtype=np.uint64))
    return total % (1 << 64)


def _arrays(path: Path) -> list[np.ndarray]:
    if path.is_file() and zipfile.is_zipfile(path):
        return list(_keras_arrays(path))
    weights = read_weights(path)
    return [blob for layer in weights for blob in weights[layer] if blob is not None]


def _arrays_of_cached(path: Path) -> list[np.ndarray]:
    """The arrays of a cached model; none where its weights cannot be read."""
    try:
        return _arrays(path)
    except ZooError:
        return []


def _keras_arrays(path: Path) -> Iterator[np.ndarray]:
    """The variables in a `.keras` file, read without Keras."""
    try:
        import h5py
    except ImportError:
        raise UnavailableError(f"{path}: reading it needs h5py; `pip install h5py`.") from None
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(_KERAS_WEIGHTS)
        with h5py.File(io.BytesIO(content)) as file:
            found: list[np.ndarray] = []
            file.visititems(lambda name, item: _take(item, found))
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise ParseError(f"it is no model that Keras saved: {error}", path) from None
    if not any(map(_is_kernel, found)):
        raise WeightsError(f"{path} holds no weights.")
    yield from found


def _take(item: object, found: list[np.ndarray]) -> None:
    import h5py

    if isinstance(item, h5py.Dataset) and item.dtype == np.float32:
        found.append(item[()])
