"""Linear probes: how far does a linear classifier get on a blob?

Logistic regression or a linear SVM on features that are computed once, see
`zoo.transfer.linear_fit` for how their strength of regularisation is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import nothing
from zoo.transfer.features import Features, Progress, extract_features, loaded, opened
from zoo.transfer.linear_fit import CLASSIFIERS, LinearClassifier, cross_validated

__all__ = ["CLASSIFIERS", "BlobProbe", "LinearClassifier", "ProbeResult", "probe", "probe_features"]


@dataclass(frozen=True)
class BlobProbe:
    """A classifier on one blob.

    Attributes
    ----------
    blob, size : the blob, and how many features it gives.
    C : the inverse strength of regularisation that was chosen.
    folds : accuracy in each fold of the cross-validation, with that C.
    linear : the classifier, fitted to all rows.
    validation : its accuracy on the validation data, if there is any.
    """

    blob: str
    size: int
    C: float
    folds: tuple[float, ...]
    linear: LinearClassifier
    validation: float | None = None

    @property
    def accuracy(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.folds))

    @property
    def spread(self) -> float:
        """Standard deviation over the folds."""
        return float(np.std(self.folds))


@dataclass(frozen=True)
class ProbeResult:
    """Probes of several blobs on the same data.

    Attributes
    ----------
    probes : in the order in which the blobs were named.
    classes, counts : names of the classes, and how many rows each has.
    rows, validation_rows, classifier, pool : how many there are, and how it was done.
    failures : (name, reason) of rows that could not be read, of both data.
    """

    probes: list[BlobProbe]
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    rows: int
    validation_rows: int
    classifier: str
    pool: str
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def best(self) -> BlobProbe:
        """The one with the highest accuracy over folds; validation data have no say."""
        return max(self.probes, key=lambda probe: probe.accuracy)

    @property
    def chance(self) -> float:
        """The accuracy of naming the largest class every time."""
        return max(self.counts) / self.rows


def probe(
    model: LoadedModel | str | Path,
    data: Dataset | str | Path,
    blobs: Sequence[str] | str,
    *,
    validation: Dataset | str | Path | None = None,
    classifier: str = "logreg",
    pool: str = "avg",
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
    seed: int = 0,
    progress: Progress = nothing,
) -> ProbeResult:
    """Fit linear classifiers on blobs of a model; the network runs once for all of them.

    Parameters
    ----------
    data : labelled with classes, at least two rows each.
    validation : data that nothing is chosen by.
    classifier : "logreg" (softmax regression) or "svm" (one linear SVM against the rest a class).
    seed : of the folds.

    The others are those of `zoo.extract_features`.

    Raises
    ------
    UsageError
        When data have no classes, or a class has less than two rows; it is named.
    """
    model, data = loaded(model), opened(data)
    require_classes(data)
    held = None if validation is None else opened(validation, data.classes)
    total = len(data) + (len(held) if held is not None else 0)
    how: dict[str, Any] = {"batch_size": batch_size, "engine": engine, "device": device}
    features = extract_features(
        model, data, blobs, pool, progress=lambda done, _: progress(done, total), **how
    )
    held_features = None
    if held is not None:
        held_features = extract_features(
            model,
            held,
            blobs,
            pool,
            progress=lambda done, _: progress(len(data) + done, total),
            **how,
        )
    return probe_features(features, held_features, classifier=classifier, pool=pool, seed=seed)


def probe_features(
    features: Features,
    validation: Features | None = None,
    *,
    classifier: str = "logreg",
    pool: str = "avg",
    seed: int = 0,
    progress: Progress = nothing,
) -> ProbeResult:
    """The same for features that are there already.

    `progress` is called with how many of the fits of the cross-validation are done, and how many
    there are.
    """
    if classifier not in CLASSIFIERS:
        raise UsageError(f"classifier: expected {' or '.join(CLASSIFIERS)}, received {classifier}.")
    labels = _checked_labels(features)
    counts = np.bincount(labels, minlength=len(features.classes))
    splits = StratifiedKFold(min(5, int(counts.min())), shuffle=True, random_state=seed)
    total = len(features.arrays) * len(CLASSIFIERS[classifier][1]) * splits.get_n_splits()
    done = count(1)
    probes = []
    for blob, array in features.arrays.items():
        linear, chosen, folds = cross_validated(
            array, labels, classifier, splits, lambda: progress(next(done), total)
        )
        size = linear.weights.shape[1]
        held = _accuracy(linear, blob, validation)
        probes.append(BlobProbe(blob, size, chosen, folds, linear, held))
    return ProbeResult(
        probes,
        features.classes,
        tuple(counts.tolist()),
        len(labels),
        len(validation) if validation else 0,
        classifier,
        pool,
        features.failures + (validation.failures if validation else []),
    )


def _accuracy(linear: LinearClassifier, blob: str, data: Features | None) -> float | None:
    if data is None or data.labels is None:
        return None
    return linear.accuracy(data.arrays[blob], data.labels)


def require_classes(data: Dataset) -> None:
    """Refuse data without classes, or with too few rows of one, before any work."""
    if not data.has_classes:
        raise UsageError(
            f"{data.path}: every row needs one class: a folder of class folders, or a list with a"
            " label on each line."
        )
    _check_counts(data.class_counts, data.classes, str(data.path))


def _checked_labels(features: Features) -> NDArray[np.int64]:
    if features.labels is None or features.labels.ndim != 1:
        raise UsageError("these features have no classes, which a probe needs")
    labels = features.labels.astype(np.int64)
    counts = np.bincount(labels, minlength=len(features.classes)).tolist()
    _check_counts(counts, features.classes, "of the rows that can be read")
    return labels


def _check_counts(counts: Sequence[int], classes: Sequence[str], where: str) -> None:
    few = [f"{name!r} ({n})" for name, n in zip(classes, counts, strict=True) if n < 2]
    if few:
        raise UsageError(
            f"{where}: cross-validation needs two rows of each class, one to learn from and one to"
            f" test; too few: {', '.join(few)}. Add some, or remove the class."
        )
    if len(classes) < 2:
        raise UsageError(f"{where}: a classifier needs two classes; there is {len(classes)}.")
