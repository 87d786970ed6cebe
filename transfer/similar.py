"""Rows of features that are like each other: nearest ones, pairs that are nearly the same, a map.

scikit-learn searches; how rows are compared is said in `zoo.transfer.comparable`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from zoo.errors import UsageError
from zoo.transfer.comparable import Comparable, Row, comparable, parts
from zoo.transfer.data_rows import nothing
from zoo.transfer.feature_cache import Floats
from zoo.transfer.features import Progress

__all__ = [
    "Comparable",
    "Duplicates",
    "Neighbour",
    "Pair",
    "comparable",
    "duplicates",
    "nearest",
    "positions",
]

_SEED = 0
_COMPONENTS = 50
_PERPLEXITY = 30.0
_FEWEST = 4
"""Of fewer points no point has the neighbours that t-SNE wants to keep."""


class Neighbour(NamedTuple):
    """A row and how near it is.

    `similarity` is the cosine, from -1 to 1, or the share of equal bits of binary codes.
    """

    row: int
    file: str
    label: str
    similarity: float


class Pair(NamedTuple):
    """Two rows that are nearly the same."""

    first: Row
    second: Row
    similarity: float


@dataclass(frozen=True)
class Duplicates:
    """Pairs of rows, the most similar first, and how many there are in all."""

    pairs: list[Pair]
    count: int


def nearest(among: Comparable, values: NDArray[Any], count: int = 10) -> list[Neighbour]:
    """The rows that are most like some values, the most similar first.

    Parameters
    ----------
    among : where to look.
    values : as many as a row of the blob has, in any shape.
    count : how many rows are wanted.

    Raises
    ------
    UsageError
        When the values are of another number, not finite, or all zero.

    Examples
    --------
    >>> from zoo.transfer.features import Features
    >>> rows = np.array([[1, 0], [0, 3], [2, 1]], np.float32)
    >>> among = comparable(Features({"fc": rows}, None, ["a", "b", "c"]))
    >>> [(found.file, found.similarity) for found in nearest(among, np.array([4, 0]), 2)]
    [('a', 1.0), ('c', 0.894427)]
    """
    search = NearestNeighbors(n_neighbors=min(count, len(among)), algorithm="brute")
    distances, places = search.fit(among.rows).kneighbors(among.query(values))
    found = [
        Neighbour(*among.named(place), float(similarity))
        for place, similarity in zip(places[0], among.similarities(distances[0]), strict=True)
    ]
    return sorted(found, key=lambda neighbour: (-neighbour.similarity, neighbour.row))


def duplicates(
    among: Comparable, above: float = 0.98, most: int = 1000, *, progress: Progress = nothing
) -> Duplicates:
    """Pairs of rows that are nearly the same.

    Parameters
    ----------
    among : where to look.
    above : the least similarity; 1 for pairs that are the same.
    most : how many pairs to keep, the most similar ones. All are counted.
    progress : called with how many rows are done and how many there are.

    Examples
    --------
    >>> from zoo.transfer.features import Features
    >>> rows = np.array([[1, 0], [0, 3], [2, 0]], np.float32)
    >>> among = comparable(Features({"fc": rows}, None, ["a", "b", "c"]))
    >>> [(pair.first.file, pair.second.file) for pair in duplicates(among).pairs]
    [('a', 'c')]
    """
    if not -1 <= above <= 1:
        raise UsageError(f"above: expected a similarity of at most 1, received {above}")
    count = 0
    firsts, seconds = np.empty(0, np.int64), np.empty(0, np.int64)
    similarities = np.empty(0)
    for first, second, similarity in _near_pairs(among, above, progress):
        count += len(first)
        firsts, seconds = np.append(firsts, first), np.append(seconds, second)
        similarities = np.append(similarities, similarity)
        best = np.lexsort((seconds, firsts, -similarities))[:most]
        firsts, seconds, similarities = firsts[best], seconds[best], similarities[best]
    return Duplicates(
        [
            Pair(among.named(first), among.named(second), similarity)
            for first, second, similarity in zip(
                firsts.tolist(), seconds.tolist(), similarities.tolist(), strict=True
            )
        ],
        count,
    )


def positions(among: Comparable) -> Floats:
    """Where each row lies on a map, on which rows that are alike lie together.

    The first 50 principal components go to t-SNE (van der Maaten and Hinton, JMLR 2008), which
    keeps neighbours; distances between groups mean little. The same rows give the same map.

    Returns
    -------
    float32 array of shape (n, 2).

    Raises
    ------
    UsageError
        When there are fewer than four rows, or all are the same.
    """
    if len(among) < _FEWEST:
        raise UsageError(f"a map needs {_FEWEST} rows or more, and there are {len(among)}")
    components = min(_COMPONENTS, len(among) - 1, among.rows.shape[1])
    # One thread: sums of several come in any order, and t-SNE would make another map of them.
    with threadpool_limits(1), np.errstate(divide="ignore", invalid="ignore"):
        scores = PCA(components, random_state=_SEED).fit_transform(among.rows)
        spread = float(scores[:, 0].std(dtype=np.float64))
        if not spread > 0:
            raise UsageError(f"blob {among.blob!r}: all rows are the same, so there is no map")
        mapped: Floats = TSNE(
            perplexity=min(_PERPLEXITY, (len(among) - 1) / 3),
            init="pca" if components > 1 else "random",
            random_state=_SEED,
        ).fit_transform(scores / spread)
    return mapped


def _near_pairs(
    among: Comparable, above: float, progress: Progress
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """First and second places and similarities, a block of rows at a time, each pair once."""
    search = NearestNeighbors(radius=among.radius(above), algorithm="brute").fit(among.rows)
    for part in parts(len(among), len(among)):
        block = among.rows[part]
        found = search.radius_neighbors(block)
        first = np.repeat(np.arange(len(block)) + part.start, list(map(len, found[1])))
        second = np.concatenate(found[1])
        similarity = among.similarities(np.concatenate(found[0]))
        kept = (second > first) & (similarity >= above)
        yield first[kept], second[kept], similarity[kept]
        progress(part.start + len(block), len(among))
