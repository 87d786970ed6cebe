"""Pictures to ranked labels, with a loaded model.

As pycaffe's Classifier: the outputs of the crops are averaged first. Where the network ends in
logits (its output is not made by a Softmax or Sigmoid) a softmax turns their mean into
probabilities, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ShapeError, UnsupportedLayersError, UsageError
from zoo.layers.kind import known_types
from zoo.net import Net
from zoo.preprocess import find_images, preprocess_batches

if TYPE_CHECKING:
    from zoo.build.predict import Predictor
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
    progress: Progress | None = None,
) -> Iterator[Classification]:
    """Classify files, folders and globs, in order; what cannot be read has an `error`.

    Raises
    ------
    UsageError
        When nothing is found, or the model has no class scores or no preprocessing.
    """
    from zoo.build.predict import predictor

    if top < 1:
        raise UsageError(f"top must be at least 1, received {top}")
    paths = find_images([str(image) for image in images])
    blob, is_probability = score_blob(model.net)
    source = next(iter(model.net.inputs))
    run = predictor(model.net, [blob], device)
    _check_input(model, run, source)
    done = 0
    for batch in preprocess_batches(paths, model.preprocess, batch_size, crops=crops):
        by_file = {path: Classification(path, error=str(error)) for path, error in batch.failures}
        if batch.paths:
            outputs = run.predict({source: batch.array})[blob]
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


def _check_input(model: LoadedModel, run: Predictor, source: str) -> None:
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


def score_blob(net: Net) -> tuple[str, bool]:
    """The blob with one score a class, and whether it already holds probabilities.

    Raises
    ------
    UsageError
        When no output is a vector of scores.
    """
    makers = {top: layer.type for layer in net.layers for top in layer.tops}
    candidates = [
        name
        for name in net.outputs
        if name not in net.inputs
        and (shape := net.blobs[name]) is not None
        and len(shape) >= 2
        and np.prod(shape[2:]) == 1
        and makers[name] != "ArgMax"
    ]
    ready = [name for name in candidates if makers[name] in ("Softmax", "Sigmoid")]
    if not candidates and net.unsupported:
        raise UnsupportedLayersError(net.unsupported, known_types())
    if not candidates:
        shapes = ", ".join(f"{name} {net.blobs[name]}" for name in net.outputs)
        raise UsageError(
            f"{net.name!r} has no output with one score a class; its outputs are {shapes}. Use"
            " `zoo run` to get their values."
        )
    blob = (ready or candidates)[-1]
    return blob, makers[blob] in ("Softmax", "Sigmoid")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of each row.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def best(scores: np.ndarray, top: int, labels: list[str] | None) -> tuple[Prediction, ...]:
    """The highest scores with their labels; equal scores in the order of their index."""
    order: Any = np.argsort(-scores, kind="stable")[:top]
    return tuple(
        Prediction(int(index), labels[index] if labels else None, float(scores[index]))
        for index in order
    )
