"""What is wrong with a solver, found before anything is trained.

Flaws with which Caffe aborts, some of them only after hours, are `fatal`; the others are settings
that have no effect, or one that nobody wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.errors import UsageError, did_you_mean
from zoo.transfer.solver.rates import POLICIES
from zoo.transfer.solver.read import SolverFile
from zoo.transfer.solver.rules import RULES

__all__ = ["Flaw", "check", "lint"]

# What a policy reads; lr_policy and base_lr aside.
_READS = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}
_RULE_FIELDS = {
    "momentum2": ("Adam",),
    "rms_decay": ("RMSProp",),
    "delta": ("AdaGrad", "RMSProp", "AdaDelta", "Adam"),
}
_NETS = ("net", "net_param", "train_net", "train_net_param")


@dataclass(frozen=True)
class Flaw:
    """Something wrong: with which field, why, and whether Caffe aborts."""

    field: str
    text: str
    fatal: bool = False


Check = Callable[[SolverParameter], Iterator[Flaw]]


def lint(param: SolverParameter) -> list[Flaw]:
    """All flaws of a solver.

    >>> lint(SolverParameter(net="a", base_lr=1, lr_policy="step", stepsize=9, max_iter=9))[0].text
    'gamma is not given, so the rate is 0 from the first step on'
    """
    checks: tuple[Check, ...] = (
        _nets,
        _length,
        _rate,
        _policy,
        _steps,
        _rule,
        _momentum,
        _regularization,
        _tests,
        _counts,
    )
    return [flaw for each in checks for flaw in each(param)]


def check(file: SolverFile) -> list[str]:
    """The flaws with which training can begin, each with its place.

    Raises
    ------
    UsageError
        All those with which it cannot.
    """
    flaws = lint(file.param)
    told = [(flaw.fatal, f"{file.place(flaw.field)}: {flaw.text}") for flaw in flaws]
    fatal = [text for is_fatal, text in told if is_fatal]
    if fatal:
        raise UsageError("\n".join(fatal))
    return [text for _, text in told]


def _nets(param: SolverParameter) -> Iterator[Flaw]:
    given = [name for name in _NETS if param.HasField(name)]
    if not given:
        yield Flaw("net", "no network to train; give one with net or train_net", True)
    if len(given) > 1:
        yield Flaw(given[-1], f"{' and '.join(given)} are given; expected one of them", True)


def _length(param: SolverParameter) -> Iterator[Flaw]:
    if param.max_iter < 1:
        yield Flaw("max_iter", "max_iter is missing or below 1, so nothing is trained")
    if param.HasField("display") and param.display < 1:
        yield Flaw("display", "display is 0, so no loss is shown")
    if param.HasField("snapshot_diff"):
        yield Flaw("snapshot_diff", "snapshot_diff is not supported: snapshots hold no gradients")


def _rate(param: SolverParameter) -> Iterator[Flaw]:
    if param.base_lr <= 0:
        yield Flaw("base_lr", f"base_lr is {param.base_lr:g}; nothing is learned without a rate")
    if param.base_lr > 1 and param.type in ("SGD", "Nesterov"):
        yield Flaw(
            "base_lr",
            f"base_lr {param.base_lr:g} is far above what {param.type} bears;"
            " 0.01 is a usual start",
        )
    if param.clip_gradients == 0:
        yield Flaw(
            "clip_gradients", "clip_gradients 0 makes every gradient 0; leave it out to not clip"
        )


def _policy(param: SolverParameter) -> Iterator[Flaw]:
    policy = param.lr_policy
    if policy not in POLICIES:
        wrong = f"lr_policy {policy!r} is not known.{did_you_mean(policy, POLICIES)}"
        yield Flaw(
            "lr_policy",
            f"{wrong if policy else 'lr_policy is missing.'} There are: {', '.join(POLICIES)}",
            True,
        )
        return
    for name in ("gamma", "power", "stepsize", "stepvalue"):
        given = list(param.stepvalue) if name == "stepvalue" else param.HasField(name)
        if given and name not in _READS[policy]:
            yield Flaw(name, f"{name} has no effect with lr_policy {policy!r}")
    if "gamma" in _READS[policy]:
        yield from _gamma(param)
    if policy in ("inv", "poly") and param.power == 0:
        yield Flaw("power", "power is not given, so the rate never changes")


def _gamma(param: SolverParameter) -> Iterator[Flaw]:
    policy = param.lr_policy
    if param.gamma < 0:
        yield Flaw("gamma", f"gamma is {param.gamma:g}; lr_policy {policy!r} needs 0 or more", True)
    elif param.gamma == 0 and policy in ("step", "multistep", "exp"):
        yield Flaw("gamma", "gamma is not given, so the rate is 0 from the first step on")
    elif param.gamma == 0:
        yield Flaw("gamma", "gamma is not given, so the rate never changes")
    elif param.gamma > 1 and policy in ("step", "multistep", "exp"):
        yield Flaw("gamma", f"gamma {param.gamma:g} is above 1, so the rate grows at each step")


def _steps(param: SolverParameter) -> Iterator[Flaw]:
    if param.lr_policy in ("step", "sigmoid") and param.stepsize < 1:
        yield Flaw("stepsize", f"lr_policy {param.lr_policy!r} needs a stepsize of 1 or more", True)
    elif param.lr_policy == "step" and 0 < param.max_iter <= param.stepsize:
        yield Flaw(
            "stepsize",
            f"stepsize {param.stepsize} is not below max_iter {param.max_iter},"
            " so the rate never changes",
        )
    if param.lr_policy != "multistep":
        return
    values = list(param.stepvalue)
    if not values:
        yield Flaw("stepvalue", "there is no stepvalue, so the rate never changes")
    if values != sorted(values):
        yield Flaw(
            "stepvalue",
            f"stepvalue has to ascend, received {values}; Caffe looks at the"
            " next one only when the one before it is reached",
        )
    late = [value for value in values if 0 < param.max_iter <= value]
    if late:
        yield Flaw(
            "stepvalue",
            f"stepvalue {late[0]} is not below max_iter {param.max_iter}, so it is never reached",
        )


def _rule(param: SolverParameter) -> Iterator[Flaw]:
    if param.type not in RULES:
        yield Flaw(
            "type",
            f"type {param.type!r} is no solver.{did_you_mean(param.type, RULES)} There"
            f" are: {', '.join(RULES)}",
            True,
        )
        return
    for name, solvers in _RULE_FIELDS.items():
        if param.HasField(name) and param.type not in solvers:
            yield Flaw(
                name, f"{name} has no effect with {param.type}; it is for {', '.join(solvers)}"
            )
    if param.type == "RMSProp" and not 0 <= param.rms_decay < 1:
        yield Flaw("rms_decay", f"rms_decay is {param.rms_decay:g}; expected 0 to below 1", True)
    if param.type == "Adam" and not 0 <= param.momentum2 < 1:
        yield Flaw("momentum2", f"momentum2 is {param.momentum2:g}; expected 0 to below 1", True)


def _momentum(param: SolverParameter) -> Iterator[Flaw]:
    momentum, rule = param.momentum, RULES.get(param.type)
    if rule is not None and not rule.momentum:
        if momentum:
            yield Flaw("momentum", f"{param.type} takes no momentum, received {momentum:g}", True)
    elif not 0 <= momentum < 1:
        fatal = param.type == "Adam"
        yield Flaw("momentum", f"momentum is {momentum:g}; expected 0 to below 1", fatal)
    elif momentum == 0 and param.type in ("Nesterov", "AdaDelta", "Adam"):
        usual = {"Nesterov": "0.9", "AdaDelta": "0.95", "Adam": "0.9"}[param.type]
        yield Flaw(
            "momentum",
            f"momentum is not given, so {param.type} remembers nothing; {usual} is usual",
        )


def _regularization(param: SolverParameter) -> Iterator[Flaw]:
    if param.regularization_type not in ("L1", "L2"):
        yield Flaw(
            "regularization_type",
            f"{param.regularization_type!r} is no regularization_type; expected L1 or L2",
            bool(param.weight_decay),
        )
    elif param.HasField("regularization_type") and not param.weight_decay:
        yield Flaw("regularization_type", "regularization_type has no effect without weight_decay")
    if param.weight_decay < 0:
        yield Flaw("weight_decay", f"weight_decay {param.weight_decay:g} makes weights grow")


def _tests(param: SolverParameter) -> Iterator[Flaw]:
    own = len(param.test_net) + len(param.test_net_param)
    tested = len(param.test_iter)
    generic = param.HasField("net") or param.HasField("net_param")
    if tested < own or (tested > own and not generic):
        yield Flaw(
            "test_iter", f"{tested} test_iter for {own} networks to test; expected one each", True
        )
    if tested and param.test_interval < 1:
        yield Flaw(
            "test_interval", "test_iter is given, so test_interval has to be 1 or more", True
        )
    if not tested and param.test_interval:
        yield Flaw(
            "test_interval", "test_interval has no effect without test_iter: nothing is tested"
        )
    if param.test_state and len(param.test_state) != tested:
        yield Flaw(
            "test_state",
            f"{len(param.test_state)} test_state for {tested} networks to"
            " test; expected none or one each",
            True,
        )
    if any(number < 1 for number in param.test_iter):
        yield Flaw(
            "test_iter", f"test_iter has to be 1 or more, received {list(param.test_iter)}", True
        )


def _counts(param: SolverParameter) -> Iterator[Flaw]:
    for name in ("average_loss", "iter_size"):
        if getattr(param, name) < 1:
            yield Flaw(name, f"{name} has to be 1 or more, received {getattr(param, name)}", True)
    for name in ("snapshot", "test_interval", "display", "max_iter"):
        if getattr(param, name) < 0:
            yield Flaw(name, f"{name} cannot be below 0, received {getattr(param, name)}", True)
