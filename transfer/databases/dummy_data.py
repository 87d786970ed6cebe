"""DummyData: blobs made by fillers (caffe/layers/dummy_data_layer.cpp).

What a constant filler makes stays as it is; all others are drawn anew for each batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import FillerParameter, LayerParameter
from zoo.errors import NetError
from zoo.layers.fillers import fill
from zoo.layers.kind import lookup
from zoo.transfer.databases import Batch, batch_rng

__all__ = ["batches"]


def batches(
    layer: LayerParameter, folder: Path, phase: str, *, seed: int, start: int
) -> Iterator[Batch]:
    """The layer's batches, see `zoo.transfer.databases.open_source`."""
    fillers = _fillers(layer)
    kind = lookup(layer.type)
    shapes = kind.tops(layer, []) if kind is not None else []
    return _drawn(layer, list(zip(layer.top, fillers, shapes, strict=True)), seed, start)


def _drawn(
    layer: LayerParameter,
    tops: list[tuple[str, FillerParameter, tuple[int, ...]]],
    seed: int,
    start: int,
) -> Iterator[Batch]:
    once: dict[str, np.ndarray] = {
        top: fill(filler, shape, batch_rng(layer, seed))
        for top, filler, shape in tops
        if filler.type == "constant"
    }
    for number in count(start):
        rng = batch_rng(layer, seed, number)
        yield {
            top: once[top] if top in once else fill(filler, shape, rng)
            for top, filler, shape in tops
        }


def _fillers(layer: LayerParameter) -> list[FillerParameter]:
    """One filler a top: zeros where none is stated, one for all, or one each."""
    stated = list(layer.dummy_data_param.data_filler)
    if len(stated) not in (0, 1, len(layer.top)):
        raise NetError(
            f"{len(stated)} data_filler for {len(layer.top)} tops; expected 0, 1 or"
            f" {len(layer.top)}",
            layer.name,
        )
    if len(stated) == len(layer.top):
        return stated
    return (stated or [FillerParameter()]) * len(layer.top)
