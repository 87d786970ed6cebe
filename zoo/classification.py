"""Pictures to ranked labels, with a loaded model.

As pycaffe's Classifier: the outputs of the crops are averaged first. Where the network ends in
logits (its output is not made by a Softmax or Sigmoid) a softmax turns their mean into
probabilities, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ShapeError, UsageError
from zoo.preprocess import find_images, preprocess_batches
from zoo.scores import score_blob, softmax

if TYPE_CHECKING:
    from zoo.exports.engine import AnyPredictor
    from zoo.loaded import LoadedModel

__all__ = ["Classification", "Prediction", "classify_images", "score_blob"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prediction:
    """One class: its index in the output, its label (None without labels), its probability."""

    index: int
    label: str | None
    score: float


@dataclass(frozen=True)
class Classification:
    """The best classes of one picture, or why it could not be read."""

    file: Path
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None


def classify_images(
    model: LoadedModel,
    images: Iterable[str | Path],
    *,
    top: int = 5,
    crops: int = 1,
    batch_size: int = 32,
    device: str | None = None,
    engine: str = "tensorflow",
    progress: Progress | None = None,
) -> Iterator[Classification]:
    """Classify files, folders and globs, in order; what cannot be read has an `error`.

    Raises
    ------
    UsageError
        When nothing is found, or the model has no class scores or no preprocessing.
    """
    from zoo.exports.engine import predictor_by

    if top < 1:
        raise UsageError(f"top must be at least 1, received {top}")
    paths = find_images([str(image) for image in images])
    blob, is_probability = score_blob(model.net)
    source = next(iter(model.net.inputs))

    @cache
    def runner() -> AnyPredictor:
        """Built once there is something to run."""
        run = predictor_by(engine, model.net, [blob], device)
        _check_input(model, run, source)
        return run

    done = 0
    for batch in preprocess_batches(paths, model.preprocess, batch_size, crops=crops):
        by_file = {path: Classification(path, error=str(error)) for path, error in batch.failures}
        if batch.paths:
            outputs = runner().predict({source: batch.array})[blob]
            outputs = outputs.reshape(len(batch.paths), crops, -1).mean(axis=1, dtype=np.float64)
            scores = outputs if is_probability else softmax(outputs)
            for path, row in zip(batch.paths, scores, strict=True):
                by_file[path] = Classification(path, best(row, top, model.labels))
        # The order of the files, read or not.
        for path in paths[done : done + len(by_file)]:
            yield by_file[path]
        done += len(by_file)
        if progress is not None:
            progress(done, len(paths))


def _check_input(model: LoadedModel, run: AnyPredictor, source: str) -> None:
    """Raise UsageError when the card prepares pictures that the network does not take."""
    spec = model.preprocess.spec
    channels = 1 if spec.channels == "GRAY" else 3
    try:
        run.check({source: (1, channels, *spec.size)})
    except ShapeError as error:
        raise UsageError(
            f"the input section of {model.directory / 'readme.md'} gives {spec.channels} pictures"
            f" of {spec.size[0]} x {spec.size[1]}, which the network does not take: {error}"
        ) from error


def best(scores: np.ndarray, top: int, labels: list[str] | None) -> tuple[Prediction, ...]:
    """The highest scores with their labels; equal scores in the order of their index."""
    order: Any = np.argsort(-scores, kind="stable")[:top]
    return tuple(
        Prediction(int(index), labels[index] if labels else None, float(scores[index]))
        for index in order
    )
