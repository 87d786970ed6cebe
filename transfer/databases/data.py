"""Data: rows of an LMDB or a LevelDB (caffe/layers/data_layer.cpp).

Rows come in the order of their keys, and behind the last comes the first again, within a batch too.
The first row of a batch says of what shape all are. `rand_skip` of data_param does nothing, as in
Caffe 1.0, where it is deprecated.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import DataParameter, Datum, LayerParameter
from zoo.errors import NetError, UsageError
from zoo.transfer.databases import Batch, batch_rng
from zoo.transfer.databases.datum import datum_values, parse_datum
from zoo.transfer.databases.leveldb import LevelDB
from zoo.transfer.databases.lmdb_file import LMDBFile
from zoo.transfer.databases.parallel import threads
from zoo.transfer.databases.picture_batch import check_layer, picture_batch
from zoo.transfer.databases.transform import Transformer

__all__ = ["batches"]

Row = tuple[str, Datum]


def batches(
    layer: LayerParameter, folder: Path, phase: str, *, seed: int, start: int
) -> Iterator[Batch]:
    """The layer's batches, see `zoo.transfer.databases.open_source`."""
    param = layer.data_param
    check_layer(layer, param.batch_size)
    if not param.source:
        raise NetError("data_param names no source", layer.name)
    transformer = Transformer(layer, folder, phase)
    database = _opened(layer, folder / param.source)
    return _batches(layer, database, transformer, seed, start)


def _opened(layer: LayerParameter, path: Path) -> LMDBFile | LevelDB:
    is_lmdb = layer.data_param.backend == DataParameter.LMDB
    try:
        database: LMDBFile | LevelDB = LMDBFile(path) if is_lmdb else LevelDB(path)
    except UsageError as error:
        raise UsageError(f"layer {layer.name!r}: {error}{_other_backend(layer, path)}") from None
    if not any(True for _ in database.items()):
        raise UsageError(f"layer {layer.name!r}: {path} is an empty database")
    return database


def _other_backend(layer: LayerParameter, path: Path) -> str:
    """Caffe's default is LEVELDB, which is easily forgotten."""
    if layer.data_param.backend == DataParameter.LEVELDB and (path / "data.mdb").is_file():
        return " The folder holds an LMDB: write `backend: LMDB` into data_param."
    if layer.data_param.backend == DataParameter.LMDB and (path / "CURRENT").is_file():
        return " The folder holds a LevelDB: write `backend: LEVELDB` into data_param."
    return ""


def _batches(
    layer: LayerParameter,
    database: LMDBFile | LevelDB,
    transformer: Transformer,
    seed: int,
    start: int,
) -> Iterator[Batch]:
    size = layer.data_param.batch_size
    rows = _endless(database, start * size % len(database) if start else 0)

    def decoded(row: Row) -> np.ndarray:
        where, datum = row
        color, gray = transformer.force_color, transformer.force_gray
        return datum_values(datum, where, force_color=color, force_gray=gray)

    with threads() as each:
        for number in count(start):
            taken = list(islice(rows, size))
            if any(datum.encoded for _, datum in taken):
                values = each(decoded, taken)
            else:  # nothing to do that would be worth a thread
                values = [decoded(row) for row in taken]
            pictures = [(where, value) for (where, _), value in zip(taken, values, strict=True)]
            labels = [datum.label for _, datum in taken]
            rng = batch_rng(layer, seed, number) if transformer.is_random else None
            yield picture_batch(layer, pictures, labels, transformer, rng)


def _endless(database: LMDBFile | LevelDB, skip: int) -> Iterator[Row]:
    while True:
        for key, value in database.items(skip):
            where = f"{database.path}, key {key.decode('utf-8', 'backslashreplace')!r}"
            yield where, parse_datum(value, where)
        skip = 0
