"""Rows of features made ready to be compared with each other.

Rows are compared by the cosine of the angle between them. They are brought to length 1, where it
follows from the Euclidean distance d that scikit-learn searches by: cos = 1 - d² / 2.

Binary codes keep only on which side of its mean each feature lies: the sign of centred features, as
in Gong and Lazebnik, "Iterative quantization" (CVPR 2011), without its rotation. Agrawal, Girshick
and Malik (ECCV 2014) found that features of a CNN lose little when they are made binary. Codes are
held as +1 and -1, divided by the root of their number, so that the share of equal bits, which is
1 - Hamming distance / bits, is (1 + cos) / 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from zoo.errors import UsageError, did_you_mean
from zoo.transfer.feature_cache import Floats
from zoo.transfer.features import Features

__all__ = ["Comparable", "Row", "comparable", "parts"]

DECIMALS = 6
"""As many as sums of float32 products are good for; rows that are the same have 1."""
_BLOCK = 1 << 22
"""Values, or pairs, that are looked at together; a pair that is near takes some 130 bytes."""


class Row(NamedTuple):
    """Where a row stands in the features, what it is called, and its class."""

    row: int
    file: str
    label: str


@dataclass(frozen=True)
class Comparable:
    """The rows of a blob that can be compared.

    Attributes
    ----------
    blob : its name.
    rows : float32 array of shape (n, values), each of length 1.
    numbers : (n,) where each of them stands in the features.
    files, labels : what each is called, and the name of its class; "" where there is none.
    left_out : names of rows that cannot be compared: values that are not finite, or all zero.
    centre : the means that binary codes were cut at; None where features are compared.
    """

    blob: str
    rows: Floats
    numbers: NDArray[np.int64]
    files: list[str]
    labels: list[str]
    left_out: list[str]
    centre: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def named(self, place: int) -> Row:
        """What the row at a place of `rows` is called."""
        return Row(int(self.numbers[place]), self.files[place], self.labels[place])

    def query(self, values: NDArray[Any]) -> Floats:
        """Values of one more row, ready to be compared: an array of shape (1, values).

        Raises
        ------
        UsageError
            When they are of another number, not finite, or all zero.
        """
        row = np.array(values, np.float32).reshape(1, -1)
        size = self.rows.shape[1]
        if row.shape[1] != size:
            raise UsageError(
                f"blob {self.blob!r}: rows have {size} values, and what is looked for"
                f" {row.shape[1]}; both must come from the same model, blob and pooling"
            )
        if not _usable(row, self.centre is not None)[0]:
            raise UsageError(
                f"blob {self.blob!r} is all zero, or not finite, for what is looked for, so that"
                " nothing is like it; take another blob"
            )
        return _unit_rows(row, self.centre)

    def similarities(self, distances: NDArray[Any]) -> NDArray[np.float64]:
        """What Euclidean distances between rows mean: cosines, or shares of equal bits."""
        cosines = 1 - np.square(distances, dtype=np.float64) / 2
        similarities = cosines if self.centre is None else (1 + cosines) / 2
        rounded: NDArray[np.float64] = np.round(similarities, DECIMALS) + 0.0  # no -0.0
        return rounded

    def radius(self, similarity: float) -> float:
        """The distance within which all rows of that similarity or more lie; few others do."""
        cosine = similarity if self.centre is None else 2 * similarity - 1
        return float(np.sqrt(max(0.0, 2 - 2 * cosine) + 4 * 10.0**-DECIMALS))


def comparable(features: Features, blob: str | None = None, *, binary: bool = False) -> Comparable:
    """Make the rows of a blob ready to be compared.

    Parameters
    ----------
    features : see `zoo.extract_features` and `zoo.transfer.feature_file.read_features`.
    blob : which one; may be left out where there is only one.
    binary : compare by binary codes.

    Raises
    ------
    UsageError
        When there is no such blob, or no row of it can be compared.

    Examples
    --------
    >>> values = np.array([[1, 0], [0, 3], [2, 0], [0, 0]], np.float32)
    >>> features = Features({"fc": values}, None, ["a", "b", "c", "d"])
    >>> comparable(features).rows.tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    >>> comparable(features).left_out
    ['d']
    """
    name = _blob_of(features, blob)
    values = features.arrays[name]
    values = values.reshape(len(values), int(np.prod(values.shape[1:])))
    usable = _usable(values, binary)
    numbers = np.flatnonzero(usable)
    if not len(numbers):
        raise UsageError(f"blob {name!r}: no row has values that can be compared")
    rows = np.asarray(values[numbers], np.float32)
    centre = rows.mean(axis=0, dtype=np.float64) if binary else None
    return Comparable(
        name,
        _unit_rows(rows, centre),
        numbers,
        [features.files[row] for row in numbers],
        [_label(features, row) for row in numbers.tolist()],
        [features.files[row] for row in np.flatnonzero(~usable)],
        centre,
    )


def _blob_of(features: Features, blob: str | None) -> str:
    """The blob that is meant: that of the name, or the only one.

    >>> _blob_of(Features({"fc": np.zeros((1, 2))}, None, ["a"]), None)
    'fc'
    """
    names = list(features.arrays)
    if blob is None and len(names) > 1:
        raise UsageError(f"there are features of {', '.join(names)}; name one of these blobs")
    if blob is not None and blob not in names:
        raise UsageError(
            f"there are no features of a blob {blob!r}.{did_you_mean(blob, names)}"
            f" There are those of {', '.join(names)}."
        )
    return blob or names[0]


def parts(rows: int, size: int) -> Iterator[slice]:
    """Slices of as many rows as are looked at together, where each has `size` things."""
    step = max(1, _BLOCK // size)
    return (slice(start, start + step) for start in range(0, rows, step))


def _usable(values: NDArray[Any], binary: bool) -> NDArray[np.bool_]:
    """Which rows are finite and, where their direction counts, have one."""
    if not values.size:
        return np.zeros(len(values), bool)
    largest = np.empty(len(values), np.float32)
    with np.errstate(over="ignore"):
        for part in parts(*values.shape):
            largest[part] = np.abs(np.asarray(values[part], np.float32)).max(axis=1)
    return np.isfinite(largest) & (binary | (largest > 0))


def _unit_rows(rows: Floats, centre: NDArray[np.float64] | None) -> Floats:
    """Rows of length 1; `rows` themselves where they are not made binary."""
    if centre is not None:
        bit = np.float32(rows.shape[1] ** -0.5)
        return np.where(rows > centre, bit, -bit)
    for part in parts(*rows.shape):
        # By the largest value first: its square may be too large, or too small, for float32.
        rows[part] /= np.abs(rows[part]).max(axis=1, keepdims=True)
        rows[part] = normalize(rows[part])
    return rows


def _label(features: Features, row: int) -> str:
    """The name of a row's class, or its label as it is."""
    if features.labels is None:
        return ""
    label = features.labels[row]
    if np.ndim(label):
        return ", ".join(f"{number:g}" for number in label)
    if features.labels.dtype.kind not in "biuf":  # a file of somebody else's with names
        return label.decode(errors="replace") if isinstance(label, bytes) else str(label)
    if float(label).is_integer() and 0 <= label < len(features.classes):
        return features.classes[int(label)]
    return f"{label:g}"
