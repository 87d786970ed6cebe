"""Rows of Caffe's databases, LMDB and LevelDB, in the order of their keys.

Opening reads each row once, for its label. Names of classes are those of a file ``classes.txt``
in the folder of the database, one a line, which `zoo data convert` writes; else the numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import Datum
from zoo.errors import UsageError
from zoo.transfer.data_rows import RawPicture, Rows, class_labels
from zoo.transfer.databases.datum import datum_values, parse_datum
from zoo.transfer.databases.leveldb import LevelDB
from zoo.transfer.databases.lmdb_file import LMDBFile

__all__ = ["CLASSES_FILE", "read_database"]

CLASSES_FILE = "classes.txt"


def read_database(path: Path) -> Rows:
    """The rows of an LMDB or a LevelDB.

    Raises
    ------
    UsageError
        When it cannot be read, is empty, or holds what is no Datum.
    """
    is_leveldb = (path / "CURRENT").is_file()
    database: LMDBFile | LevelDB = LevelDB(path) if is_leveldb else LMDBFile(path)
    keys, labels, first = [], [], None
    for key, value in database.items():
        datum = parse_datum(value, _where(path, key))
        first = first or datum
        keys.append(key)
        labels.append(datum.label)
    if first is None:
        raise UsageError(f"{path} is an empty database")
    numbers, classes = class_labels(np.array(labels, np.int64), str(path))
    shape = _value_shape(first)

    def read(index: int) -> RawPicture:
        where = _where(path, keys[index])
        datum = parse_datum(database.get(keys[index]), where)
        if datum.encoded:
            return bytes(datum.data)
        values = datum_values(datum, where).transpose(1, 2, 0)
        if shape is not None:
            return np.ascontiguousarray(values, np.float32)
        pixels = values[..., 0] if values.shape[2] == 1 else values
        return np.ascontiguousarray(pixels, np.uint8)

    return Rows(
        "leveldb" if is_leveldb else "lmdb",
        [key.decode("utf-8", "backslashreplace") for key in keys],
        read,
        numbers,
        _class_names(path, classes),
        shape=shape,
    )


def _where(path: Path, key: bytes) -> str:
    return f"{path}, key {key.decode('utf-8', 'backslashreplace')!r}"


def _value_shape(datum: Datum) -> tuple[int, ...] | None:
    """(height, width, channels) of rows that are no pictures: floats, or two channels."""
    if datum.encoded or (datum.data and datum.channels in (1, 3)):
        return None
    return (datum.height, datum.width, datum.channels)


def _class_names(path: Path, numbers: tuple[str, ...]) -> tuple[str, ...]:
    file = path / CLASSES_FILE
    if not file.is_file():
        return numbers
    names = tuple(file.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    if len(names) < len(numbers):
        raise UsageError(
            f"{file} names {len(names)} classes, but a label is {len(numbers) - 1}; expected at"
            f" least {len(numbers)}"
        )
    return names
