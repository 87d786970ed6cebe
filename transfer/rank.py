"""Which model to begin with: models in the order of their LogME score on the data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import ZooError
from zoo.loaded import LoadedModel
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import nothing
from zoo.transfer.depths import deepest_blob
from zoo.transfer.features import Progress, extract_features, loaded, opened
from zoo.transfer.probe import probe_features, require_classes
from zoo.transfer.transferability import logme

__all__ = ["Ranked", "rank"]


@dataclass(frozen=True)
class Ranked:
    """A model on the data.

    Attributes
    ----------
    blob, size : what its classifier reads, and how many features that gives.
    logme : the score; -inf where `error` says why there is none.
    accuracy, spread : of a probe on the same features, over the folds: a second opinion.
    rate : rows a second through the network, decoding included; not a number where all rows were
        known from the cache.
    failures : rows that could not be read.
    """

    model: str
    blob: str = ""
    size: int = 0
    logme: float = -math.inf
    accuracy: float = math.nan
    spread: float = math.nan
    rate: float = math.nan
    failures: int = 0
    error: str = ""


def rank(
    data: Dataset | str | Path,
    models: Iterable[LoadedModel | str | Path],
    *,
    load: Callable[[LoadedModel | str | Path], LoadedModel] = loaded,
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
    progress: Progress = nothing,
) -> list[Ranked]:
    """Models in the order of their LogME score, best first; one pass over the data for each.

    A model that cannot be loaded, or does not take such data, is last, with the reason.

    Raises
    ------
    UsageError
        When data have no classes, or a class has less than two rows.
    """
    data = opened(data)
    require_classes(data)

    def results() -> Iterator[Ranked]:
        for name in models:
            try:
                yield _measured(load(name), data, batch_size, engine, device, progress)
            except ZooError as error:
                shown = name.name if isinstance(name, LoadedModel) else str(name)
                yield Ranked(shown, error=str(error))

    return sorted(results(), key=lambda result: -result.logme)


def _measured(
    model: LoadedModel,
    data: Dataset,
    batch_size: int,
    engine: str,
    device: str | None,
    progress: Progress,
) -> Ranked:
    blob = deepest_blob(model.net)
    start = time.perf_counter()
    features = extract_features(
        model,
        data,
        blob,
        batch_size=batch_size,
        engine=engine,
        device=device,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    probe = probe_features(features).best
    array = features.arrays[blob]
    return Ranked(
        model.name,
        blob,
        array.shape[1],
        logme(array, np.asarray(features.labels)),
        probe.accuracy,
        probe.spread,
        features.computed / seconds if features.computed else math.nan,
        len(features.failures),
    )
