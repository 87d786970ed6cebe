"""Learning rate policies: what Caffe multiplies updates by at each iteration.

Caffe: SGDSolver::GetLearningRate (src/caffe/solvers/sgd_solver.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from zoo.caffe.schema.caffe_pb2 import SolverParameter

__all__ = ["POLICIES", "Schedule"]


class Schedule:
    """The rate of each iteration, asked for in order.

    Parameters
    ----------
    param : the solver; its `lr_policy` has to be one of `POLICIES`.
    current_step : as a solver state has it.

    Examples
    --------
    >>> schedule = Schedule(SolverParameter(base_lr=1, lr_policy="step", gamma=0.5, stepsize=10))
    >>> schedule.rate(0), schedule.rate(25), schedule.current_step
    (1.0, 0.25, 2)
    """

    def __init__(self, param: SolverParameter, current_step: int = 0) -> None:
        self.param, self.current_step = param, current_step

    def rate(self, iteration: int) -> float:
        """The rate after so many iterations; `current_step` is kept as Caffe keeps it."""
        param = self.param
        if param.lr_policy == "step":
            self.current_step = iteration // param.stepsize
        elif param.lr_policy == "multistep":
            # One step an iteration at most, even where several values have been passed.
            left = param.stepvalue[self.current_step :]
            self.current_step += bool(left) and iteration >= left[0]
        return float(param.base_lr * POLICIES[param.lr_policy](param, iteration, self.current_step))


def _fixed(param: SolverParameter, iteration: int, step: int) -> float:
    return 1.0


def _stepped(param: SolverParameter, iteration: int, step: int) -> float:
    return _power(param.gamma, step)


def _exponential(param: SolverParameter, iteration: int, step: int) -> float:
    return _power(param.gamma, iteration)


def _inverse(param: SolverParameter, iteration: int, step: int) -> float:
    return _power(1 + param.gamma * iteration, -param.power)


def _polynomial(param: SolverParameter, iteration: int, step: int) -> float:
    return _power(1 - iteration / param.max_iter, param.power)


def _sigmoid(param: SolverParameter, iteration: int, step: int) -> float:
    return 1 / (1 + _power(math.e, -param.gamma * (iteration - param.stepsize)))


def _power(base: float, exponent: float) -> float:
    """As C has it: infinite or not a number where Python raises an error."""
    with np.errstate(all="ignore"):
        return float(np.power(np.float64(base), exponent))


POLICIES: dict[str, Callable[[SolverParameter, int, int], float]] = {
    "fixed": _fixed,
    "step": _stepped,
    "exp": _exponential,
    "inv": _inverse,
    "multistep": _stepped,
    "poly": _polynomial,
    "sigmoid": _sigmoid,
}
"""For each policy the factor of `base_lr`, from the solver, the iteration and the step."""
