"""Features as Parquet, the format of data frames; needs pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UnavailableError, UsageError
from zoo.transfer.data_rows import printable_name
from zoo.transfer.features import Features

__all__ = ["read_parquet", "write_parquet"]

_ROWS = 1024


def write_parquet(path: Path, features: Features, about: dict[str, Any]) -> None:
    """Write features, a group of rows at a time."""
    pyarrow, parquet = _pyarrow()
    labels, classes = features.labels, features.classes
    if labels is not None and labels.ndim != 1:
        raise UsageError("several labels a row do not fit Parquet's columns; write .h5 or .npz")
    shapes = {blob: list(array.shape[1:]) for blob, array in features.arrays.items()}
    notes = {"zoo": json.dumps(about | {"shapes": shapes, "classes": classes})}
    fields = [("file", pyarrow.string())]
    if labels is not None:
        fields += [("label", pyarrow.int64()), ("label_name", pyarrow.string())]
    for blob, shape in shapes.items():
        fields.append((blob, pyarrow.list_(pyarrow.float32(), int(np.prod(shape)))))
    schema = pyarrow.schema(fields, metadata=notes)
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            columns: list[Any] = [list(map(printable_name, features.files[part]))]
            if labels is not None:
                columns += [labels[part], [classes[label] for label in labels[part]]]
            for array in features.arrays.values():
                rows = np.asarray(array[part]).reshape(len(columns[0]), -1)
                flat = pyarrow.array(rows.ravel())
                columns.append(pyarrow.FixedSizeListArray.from_arrays(flat, rows.shape[1]))
            writer.write_table(pyarrow.table(columns, schema=schema))


def read_parquet(path: Path) -> Features:
    """Read what `write_parquet` wrote."""
    _, parquet = _pyarrow()
    table = parquet.read_table(path)
    about = json.loads(table.schema.metadata[b"zoo"])
    arrays = {}
    for blob, shape in about["shapes"].items():
        values = table[blob].combine_chunks().flatten().to_numpy()
        arrays[blob] = values.reshape(len(table), *shape)
    return Features(
        arrays,
        table["label"].to_numpy() if "label" in table.column_names else None,
        table["file"].to_pylist(),
        tuple(about["classes"]),
        about=about,
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UnavailableError(
            "Parquet needs pyarrow: pip install 'model-zoo-kit[parquet]'. HDF5 (.h5) and .npz"
            " need nothing more."
        ) from None
    return pyarrow, parquet
