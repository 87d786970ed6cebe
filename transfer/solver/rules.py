"""What Caffe's six solvers subtract from a param, and what they remember of its gradients.

Caffe: ComputeUpdateValue of the solvers in src/caffe/solvers/. The rate is part of what SGD and
Nesterov remember, other than in Keras; `delta` is added to the root, not under it, but by AdaDelta.
A rule is a function of tensors, or of numpy arrays, and changes none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.caffe.schema.caffe_pb2 import SolverParameter

__all__ = ["RULES", "Rule"]

Update = Callable[[SolverParameter, Any, Sequence[Any], Any], tuple[Any, list[Any]]]


@dataclass(frozen=True)
class Rule:
    """One solver.

    Attributes
    ----------
    histories : how many blobs it keeps for each param.
    update : from the solver, the gradient, these blobs, and the rate of the param: what is to be
        subtracted, and the new blobs.
    momentum : whether the solver has one; Caffe's AdaGrad and RMSProp refuse it.
    correction : a factor of the rate, from the solver and the number of iterations done.
    """

    histories: int
    update: Update
    momentum: bool = True
    correction: Callable[[SolverParameter, int], float] = lambda param, iteration: 1.0


def _sgd(
    param: SolverParameter, gradient: Any, history: Sequence[Any], rate: Any
) -> tuple[Any, list[Any]]:
    step = rate * gradient + param.momentum * history[0]
    return step, [step]


def _nesterov(
    param: SolverParameter, gradient: Any, history: Sequence[Any], rate: Any
) -> tuple[Any, list[Any]]:
    new = rate * gradient + param.momentum * history[0]
    return (1 + param.momentum) * new - param.momentum * history[0], [new]


def _adagrad(
    param: SolverParameter, gradient: Any, history: Sequence[Any], rate: Any
) -> tuple[Any, list[Any]]:
    squares = history[0] + gradient * gradient
    return rate * (gradient / (squares**0.5 + param.delta)), [squares]


def _rmsprop(
    param: SolverParameter, gradient: Any, history: Sequence[Any], rate: Any
) -> tuple[Any, list[Any]]:
    squares = (1 - param.rms_decay) * (gradient * gradient) + param.rms_decay * history[0]
    return rate * (gradient / (squares**0.5 + param.delta)), [squares]


def _adadelta(
    param: SolverParameter, gradient: Any, history: Sequence[Any], rate: Any
) -> tuple[Any, list[Any]]:
    kept, added = param.momentum, 1 - param.momentum
    squares = added * (gradient * gradient) + kept * history[0]
    step = gradient * ((param.delta + history[1]) / (param.delta + squares)) ** 0.5
    return rate * step, [squares, added * (step * step) + kept * history[1]]


def _adam(
    param: SolverParameter, gradient: Any, history: Sequence[Any], rate: Any
) -> tuple[Any, list[Any]]:
    mean = (1 - param.momentum) * gradient + param.momentum * history[0]
    squares = (1 - param.momentum2) * (gradient * gradient) + param.momentum2 * history[1]
    return rate * (mean / (squares**0.5 + param.delta)), [mean, squares]


def _adam_correction(param: SolverParameter, iteration: int) -> float:
    done = iteration + 1
    return math.sqrt(1 - param.momentum2**done) / (1 - param.momentum**done)


RULES: dict[str, Rule] = {
    "SGD": Rule(1, _sgd),
    "Nesterov": Rule(1, _nesterov),
    "AdaGrad": Rule(1, _adagrad, momentum=False),
    "RMSProp": Rule(1, _rmsprop, momentum=False),
    "AdaDelta": Rule(2, _adadelta),
    "Adam": Rule(2, _adam, correction=_adam_correction),
}
"""The solvers by their names in `type`."""
