"""How good a classifier is on data with labels: accuracy, each class, confusion, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.exports.engine import predictor_by
from zoo.scores import score_blob, softmax
from zoo.transfer.data import Dataset, open_data
from zoo.transfer.data_rows import Progress, nothing

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.loaded import LoadedModel

__all__ = ["CalibrationBin", "ClassScore", "Evaluation", "evaluate", "evaluate_scores"]

_BINS = 10


@dataclass(frozen=True)
class ClassScore:
    """One class: of those called so how many are (precision), of those that are how many were found
    (recall), and how many there are; None where there is nothing to divide by."""

    label: str
    precision: float | None
    recall: float | None
    count: int


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose best probability lies in a tenth: its mean, and how many were right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes
    ----------
    count : rows.
    accuracy : the share whose best class is right.
    loss : mean cross-entropy, in natural logarithms.
    classes : each class.
    confusion : confusion[true][said], rows.
    calibration_error : how far confidence is from accuracy, weighted by rows (ECE, ten bins).
    calibration : the bins that have rows.
    """

    count: int
    accuracy: float
    loss: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    calibration: tuple[CalibrationBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evaluation:
        """What `to_dict` gave, after it went through JSON."""
        given = dict(values)
        given["classes"] = tuple(ClassScore(**each) for each in given["classes"])
        given["confusion"] = tuple(tuple(row) for row in given["confusion"])
        given["calibration"] = tuple(CalibrationBin(**each) for each in given["calibration"])
        return cls(**given)


def evaluate(
    model: LoadedModel,
    data: str | Path | Dataset,
    *,
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
    progress: Progress = nothing,
) -> Evaluation:
    """Classify all pictures of a dataset and compare with their labels.

    Parameters
    ----------
    model : a classifier that knows how pictures are prepared, see `zoo.load`.
    data : anything that `zoo.transfer.data.open_data` reads; classes are matched by name where the
        model has labels.
    engine, device : see `zoo.run`.
    progress : called with how many rows are done and how many there are.

    Raises
    ------
    UsageError
        When rows have no class, or one that the model does not know.
    """
    if not isinstance(data, Dataset):
        data = open_data(data, classes=model.labels)
    blob, is_probability = score_blob(model.net)
    shape = model.net.blobs[blob] or ()
    if not data.has_classes:
        raise UsageError(f"{data.path}: rows have no class, so nothing can be evaluated")
    data.check_labels(shape[1])
    run, source = predictor_by(engine, model.net, [blob], device), next(iter(model.net.inputs))
    found: list[NDArray[Any]] = []
    for inputs, _ in data.pipeline(model.preprocess.spec, batch_size=batch_size):
        found.append(run.predict({source: inputs})[blob].reshape(len(inputs), -1))
        progress(sum(map(len, found)), len(data))
    scores = np.concatenate(found).astype(np.float64)
    probabilities = scores if is_probability else softmax(scores)
    names = model.labels or [str(number) for number in range(shape[1])]
    return evaluate_scores(probabilities, np.asarray(data.labels), names)


def evaluate_scores(
    probabilities: NDArray[np.floating[Any]], labels: NDArray[Any], names: Sequence[str]
) -> Evaluation:
    """The same from probabilities of shape (n, classes) and labels of shape (n,).

    Examples
    --------
    >>> found = evaluate_scores(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), ["a", "b"])
    >>> found.accuracy, found.confusion, found.classes[0].precision
    (0.5, ((1, 0), (1, 0)), 0.5)
    """
    labels = np.asarray(labels, np.int64)
    said = probabilities.argmax(axis=1)
    right = said == labels
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, said), 1)
    own = probabilities[np.arange(len(labels)), labels]
    bins = _bins(probabilities.max(axis=1), right)
    error = sum(each.count * abs(each.confidence - each.accuracy) for each in bins)
    return Evaluation(
        len(labels),
        float(right.mean()),
        float(-np.log(np.maximum(own, 1e-12)).mean()),
        tuple(_class_score(confusion, index, name) for index, name in enumerate(names)),
        tuple(tuple(map(int, row)) for row in confusion),
        error / len(labels),
        tuple(bins),
    )


def _class_score(confusion: NDArray[np.int64], index: int, name: str) -> ClassScore:
    hits, said, there = (
        int(confusion[index, index]),
        int(confusion[:, index].sum()),
        int(confusion[index].sum()),
    )
    return ClassScore(name, hits / said if said else None, hits / there if there else None, there)


def _bins(confidence: NDArray[Any], right: NDArray[Any]) -> list[CalibrationBin]:
    tenth = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        CalibrationBin(
            float(confidence[tenth == number].mean()),
            float(right[tenth == number].mean()),
            int((tenth == number).sum()),
        )
        for number in range(_BINS)
        if (tenth == number).any()
    ]
