"""Features: the values of some blobs for every row of some data, in the order of the data.

DeCAF and "CNN features off-the-shelf": a network that was trained on much data describes pictures
of other kinds too, and a linear classifier on one of its blobs is the first thing to try on new
data. A blob of pictures (N, C, H, W) is pooled over its plane unless that is not wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.api import load
from zoo.build.model import needed_layers
from zoo.errors import NetError, UsageError
from zoo.exports.engine import AnyPredictor, predictor_by
from zoo.loaded import LoadedModel
from zoo.transfer.data import Dataset, open_data
from zoo.transfer.data_rows import nothing
from zoo.transfer.databases.ahead import ahead
from zoo.transfer.feature_cache import Floats, feature_cache
from zoo.transfer.feature_inputs import input_batches

__all__ = [
    "POOLS",
    "FeatureBatch",
    "Features",
    "check_blobs",
    "extract_features",
    "feature_batches",
    "loaded",
    "opened",
    "pooled",
]

POOLS = ("avg", "max", "none")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Features:
    """Features of some data.

    Attributes
    ----------
    arrays : blob name to float32 array of shape (n, channels); (n, channels, height, width) where
        nothing was pooled.
    labels : (n,) numbers of classes, or (n, k) numbers; None for data without labels.
    files : what each row is called: its path in the data, or its key.
    classes : names of the classes by number.
    failures : (name, reason) of rows that could not be read; they are in none of the others.
    computed : rows that went through the network; the others were known from the cache.
    about : of features that were read from a file, what it says of where they come from: `model`,
        `model_sha256`, `pool`, `preprocessing`, ...
    """

    arrays: dict[str, Floats]
    labels: NDArray[Any] | None
    files: list[str]
    classes: tuple[str, ...] = ()
    failures: list[tuple[str, str]] = field(default_factory=list)
    computed: int = 0
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)


class FeatureBatch(NamedTuple):
    """Rows that went through together, by their indices in the data, and those that could not.

    `computed` of them went through the network; the others were known from the cache.
    """

    indices: list[int]
    arrays: dict[str, Floats]
    failures: list[tuple[int, str]]
    computed: int


def extract_features(
    model: LoadedModel | str | Path,
    data: Dataset | str | Path,
    blobs: Sequence[str] | str,
    pool: str = "avg",
    *,
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
    progress: Progress = nothing,
) -> Features:
    """The values of blobs for all rows of some data; the network runs once for all blobs.

    Pooled rows are kept in the cache, see `zoo.transfer.feature_cache`: the network runs for new
    and for changed pictures only.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    data : a dataset, or what `zoo.transfer.data.open_data` takes: a folder of class folders, a
        list of files, ...
    blobs : names of one or several blobs.
    pool : over the plane of each blob: "avg", "max", or "none" to keep it as it is.
    batch_size : rows in a forward pass.
    engine, device : see `zoo.run`.
    progress : called with how many rows are done and how many there are.

    Raises
    ------
    UsageError
        When there is no such blob, or one has not a row for each picture. A row that cannot be
        read is no error: it is in `failures`.

    Examples
    --------
    >>> features = extract_features("squeezenet_v1.0", "photos", "pool10")  # doctest: +SKIP
    >>> features.arrays["pool10"].shape  # doctest: +SKIP
    (500, 1000)
    """
    model, data = loaded(model), opened(data)
    names = [blobs] if isinstance(blobs, str) else list(blobs)
    parts: dict[str, list[Floats]] = {name: [] for name in names}
    indices: list[int] = []
    failures: list[tuple[str, str]] = []
    done = computed = 0
    for batch in feature_batches(
        model, data, names, pool, batch_size=batch_size, engine=engine, device=device
    ):
        indices += batch.indices
        failures += [(data.keys[index], reason) for index, reason in batch.failures]
        for name, array in batch.arrays.items():
            parts[name].append(array)
        done += len(batch.indices) + len(batch.failures)
        computed += batch.computed
        progress(done, len(data))
    if not indices:
        raise UsageError(f"{data.path}: not one row can be read; {failures[0][1]}")
    return Features(
        {name: np.concatenate(arrays) for name, arrays in parts.items()},
        None if data.labels is None else data.labels[indices],
        [data.keys[index] for index in indices],
        data.classes,
        failures,
        computed,
    )


def feature_batches(
    model: LoadedModel,
    data: Dataset,
    blobs: Sequence[str],
    pool: str = "avg",
    *,
    start: int = 0,
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
) -> Iterator[FeatureBatch]:
    """The same a batch at a time, from row `start` on.

    Pictures are decoded in threads while the network computes, up to three batches in advance.
    """
    check_blobs(model, blobs, pool)
    if batch_size < 1:
        raise UsageError(f"batch_size: expected 1 or more, received {batch_size}.")
    names, source = list(dict.fromkeys(blobs)), next(iter(model.net.inputs))
    # Not before the first row that is not known: importing TensorFlow takes seconds.
    run = cache(lambda: predictor_by(engine, model.net, names, device))
    with (
        feature_cache(model, names, pool, f"{engine} {device or ''}") as known,
        closing(ahead(input_batches(model, data, batch_size, start, known))) as batches,
    ):
        for batch in batches:
            computed = _forward(run(), source, batch.inputs, pool) if batch.digests else {}
            if known is not None and computed:
                known.add(batch.digests, computed)
            arrays = _merged(batch.known, computed) if batch.indices else {}
            yield FeatureBatch(batch.indices, arrays, batch.failures, len(batch.digests))


def check_blobs(model: LoadedModel, blobs: Sequence[str], pool: str) -> None:
    """Raise UsageError before any work when blobs or the way of pooling do not exist."""
    if pool not in POOLS:
        raise UsageError(f"pool: expected {', '.join(POOLS)}, received {pool!r}.")
    if not blobs:
        raise UsageError("no blob is named; `zoo inspect` lists all of them.")
    needed_layers(model.net, blobs)
    if len(model.net.inputs) != 1:
        raise UsageError(
            f"{model.name} has the inputs {', '.join(model.net.inputs)}; features are taken from"
            " models with one input. Use `zoo run` for this one."
        )


def loaded(model: LoadedModel | str | Path) -> LoadedModel:
    """The model itself, or the one of that name."""
    if isinstance(model, LoadedModel):
        return model
    return load(model)


def opened(data: Dataset | str | Path, classes: Sequence[str] | None = None) -> Dataset:
    """The data itself, or what lies at that path."""
    return data if isinstance(data, Dataset) else open_data(data, classes=classes)


def _merged(
    known: Sequence[dict[str, Floats] | None], computed: dict[str, Floats]
) -> dict[str, Floats]:
    """Rows of the cache and of the network, in the order of the data."""
    if all(row is None for row in known):
        return computed
    places = iter(range(len(known)))
    rows: list[dict[str, Floats]] = []
    for row in known:
        if row is None:
            place = next(places)
            row = {blob: array[place] for blob, array in computed.items()}
        rows.append(row)
    return {blob: np.stack([row[blob] for row in rows]) for blob in rows[0]}


def _forward(run: AnyPredictor, source: str, inputs: Floats, pool: str) -> dict[str, Floats]:
    outputs = run.predict({source: inputs})
    for name, value in outputs.items():
        if value.ndim < 2 or len(value) != len(inputs):
            raise NetError(
                f"blob {name!r} has the shape {value.shape} for {len(inputs)} pictures; features"
                " need a row for each. Take another blob; `zoo inspect` shows the shapes."
            )
    return {name: pooled(value, pool) for name, value in outputs.items()}


def pooled(value: NDArray[Any], pool: str) -> Floats:
    """Values with channels last, (n, height, width, channels), to (n, channels).

    Blobs of three axes keep Caffe's order in the predictors, (n, channels, length).
    """
    channels_last = value.ndim in (4, 5)
    if pool == "none":
        return np.ascontiguousarray(np.moveaxis(value, -1, 1) if channels_last else value)
    axes = tuple(range(1, value.ndim - 1) if channels_last else range(2, value.ndim))
    if pool == "max":
        return np.asarray(value.max(axis=axes), np.float32)
    # Summed in float64: a plane of an early blob has ten thousand values.
    return np.asarray(value.mean(axis=axes, dtype=np.float64), np.float32)
