"""Linear classifiers of features (scikit-learn), and how strongly to hold their weights small.

Features are centred and divided by one number, the root of their summed variance, so that the same
values of C suit every blob; dividing each feature by its own deviation blows up those that hardly
vary. C is chosen by stratified cross-validation: the strongest regularisation within one standard
error of the best accuracy (Breiman's rule), which does not follow the noise of few samples.

All of it is held to one thread: fits this small gain little from several, and where others use the
processor too, threads that wait for each other make them ten times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

__all__ = ["CLASSIFIERS", "Fitted", "LinearClassifier", "cross_validated"]

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


class Fitted(NamedTuple):
    """A classifier of all rows; the C that was chosen, and the accuracy in each fold with it."""

    linear: LinearClassifier
    C: float
    folds: tuple[float, ...]


def cross_validated(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    classifier: str,
    splits: StratifiedKFold,
    told: Callable[[], None],
) -> Fitted:
    """The classifier with the C that cross-validation chooses; `told` is called after each fit.

    Parameters
    ----------
    features : (n, ...), of which every value is a feature.
    labels : (n,) numbers of classes.
    classifier : one of `CLASSIFIERS`.
    splits : the folds.
    """
    made, strengths = CLASSIFIERS[classifier]

    def accuracy(fitted: Pipeline, rows: Doubles, right: NDArray[np.int64]) -> float:
        told()
        return float(fitted.score(rows, right))

    search = GridSearchCV(
        Pipeline([("scale", _OneScale()), ("linear", made())]),
        {"linear__C": strengths},
        scoring=accuracy,
        cv=splits,
        refit=_simplest_within_one_error,
    )
    with threadpool_limits(1):
        search.fit(features.reshape(len(features), -1).astype(np.float64), labels)
    folds = [
        float(search.cv_results_[f"split{fold}_test_score"][search.best_index_])
        for fold in range(splits.get_n_splits())
    ]
    chosen = float(search.best_params_["linear__C"])
    return Fitted(_folded(search.best_estimator_), chosen, tuple(folds))


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
