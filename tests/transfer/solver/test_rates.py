"""Learning rate policies against their formulas."""

import math

import pytest

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.transfer.solver.rates import POLICIES, Schedule

FORMULAS = {
    "fixed": lambda i: 1,
    "step": lambda i: 0.5 ** (i // 7),
    "exp": lambda i: 0.5**i,
    "inv": lambda i: (1 + 0.5 * i) ** -1.5,
    "multistep": lambda i: 0.5 ** ((i >= 3) + (i >= 20)),
    "poly": lambda i: (1 - i / 40) ** 1.5,
    "sigmoid": lambda i: 1 / (1 + math.exp(-0.5 * (i - 7))),
}


def solver(policy, **others):
    settings = {"base_lr": 0.2, "gamma": 0.5, "power": 1.5, "stepsize": 7, "max_iter": 40}
    return SolverParameter(lr_policy=policy, **{"stepvalue": [3, 20], **settings, **others})


def test_all_seven_are_there():
    assert set(POLICIES) == set(FORMULAS)


@pytest.mark.parametrize("policy", FORMULAS)
def test_a_policy_follows_its_formula(policy):
    schedule = Schedule(solver(policy))
    received = [schedule.rate(iteration) for iteration in range(40)]
    expected = [0.2 * FORMULAS[policy](iteration) for iteration in range(40)]
    assert received == pytest.approx(expected, rel=1e-6)


def test_multistep_takes_one_step_an_iteration_as_caffe_does():
    schedule = Schedule(solver("multistep", stepvalue=[2, 2, 2]))
    steps = []
    for iteration in range(6):
        schedule.rate(iteration)
        steps.append(schedule.current_step)
    assert steps == [0, 0, 1, 2, 3, 3]


def test_the_step_of_a_snapshot_is_taken_up():
    assert Schedule(solver("multistep"), current_step=1).rate(10) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("settings", "iteration", "rate"),
    [
        ({"policy": "exp", "gamma": 10}, 5000, math.inf),
        ({"policy": "poly", "power": -1}, 40, math.inf),
        ({"policy": "sigmoid", "gamma": 1000}, 0, 0),
    ],
)
def test_what_python_cannot_compute_is_what_c_makes_of_it(settings, iteration, rate):
    assert Schedule(solver(**settings)).rate(iteration) == rate
