"""A linear classifier trained to convergence: softmax regression on features that do not change.

Its weights are found by L-BFGS (Nocedal 1980, with a backtracking line search) on all rows at once,
and how much they are held small by cross-validation. Features are scaled to unit spread first,
which the weights given back make good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

__all__ = ["Linear", "fit_linear"]

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_MEMORY, _MOST_STEPS = 10, 200
_FLAT, _NEARLY_FLAT = 1e-5, 1e-3  # the slope at the end, and where penalties are only compared


@dataclass(frozen=True)
class Linear:
    """Scores are ``features @ weights.T + biases``.

    Attributes
    ----------
    weights : array of shape (classes, features), `biases` (classes,).
    penalty : what the mean loss was raised by, times half the squared norm of the scaled weights.
    accuracy : of the rows that were left out, in cross-validation; None where there were too few.
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    penalty: float
    accuracy: float | None


def fit_linear(
    features: NDArray[np.float32],
    labels: Classes,
    classes: int,
    *,
    row_weights: NDArray[np.float32] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Linear:
    """The best linear classifier of some features.

    Parameters
    ----------
    features : array of shape (n, d).
    labels : (n,) numbers of classes.
    classes : how many there are.
    row_weights : how much each row counts; all the same without it.
    folds : parts of the cross-validation; fewer where a class has fewer rows.
    seed : what the parts are drawn with.

    Examples
    --------
    >>> rows = np.float32([[0, 1], [0, 2], [1, 0], [2, 0]])
    >>> found = fit_linear(rows, np.array([0, 0, 1, 1]), 2)
    >>> (rows @ found.weights.T + found.biases).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    mean, spread = features.mean(axis=0), max(float(features.std()), 1e-12)
    rows = ((features - mean) / spread).astype(np.float64)
    counts = np.ones(len(rows)) if row_weights is None else row_weights.astype(np.float64)
    start = np.zeros((classes, rows.shape[1] + 1))
    with threadpool_limits(1):  # several wait for each other where the processor is shared
        penalty, accuracy = _chosen(rows, labels, counts, classes, folds, seed)
        found = _solve(rows, labels, counts, penalty, start, _FLAT)
    weights = found[:, :-1] / spread
    biases = found[:, -1] - weights @ mean
    return Linear(weights.astype(np.float32), biases.astype(np.float32), penalty, accuracy)


def _chosen(
    rows: Floats, labels: Classes, counts: Floats, classes: int, folds: int, seed: int
) -> tuple[float, float | None]:
    """The penalty with the best cross-validated accuracy; of equal ones the strongest."""
    fewest = int(np.bincount(labels, minlength=classes)[np.unique(labels)].min())
    folds = min(folds, fewest)
    if folds < 2:
        return 1e-2, None
    fold = _fold_of_each(labels, folds, seed)
    right = dict.fromkeys(_PENALTIES, 0)
    for part in range(folds):
        out = fold == part
        start = np.zeros((classes, rows.shape[1] + 1))
        for penalty in reversed(_PENALTIES):
            start = _solve(rows[~out], labels[~out], counts[~out], penalty, start, _NEARLY_FLAT)
            scores = rows[out] @ start[:, :-1].T + start[:, -1]
            right[penalty] += int((scores.argmax(axis=1) == labels[out]).sum())
    best = max(reversed(_PENALTIES), key=lambda penalty: right[penalty])
    return best, right[best] / len(rows)


def _fold_of_each(labels: Classes, folds: int, seed: int) -> Classes:
    """A part for each row, with about the same share of every class in each."""
    fold = np.empty(len(labels), np.int64)
    rng = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold[members] = np.arange(len(members)) % folds
    return fold


def _solve(
    rows: Floats, labels: Classes, counts: Floats, penalty: float, start: Floats, flat: float
) -> Floats:
    """Weights with the biases as their last column."""
    targets = np.eye(len(start))[labels]
    share = counts / counts.sum()

    def loss(place: Floats) -> tuple[float, Floats]:
        found = place.reshape(start.shape)
        scores = rows @ found[:, :-1].T + found[:, -1]
        scores -= scores.max(axis=1, keepdims=True)
        sums = np.log(np.exp(scores).sum(axis=1, keepdims=True))
        value = share @ (sums[:, 0] - (scores * targets).sum(axis=1))
        value += penalty / 2 * float((found[:, :-1] ** 2).sum())
        errors = (np.exp(scores - sums) - targets) * share[:, None]
        slope = np.concatenate([errors.T @ rows, errors.sum(axis=0)[:, None]], axis=1)
        slope[:, :-1] += penalty * found[:, :-1]
        return float(value), slope.ravel()

    return _minimum(loss, start.ravel(), flat).reshape(start.shape)


def _minimum(loss: Callable[[Floats], tuple[float, Floats]], place: Floats, flat: float) -> Floats:
    """Where a smooth convex function is smallest."""
    value, slope = loss(place)
    moves: list[tuple[Floats, Floats]] = []
    for _ in range(_MOST_STEPS):
        if np.abs(slope).max() < flat:
            break
        direction = -_curved(slope, moves)
        size = 1.0
        while True:
            new_place = place + size * direction
            new_value, new_slope = loss(new_place)
            if new_value <= value + 1e-4 * size * float(slope @ direction):
                break
            size /= 2
            if size < 1e-10:
                return place
        moves = [*moves, (new_place - place, new_slope - slope)][-_MEMORY:]
        place, value, slope = new_place, new_value, new_slope
    return place


def _curved(slope: Floats, moves: Sequence[tuple[Floats, Floats]]) -> Floats:
    """The slope times the inverse curvature that the last moves have shown."""
    result, factors = slope.copy(), []
    for move, change in reversed(moves):
        factor = float(move @ result) / float(move @ change)
        factors.append(factor)
        result -= factor * change
    if moves:
        move, change = moves[-1]
        result *= float(move @ change) / float(change @ change)
    for (move, change), factor in zip(moves, reversed(factors), strict=True):
        result += move * (factor - float(change @ result) / float(move @ change))
    return result
