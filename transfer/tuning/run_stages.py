"""The stages of a run, one after the other, with validation, early stopping and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.net import Net
from zoo.scores import softmax
from zoo.transfer.data import Dataset
from zoo.transfer.plan import Stage
from zoo.transfer.rates import ParamRate, moving_statistics, param_rates
from zoo.transfer.tuning.checkpoint import Best, Checkpoint
from zoo.transfer.tuning.feed import Feed
from zoo.transfer.tuning.frozen import check_frozen, fingerprints, frozen_params
from zoo.transfer.tuning.linear_stage import head_features, solved_head
from zoo.transfer.tuning.timing import Timed
from zoo.transfer.tuning.training import Scorer, Trainer
from zoo.transfer.watch.course import Point
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.start import watch_stage

__all__ = ["Bench", "run_linear", "run_through"]

Record = dict[str, Any]

_MOST_KEPT = 500_000_000  # bytes of validation inputs that stay in memory


@dataclass
class Bench(Feed):
    """What the stages of a run share.

    Attributes
    ----------
    val : what the best weights are chosen by.
    state : where the run stands; written to `path` after each epoch.
    told : called with each record of the log.
    found : called with what is seen to go wrong.
    fresh : layers whose weights are random at the start of the first stage.
    """

    val: Dataset
    state: Checkpoint
    path: Path
    told: Callable[[Record], None]
    found: Callable[[Finding], None]
    fresh: frozenset[str]

    def tell(self, **record: Any) -> None:
        """Add a record to the log."""
        self.state.log.append(record)
        self.told(record)

    @cached_property
    def val_batches(self) -> Any:
        """Inputs and labels of the validation rows, for any number of passes."""
        pipeline = self.val.pipeline(self.spec)
        values = len(self.val) * int(np.prod(self.spec.size)) * len(self.spec.mean)
        return list(pipeline) if 4 * values <= _MOST_KEPT else pipeline

    def judged(self, scores: NDArray[np.float32]) -> tuple[float, float]:
        """Accuracy and loss of scores of the validation rows."""
        labels = np.asarray(self.val.labels)
        own = softmax(scores.astype(np.float64))[np.arange(len(labels)), labels]
        accuracy = float((scores.argmax(axis=1) == labels).mean())
        return accuracy, float(-np.log(np.maximum(own, 1e-12)).mean())


def run_linear(bench: Bench, stage: Stage, net: Net) -> Net:
    """Only the classifier, to convergence; the rest of the net runs once over the data."""
    start = time.monotonic()
    head = bench.head.layer
    frozen = frozen_params(net, [(head, index) for index in range(len(net.param_shapes[head]))])
    bench.state.frozen[stage.name] = fingerprints(net, frozen)
    net, linear, features = solved_head(bench, stage, net)
    check_frozen(bench.state.frozen[stage.name], net, frozen, stage)
    val = head_features(net, bench.head, bench.val_batches)
    accuracy, loss = bench.judged(val @ linear.weights.T + linear.biases)
    bench.state.stage_best = Best(stage.name, 1, accuracy, loss, net)
    bench.tell(
        stage=stage.name,
        epoch=1,
        penalty=linear.penalty,
        cross_validated=linear.accuracy,
        bearable_rate=bearable_rate(features),
        val_accuracy=accuracy,
        val_loss=loss,
        seconds=round(time.monotonic() - start, 2),
    )
    return net


def run_through(bench: Bench, stage: Stage, net: Net) -> Net:
    """Train through the net; returns the weights of its best epoch."""
    state, blob = bench.state, bench.head.scores
    rates = _borne(param_rates(net, bench.head, stage), bench)
    trainer = Trainer(net, blob, stage, rates, bench.class_weights(stage))
    scorer = Scorer(net, blob)
    moving = {each.owner for each in rates if each.rate}
    frozen = frozen_params(net, moving, moving_statistics(net, stage, rates))
    if not state.epoch:
        state.frozen[stage.name] = fingerprints(net, frozen)
    else:
        trainer.restore(state.net, state.solver, state.steps)
    fresh = frozenset() if state.stage or state.epoch else bench.fresh
    watcher = watch_stage(trainer, net, blob, fresh, bench.found)
    for number in range(state.epoch, stage.epochs):
        if state.stage_best and _is_enough(stage, number, state.stage_best.epoch):
            break
        start = time.monotonic()
        batches, length = bench.epoch(stage, number)
        timed = Timed(batches)
        seen = trainer.epoch(timed, length, number, bench.seed, watcher)
        _check_finite(stage, number, seen)
        state.net, tuned = trainer.net, trainer.averaged
        scorer.use(tuned)
        accuracy, loss = bench.judged(scorer.scores(bench.val_batches))
        if state.stage_best is None or state.stage_best.is_beaten_by(accuracy, loss):
            state.stage_best = Best(stage.name, number + 1, accuracy, loss, tuned)
        bench.tell(
            stage=stage.name,
            epoch=number + 1,
            **seen,
            val_accuracy=accuracy,
            val_loss=loss,
            **timed.speed(),
            seconds=round(time.monotonic() - start, 2),
        )
        state.epoch, state.solver, state.steps = number + 1, trainer.state(), trainer.steps
        state.write(bench.path)
        watcher.tested(Point(trainer.steps, seen["loss"], loss, seen["accuracy"], accuracy))
    watcher.ended()
    if state.stage_best is None:
        raise UsageError(f"stage {stage.name!r} was finished, but nothing of it is known")
    for each in (state.net, state.stage_best.net):
        check_frozen(state.frozen[stage.name], each, frozen, stage)
    return state.stage_best.net


def bearable_rate(features: NDArray[np.float32]) -> float:
    """The rate at which a linear classifier of these features descends without jumping about.

    The curvature of its loss is at most half the largest eigenvalue of the features' second
    moments, and steps beyond the inverse of that overshoot.

    >>> round(bearable_rate(np.float32([[2, 0], [2, 0]])), 3)
    0.5
    """
    vector = features.mean(axis=0, dtype=np.float64) + 1e-12
    for _ in range(20):
        vector /= np.linalg.norm(vector)
        vector = features.T @ (features @ vector) / len(features)
    return 2 / max(float(np.linalg.norm(vector)), 1e-12)


def _borne(rates: list[ParamRate], bench: Bench) -> list[ParamRate]:
    """A classifier that a first stage has brought to its best is not thrown off it again."""
    found = [each["bearable_rate"] for each in bench.state.log if "bearable_rate" in each]
    if not found:
        return rates
    head = bench.head.layer
    most = max((each.rate for each in rates if each.owner == (head, 0)), default=0.0)
    share = min(1.0, found[-1] / most) if most else 1.0
    return [
        replace(each, rate=each.rate * share) if each.owner[0] == head else each for each in rates
    ]


def _is_enough(stage: Stage, done: int, best: int) -> bool:
    """Whether no better epoch has come for so long that none is to be expected."""
    cut = round(max(stage.cuts) * stage.epochs) if stage.schedule == "step" else 0
    return bool(stage.patience) and done - max(best, cut) >= stage.patience


def _check_finite(stage: Stage, number: int, seen: dict[str, float]) -> None:
    if not np.isfinite(seen["loss"]):
        raise UsageError(
            f"stage {stage.name!r} diverged in epoch {number + 1}: the loss is {seen['loss']}."
            " Lower its rates (--original-rate, or `rate` in a plan), or add `warm_up: 1` or"
            " `clip: 10` to the plan."
        )
