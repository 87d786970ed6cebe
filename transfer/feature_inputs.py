"""The rows of some data on their way to a network: read and decoded in threads, in order.

Rows whose features are in the cache are not decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.loaded import LoadedModel
from zoo.transfer.data import Dataset
from zoo.transfer.databases.parallel import in_order
from zoo.transfer.feature_cache import FeatureCache, Floats, content_digest

__all__ = ["InputBatch", "input_batches"]


class InputBatch(NamedTuple):
    """Rows on their way to the network.

    Attributes
    ----------
    indices : of the rows in the data.
    known : for each of them its features, where they are in the cache.
    digests : of the content of the others, in their order; empty bytes without a cache.
    inputs : of the others, as the network takes them.
    failures : (index, reason) of rows in between that cannot be read.
    """

    indices: list[int]
    known: list[dict[str, Floats] | None]
    digests: list[bytes]
    inputs: Floats
    failures: list[tuple[int, str]]


def input_batches(
    model: LoadedModel,
    data: Dataset,
    batch_size: int,
    start: int = 0,
    cache: FeatureCache | None = None,
) -> Iterator[InputBatch]:
    """The rows of some data in their order, read in threads."""
    finished = model.preprocess.finished if data.is_pictures else np.stack
    rows = enumerate(_rows(model, data, start, batch_size, cache), start)
    while some := list(islice(rows, batch_size)):
        good = [(index, row) for index, row in some if not isinstance(row, ImageError)]
        new = [row for _, row in good if isinstance(row, _Row)]
        yield InputBatch(
            [index for index, _ in good],
            [None if isinstance(row, _Row) else row for _, row in good],
            [row.digest for row in new],
            finished([row.values for row in new]) if new else np.empty(0, np.float32),
            [(index, str(row)) for index, row in some if isinstance(row, ImageError)],
        )


class _Row(NamedTuple):
    """A row that is to be computed: a picture before mean and scale, or its values."""

    digest: bytes
    values: NDArray[Any]


_Read = _Row | dict[str, Floats] | ImageError


def _rows(
    model: LoadedModel, data: Dataset, start: int, most_waiting: int, cache: FeatureCache | None
) -> Iterator[_Read]:
    """Each row, or its features where they are known, or what is wrong with it."""
    prepare = model.preprocess if data.is_pictures else None

    def read(index: int) -> _Read:
        try:
            digest = b""
            if cache is not None:
                digest = content_digest(data.read(index))
                known = cache.get(digest)
                if known is not None:
                    return known
            if prepare is None:
                return _Row(digest, np.asarray(data.read(index), np.float32))
            picture = data.picture(index, gray=prepare.spec.channels == "GRAY")
            return _Row(digest, prepare.central(picture))
        except ImageError as error:
            return error

    return in_order(read, range(start, len(data)), most_waiting)
