"""Linear probes: how far does a linear classifier get on a blob?

Logistic regression or a linear SVM (scikit-learn) on features that are computed once. They are
centred and divided by one number, the root of their summed variance, so that the same values of C
suit every blob; dividing each feature by its own deviation blows up those that hardly vary. C is
chosen by stratified cross-validation: the strongest regularisation within one standard error of
the best accuracy (Breiman's rule), which does not follow the noise of few samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import nothing
from zoo.transfer.features import Features, Progress, extract_features, loaded, opened

__all__ = ["CLASSIFIERS", "BlobProbe", "LinearClassifier", "ProbeResult", "probe", "probe_features"]

Doubles = NDArray[np.float64]

CLASSIFIERS: dict[str, tuple[Callable[[], Any], Sequence[float]]] = {
    "logreg": (lambda: LogisticRegression(max_iter=5000), np.logspace(-1, 3, 9).tolist()),
    "svm": (
        lambda: LinearSVC(max_iter=50_000, random_state=0),
        np.logspace(-2, 1, 7).tolist(),
    ),
}
"""What makes a classifier, and the values of C that are tried."""


@dataclass(frozen=True)
class LinearClassifier:
    """Scores of classes: features @ weights.T + bias, scaling folded in.

    Attributes
    ----------
    weights : (classes, features).
    bias : (classes,).
    """

    weights: Doubles
    bias: Doubles

    def scores(self, features: NDArray[Any]) -> Doubles:
        """(n, classes) for features of shape (n, ...), in Caffe's order."""
        flat = features.reshape(len(features), -1).astype(np.float64)
        result: Doubles = flat @ self.weights.T + self.bias
        return result

    def accuracy(self, features: NDArray[Any], labels: NDArray[Any]) -> float:
        """The share of rows whose highest score is that of their label."""
        return float(np.mean(self.scores(features).argmax(axis=1) == labels))


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
) -> ProbeResult:
    """The same for features that are there already."""
    if classifier not in CLASSIFIERS:
        raise UsageError(f"classifier: expected {' or '.join(CLASSIFIERS)}, received {classifier}.")
    labels = _checked_labels(features)
    counts = np.bincount(labels, minlength=len(features.classes))
    splits = StratifiedKFold(min(5, int(counts.min())), shuffle=True, random_state=seed)
    probes = []
    for blob, array in features.arrays.items():
        search = GridSearchCV(
            Pipeline([("scale", _OneScale()), ("linear", CLASSIFIERS[classifier][0]())]),
            {"linear__C": CLASSIFIERS[classifier][1]},
            cv=splits,
            refit=_simplest_within_one_error,
        )
        search.fit(array.reshape(len(array), -1).astype(np.float64), labels)
        folds = [
            search.cv_results_[f"split{fold}_test_score"][search.best_index_]
            for fold in range(splits.get_n_splits())
        ]
        linear = _folded(search.best_estimator_)
        probes.append(
            BlobProbe(
                blob,
                linear.weights.shape[1],
                float(search.best_params_["linear__C"]),
                tuple(map(float, folds)),
                linear,
                _accuracy(linear, blob, validation),
            )
        )
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


class _OneScale(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Centred features, divided by the root of their summed variance."""

    def fit(self, X: Doubles, y: Any = None) -> _OneScale:
        self.mean_ = X.mean(axis=0)
        self.scale_ = float(np.sqrt(X.var(axis=0).sum())) or 1.0
        return self

    def transform(self, X: Doubles) -> Doubles:
        result: Doubles = (X - self.mean_) / self.scale_
        return result


def _simplest_within_one_error(results: dict[str, Any]) -> int:
    """The index of the smallest C whose accuracy is within one standard error of the best."""
    splits = [key for key in results if key.startswith("split") and key.endswith("_test_score")]
    folds = np.array([results[key] for key in splits])
    means = folds.mean(axis=0)
    best = int(means.argmax())
    error = folds[:, best].std() / np.sqrt(len(folds))
    return int(np.flatnonzero(means >= means[best] - error)[0])


def _folded(fitted: Pipeline) -> LinearClassifier:
    """Weights for features as they are. Two classes have one row in scikit-learn, here one each."""
    scale, linear = fitted["scale"], fitted["linear"]
    weights, bias = linear.coef_ / scale.scale_, linear.intercept_
    bias = bias - weights @ scale.mean_
    if len(weights) == 1:  # the softmax of these two is the sigmoid of the one
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearClassifier(weights, bias)


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
