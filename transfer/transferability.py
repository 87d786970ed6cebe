"""How well features suit labels, without training: LogME and LEEP.

LogME (You et al., ICML 2021): the logarithm of the evidence of labels given features, for a linear
model whose prior and noise are chosen to make the evidence largest; mean over classes and rows.
LEEP (Nguyen et al., ICML 2020): how well the classes of the source predict those of the data.
Higher is better for both; values compare models on the same data, and mean nothing alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from zoo.errors import UsageError

__all__ = ["leep", "logme"]

Doubles = NDArray[np.float64]


def logme(features: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The LogME score.

    Parameters
    ----------
    features : (n, d).
    labels : (n,) numbers of classes.

    Raises
    ------
    UsageError
        When there are not as many labels as features, or only one class.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(100) % 2
    >>> noise = rng.normal(size=(100, 5))
    >>> logme(noise + 3 * labels[:, None], labels) > logme(noise, labels)
    True
    """
    labels = _checked(features, labels)
    values = np.asarray(features, np.float64)
    with threadpool_limits(1):  # several wait for each other where the processor is shared
        left, singular, _ = np.linalg.svd(values, full_matrices=False)
    # Directions in which nothing varies but rounding say nothing.
    kept = singular > singular.max() * max(values.shape) * np.finfo(float).eps
    left, singular = left[:, kept], singular[kept]
    targets = (labels[:, None] == np.unique(labels)).astype(np.float64)
    evidence = [
        _evidence(left.T @ target, float(target @ target), singular**2, *values.shape)
        for target in targets.T
    ]
    return float(np.mean(evidence))


def _evidence(projected: Doubles, power: float, eigen: Doubles, rows: int, columns: int) -> float:
    """The largest log evidence of one target, a row.

    Parameters
    ----------
    projected : the target in the directions of the features.
    power : its sum of squares.
    eigen : squares of the singular values.

    MacKay's fixed point: alpha is the precision of the prior, beta that of the noise.
    """
    inside = projected**2
    outside = max(power - float(inside.sum()), 0.0)
    if not len(eigen):  # nothing to explain with: all is noise
        return float(np.log(rows / power / (2 * np.pi)) - 1) / 2
    alpha = beta = 1.0
    for _ in range(1000):
        used = float((beta * eigen / (alpha + beta * eigen)).sum())
        weights = float((beta**2 * eigen * inside / (alpha + beta * eigen) ** 2).sum())
        residual = float((alpha**2 * inside / (alpha + beta * eigen) ** 2).sum()) + outside
        before = alpha / beta
        # Features that explain everything leave no noise, and useless ones no weights.
        alpha, beta = used / max(weights, 1e-12), (rows - used) / max(residual, 1e-12)
        if abs(alpha / beta - before) <= 1e-10 * before:
            break
    weights = float((beta**2 * eigen * inside / (alpha + beta * eigen) ** 2).sum())
    residual = float((alpha**2 * inside / (alpha + beta * eigen) ** 2).sum()) + outside
    determinant = float(np.log(alpha + beta * eigen).sum()) + (columns - len(eigen)) * np.log(alpha)
    evidence = (
        columns * np.log(alpha)
        + rows * np.log(beta / (2 * np.pi))
        - beta * residual
        - alpha * weights
        - determinant
    ) / 2
    return float(evidence / rows)


def leep(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The LEEP score.

    Parameters
    ----------
    probabilities : (n, source classes), what the source makes of each row.
    labels : (n,) numbers of classes.

    Examples
    --------
    >>> leep(np.eye(2)[[0, 0, 1, 1]], np.array([1, 1, 0, 0]))
    0.0
    """
    labels = _checked(probabilities, labels)
    source = np.asarray(probabilities, np.float64)
    targets = (labels[:, None] == np.unique(labels)).astype(np.float64)
    joint = targets.T @ source / len(source)
    given = joint / np.maximum(joint.sum(axis=0), np.finfo(float).tiny)
    likelihood = ((source @ given.T) * targets).sum(axis=1)
    return float(np.log(np.maximum(likelihood, np.finfo(float).tiny)).mean())


def _checked(features: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.integer]:
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise UsageError(
            f"expected features (n, d) and labels (n,), received {features.shape} and"
            f" {labels.shape}."
        )
    if len(np.unique(labels)) < 2:
        raise UsageError("a transferability score needs labels of two classes or more.")
    return labels
