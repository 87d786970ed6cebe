"""Where the data layers of a training definition get their batches from, as Caffe reads them.

`open_source` opens what one layer names (a database, a list of files, a filler) and gives batch
after batch without end: blob name of each top to an array in Caffe's order (N, C, H, W), float32,
in the order of Caffe's own layer, which starts again at the first row after the last.

A kind of source is a module with a function of this signature, named in `_SOURCES` below:

    def batches(layer, folder, phase, *, seed, start) -> Iterator[dict[str, np.ndarray]]

`start` is how many batches were read before, so that a run can be taken up where it was left: a
source that starts there must give what it would have given had it read them all. So whatever is
drawn at random (order, mirror, crop) has to follow from `seed` and the number of the batch or of
the pass alone, see `batch_rng`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError

__all__ = ["Batch", "OpenSource", "batch_rng", "open_source"]

Batch = dict[str, np.ndarray]

# Type of layer to the module that reads for it.
_SOURCES = {
    "Data": "zoo.transfer.databases.data",
    "DummyData": "zoo.transfer.databases.dummy_data",
    "HDF5Data": "zoo.transfer.databases.hdf5_data",
    "ImageData": "zoo.transfer.databases.image_data",
    "WindowData": "zoo.transfer.databases.window_data",
}


class OpenSource(Protocol):
    """What `open_source` is, for those who bring their own."""

    def __call__(
        self, layer: LayerParameter, folder: Path, phase: str, *, seed: int = 0, start: int = 0
    ) -> Iterator[Batch]: ...


def open_source(
    layer: LayerParameter, folder: Path, phase: str, *, seed: int = 0, start: int = 0
) -> Iterator[Batch]:
    """The batches of one data layer.

    Parameters
    ----------
    layer : the layer, with what it says about its source.
    folder : what relative paths are relative to; Caffe's is the current folder.
    phase : "TRAIN" or "TEST".
    seed : what is drawn at random follows from it.
    start : batches that were read before and are passed over.

    Returns
    -------
    An iterator without end; each batch maps the layer's tops to arrays of shape (n, ...), float32.

    Raises
    ------
    NetError
        When nothing is known to read for such a layer, or the layer does not say enough.
    UsageError
        When a file that it names cannot be read.
    """
    if layer.type not in _SOURCES:
        known = ", ".join(sorted(_SOURCES))
        raise NetError(
            f"{layer.type} has no batches that could be read from a file; there are: {known}. Hand"
            " them over in Python: zoo.train(..., open_source=yours), see docs/training.md.",
            layer.name,
        )
    batches = import_module(_SOURCES[layer.type]).batches
    opened: Iterator[Batch] = batches(layer, folder, phase, seed=seed, start=start)
    return opened


def batch_rng(layer: LayerParameter, seed: int, *numbers: int) -> np.random.Generator:
    """Where the randomness of one batch or one pass of a layer comes from."""
    return np.random.default_rng([seed, crc32(layer.name.encode()), *numbers])
