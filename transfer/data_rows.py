"""What every source of training data comes down to: rows with a key, a label and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, did_you_mean

__all__ = [
    "Labels",
    "PartProgress",
    "Progress",
    "RawPicture",
    "Rows",
    "class_labels",
    "class_name",
    "named_labels",
    "nothing",
    "printable_name",
    "renumbered",
    "stored_name",
]

RawPicture: TypeAlias = Path | bytes | NDArray[np.uint8] | NDArray[np.float32]
"""A file, the bytes of one, decoded pixels (BGR or grey), or values that are no picture."""

Labels: TypeAlias = NDArray[np.int64] | NDArray[np.float32]
"""(n,) whole numbers from 0 on for classes, or (n, k) numbers to be met."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many rows are done and how many there are."""

PartProgress: TypeAlias = Callable[[str, int, int], None]
"""The same for work of several parts: called with the part that is done now before the numbers."""

# Far more classes than any dataset has: a larger label is a number of something else.
_MOST_CLASSES = 1_000_000


def nothing(*_: object) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class Rows:
    """The rows of a source in their order.

    Attributes
    ----------
    kind : what the source is: "folder", "list", "csv", "npz", "npy", "hdf5", "mat", "lmdb",
        "leveldb".
    keys : what each row is called there: a path, a key, a number.
    read : gives the picture, or the values, of one row.
    labels : None where the source has none.
    classes : their names, by number; of the columns where labels are several numbers.
    files : the file of each row, where rows are files.
    shape : (height, width, channels) or other sizes of each row where rows are values that go to
        the network as they are; None where they are pictures.
    """

    kind: str
    keys: Sequence[str]
    read: Callable[[int], RawPicture]
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    files: Sequence[Path] | None = None
    shape: tuple[int, ...] | None = None

    @property
    def is_numbered(self) -> bool:
        """Whether classes are numbers only, as in Caffe's lists; folders have names always."""
        numbers = tuple(map(str, range(len(self.classes))))
        return self.kind != "folder" and self.classes == numbers


def stored_name(name: str) -> bytes:
    """A name as files store it, mostly UTF-8; `os.fsdecode` gives the name of a file back.

    >>> stored_name("gr\\xfcn"), stored_name("gr\\udcfcn")
    (b'gr\\xc3\\xbcn', b'gr\\xfcn')
    """
    return name.encode("utf-8", "surrogateescape")


def printable_name(name: str) -> str:
    """A name for texts that are UTF-8: bytes that are not are written out.

    >>> print(printable_name("gr\\udcfcn"))
    gr\\xfcn
    """
    return stored_name(name).decode("utf-8", "backslashreplace")


def class_name(name: str, where: str) -> str:
    """The name of a class, whatever the encoding that names of files are read with.

    Raises
    ------
    UsageError
        When it is not UTF-8, as labels.txt, readmes and HDF5 have to be.
    """
    try:
        return stored_name(name).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            f"{where}: the class '{printable_name(name)}' has a name that is not UTF-8, so that no"
            " model could be labelled with it. Rename it."
        ) from None


def class_labels(values: NDArray[np.generic], where: str) -> tuple[Labels, tuple[str, ...]]:
    """Labels from numbers: classes where all are whole, one a row and not negative.

    Parameters
    ----------
    values : array of shape (n,) or (n, ...).
    where : the source, for messages.

    Returns
    -------
    labels : int64 of shape (n,), or float32 of shape (n, k).
    classes : the numbers as text; none for other labels.

    Raises
    ------
    UsageError
        When they are no numbers, or whole but negative or beyond any number of classes.

    Examples
    --------
    >>> class_labels(np.array([[2.0], [0.0]]), "x.h5")
    (array([2, 0]), ('0', '1', '2'))
    """
    if values.dtype.kind not in "biuf":
        raise UsageError(f"{where}: labels are {values.dtype}; expected numbers")
    columns = values.reshape(len(values), -1)
    numbers = columns.astype(np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.argwhere(~np.isfinite(numbers))[0][0])
        raise UsageError(f"{where}: the label of row {row} is {numbers[row].tolist()}, no number")
    if columns.shape[1] != 1 or (numbers != np.floor(numbers)).any():
        return numbers.astype(np.float32), ()
    wrong = np.flatnonzero((numbers[:, 0] < 0) | (numbers[:, 0] >= _MOST_CLASSES))
    if len(wrong) and values.dtype.kind == "f":
        return numbers.astype(np.float32), ()
    if len(wrong):
        raise UsageError(
            f"{where}: the label of row {wrong[0]} is {int(numbers[wrong[0], 0])}; classes are"
            " counted from 0. For numbers to be met rather than classes write them as 2.0."
        )
    count = int(numbers.max(initial=-1)) + 1
    return numbers[:, 0].astype(np.int64), tuple(map(str, range(count)))


def named_labels(names: Sequence[str], where: str) -> tuple[Labels, tuple[str, ...]]:
    """Labels from names of classes, numbered in the order of the alphabet.

    >>> named_labels(["dog", "cat", "dog"], "x.csv")
    (array([1, 0, 1]), ('cat', 'dog'))
    """
    empty = [row for row, name in enumerate(names) if not name]
    if empty:
        raise UsageError(f"{where}: row {empty[0]} has no label")
    classes, labels = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    return labels.astype(np.int64), tuple(map(str, classes))


def renumbered(
    labels: Labels, classes: Sequence[str], wanted: Sequence[str], where: str
) -> NDArray[np.int64]:
    """The labels as other data numbers its classes.

    Raises
    ------
    UsageError
        When a class that has rows is not among the wanted ones.
    """
    number = {name: index for index, name in enumerate(wanted)}
    used = np.unique(labels)
    unknown = [classes[int(label)] for label in used if classes[int(label)] not in number]
    if unknown:
        raise UsageError(
            f"{where}: {len(unknown)} class(es) that the model was not made for:"
            f" {', '.join(map(repr, unknown[:5]))}{did_you_mean(unknown[0], wanted)}; expected"
            f" {', '.join(map(repr, list(wanted)[:12]))}{', ...' if len(wanted) > 12 else ''}"
        )
    table = np.array([number.get(name, -1) for name in classes], np.int64)
    return table[labels.astype(np.int64)]
