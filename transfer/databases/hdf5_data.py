"""HDF5Data: rows of HDF5 files (caffe/layers/hdf5_data_layer.cpp).

The source is a text file that lists the files. Each top is the dataset of its name; rows come in
the order of the files, a batch may span several, and behind the last row comes the first again.
With `shuffle` the files are in another order in each pass, and so are the rows of each file. Caffe
holds a whole file in memory; here only the rows of a batch are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError, did_you_mean
from zoo.transfer.databases import Batch, batch_rng

__all__ = ["batches", "stored_numbers"]

Rows = np.ndarray


def batches(
    layer: LayerParameter, folder: Path, phase: str, *, seed: int, start: int
) -> Iterator[Batch]:
    """The layer's batches, see `zoo.transfer.databases.open_source`."""
    param = layer.hdf5_data_param
    if param.batch_size < 1:
        raise NetError("hdf5_data_param needs a batch_size of 1 or more", layer.name)
    if layer.HasField("transform_param"):
        raise NetError("HDF5Data takes no transform_param; transform what is stored", layer.name)
    files = _listed(layer, folder)
    rows = [_row_count(path, layer) for path in files]
    return _Reader(layer, files, rows, seed).batches(start * param.batch_size)


def stored_numbers(
    layer: LayerParameter, folder: Path, top: str
) -> Iterator[tuple[Path, np.ndarray]]:
    """Each file with all values of a top, where a row has one: labels of classes mostly."""
    for path in _listed(layer, folder):
        with _opened(path, layer) as file:
            dataset = file[top]
            if dataset.size == len(dataset):
                yield path, dataset[()]


@dataclass
class _Reader:
    """The rows of all files, one file open at a time."""

    layer: LayerParameter
    files: list[Path]
    rows: list[int]
    seed: int
    _open: tuple[Path, Any] | None = None

    def batches(self, place: int) -> Iterator[Batch]:
        """Batches from row `place` on, counted through all passes."""
        size, waiting, parts = self.layer.hdf5_data_param.batch_size, 0, []
        for file, rows in self._from(place):
            while len(rows):
                taken, rows = rows[: size - waiting], rows[size - waiting :]
                parts.append(self._read(file, taken))
                waiting += len(taken)
                if waiting == size:
                    yield {
                        top: np.concatenate([part[top] for part in parts]) for top in self.layer.top
                    }
                    waiting, parts = 0, []

    def _from(self, place: int) -> Iterator[tuple[Path, Rows]]:
        """Each file with its rows in the order in which they are read, pass after pass."""
        first, left = divmod(place, sum(self.rows))
        for number in count(first):
            for index, rows in self._pass(number):
                skipped = min(left, len(rows))
                left -= skipped
                yield self.files[index], rows[skipped:]

    def _pass(self, number: int) -> Iterator[tuple[int, Rows]]:
        if not self.layer.hdf5_data_param.shuffle:
            yield from ((index, np.arange(rows)) for index, rows in enumerate(self.rows))
            return
        rng = batch_rng(self.layer, self.seed, number)
        for index in rng.permutation(len(self.files)):
            yield int(index), rng.permutation(self.rows[index])

    def _read(self, path: Path, rows: Rows) -> Batch:
        if self._open is None or self._open[0] != path:
            if self._open is not None:
                self._open[1].close()
            self._open = path, _opened(path, self.layer)
        file = self._open[1]
        return {top: _values(file[top], rows) for top in self.layer.top}


def _values(dataset: Any, rows: Rows) -> np.ndarray:
    """These rows of a dataset as float32. HDF5 wants them to ascend."""
    order = np.argsort(rows)
    ascending = rows[order]
    if ascending[-1] - ascending[0] == len(rows) - 1:
        values = dataset[ascending[0] : ascending[-1] + 1]
    else:
        values = dataset[ascending]
    return np.asarray(values, np.float32)[np.argsort(order)]


def _listed(layer: LayerParameter, folder: Path) -> list[Path]:
    """The files that the source lists, separated by any blanks."""
    source = folder / layer.hdf5_data_param.source
    try:
        names = source.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(
            f"layer {layer.name!r}: cannot read the source {source}: {reason}. Expected a text file"
            " that lists HDF5 files; paths are relative to the current folder, as in Caffe."
        ) from None
    if not names:
        raise UsageError(f"layer {layer.name!r}: the source {source} lists no file")
    return [folder / name for name in names]


def _row_count(path: Path, layer: LayerParameter) -> int:
    with _opened(path, layer) as file:
        shapes = {}
        for top in layer.top:
            if top not in file:
                raise UsageError(
                    f"layer {layer.name!r}: {path} has no dataset {top!r}, which a top asks for;"
                    f" it has {', '.join(file)}.{did_you_mean(top, file)}"
                )
            shapes[top] = file[top].shape
    counts = {shape[0] if shape else 0 for shape in shapes.values()}
    if len(counts) != 1 or 0 in counts:
        raise UsageError(
            f"layer {layer.name!r}: the datasets of {path} need the same number of rows, 1 or"
            f" more; received shapes {shapes}"
        )
    return int(counts.pop())


def _opened(path: Path, layer: LayerParameter) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = (
            error.strerror or "it is no HDF5 file" if path.exists() else "there is no such file"
        )
        raise UsageError(f"layer {layer.name!r}: cannot read {path}: {reason}") from None
