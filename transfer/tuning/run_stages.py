"""The stages of a run, one after the other, with validation, early stopping and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, VerificationError
from zoo.input_spec import InputSpec
from zoo.net import Net
from zoo.scores import softmax
from zoo.surgery.head import Head
from zoo.transfer.augment import Augment
from zoo.transfer.data import Dataset
from zoo.transfer.plan import Stage
from zoo.transfer.rates import ParamRate, param_rates
from zoo.transfer.tuning.checkpoint import Best, Checkpoint
from zoo.transfer.tuning.linear_stage import head_features, with_linear_head
from zoo.transfer.tuning.softmax_regression import fit_linear
from zoo.transfer.tuning.training import Scorer, Trainer

__all__ = ["Bench", "run_linear", "run_through"]

Record = dict[str, Any]

_LEAST_STEPS = 16  # of an epoch: few rows are passed through several times
_MOST_KEPT = 500_000_000  # bytes of validation inputs that stay in memory


@dataclass
class Bench:
    """What the stages of a run share.

    Attributes
    ----------
    head : the classifier.
    spec : how pictures become inputs.
    train, val : the data.
    state : where the run stands; written to `path` after each epoch.
    told : called with each record of the log.
    seed : of all chance.
    """

    head: Head
    spec: InputSpec
    train: Dataset
    val: Dataset
    state: Checkpoint
    path: Path
    told: Callable[[Record], None]
    seed: int

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

    def epoch(self, stage: Stage, number: int) -> tuple[Iterator[Any], int]:
        """Batches to train on, and how many."""
        augment = Augment(stage.mirror, stage.crop, stage.scale, stage.colour)
        plain = not (stage.mirror or stage.crop or stage.colour or stage.scale != (1.0, 1.0))
        per_pass = -(-len(self.train) // stage.batch_size)
        passes = -(-_LEAST_STEPS // per_pass)
        pipeline = self.train.pipeline(
            self.spec,
            batch_size=stage.batch_size,
            shuffle=True,
            augment=None if plain else augment,
            seed=self.seed,
            epoch=number * passes,
        )
        return (batch for _ in range(passes) for batch in pipeline), passes * per_pass

    def class_weights(self, stage: Stage) -> NDArray[np.float32]:
        """How much a row of each class counts; 1 on average."""
        counts = np.maximum(self.train.class_counts, 1)
        if not stage.balance:
            return np.ones(len(counts), np.float32)
        return (len(self.train) / (len(counts) * counts)).astype(np.float32)

    def judged(self, scores: NDArray[np.float32]) -> tuple[float, float]:
        """Accuracy and loss of scores of the validation rows."""
        labels = np.asarray(self.val.labels)
        own = softmax(scores.astype(np.float64))[np.arange(len(labels)), labels]
        accuracy = float((scores.argmax(axis=1) == labels).mean())
        return accuracy, float(-np.log(np.maximum(own, 1e-12)).mean())


def run_linear(bench: Bench, stage: Stage, net: Net) -> Net:
    """Only the classifier, to convergence; the rest of the net runs once over the data."""
    start = time.monotonic()
    batch = stage.batch_size
    features = head_features(net, bench.head, bench.train.pipeline(bench.spec, batch_size=batch))
    labels = np.asarray(bench.train.labels)
    linear = fit_linear(
        features,
        labels,
        bench.head.classes,
        row_weights=bench.class_weights(stage)[labels],
        seed=bench.seed,
    )
    val = head_features(net, bench.head, bench.val_batches)
    accuracy, loss = bench.judged(val @ linear.weights.T + linear.biases)
    net = with_linear_head(net, bench.head, linear)
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
    if state.epoch:
        trainer.restore(state.net, state.solver, state.steps)
    for number in range(state.epoch, stage.epochs):
        start = time.monotonic()
        batches, length = bench.epoch(stage, number)
        seen = trainer.epoch(batches, length, number, bench.seed)
        _check_finite(stage, number, seen)
        state.net = trainer.net
        scorer.use(state.net)
        accuracy, loss = bench.judged(scorer.scores(bench.val_batches))
        if state.stage_best is None or state.stage_best.is_beaten_by(accuracy, loss):
            state.stage_best = Best(stage.name, number + 1, accuracy, loss, state.net)
        bench.tell(
            stage=stage.name,
            epoch=number + 1,
            **seen,
            val_accuracy=accuracy,
            val_loss=loss,
            seconds=round(time.monotonic() - start, 2),
        )
        state.epoch, state.solver, state.steps = number + 1, trainer.state(), trainer.steps
        state.write(bench.path)
        if _is_enough(stage, number + 1, state.stage_best.epoch):
            break
    if state.stage_best is None:
        raise UsageError(f"stage {stage.name!r} was finished, but nothing of it is known")
    _check_frozen(net, state.net, stage, rates)
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
    cut = round(stage.cut * stage.epochs) if stage.schedule == "step" else 0
    return bool(stage.patience) and done - max(best, cut) >= stage.patience


def _check_finite(stage: Stage, number: int, seen: dict[str, float]) -> None:
    if not np.isfinite(seen["loss"]):
        raise UsageError(
            f"stage {stage.name!r} diverged in epoch {number + 1}: the loss is {seen['loss']}."
            " Lower its rates (--original-rate, or `rate` in a plan), or add `warm_up: 1` or"
            " `clip: 10` to the plan."
        )


def _check_frozen(before: Net, after: Net, stage: Stage, rates: list[ParamRate]) -> None:
    """Prove that what is frozen has not changed by a single bit."""
    for rate in rates:
        layer, index = rate.owner
        statistics = before.layer(layer).type == "BatchNorm" and stage.batch_norm == "batch"
        if rate.rate or statistics:
            continue
        if not np.array_equal(before.params[layer][index], after.params[layer][index]):
            raise VerificationError(
                f"stage {stage.name!r}: param {index} of layer {layer!r} is frozen, but has changed"
            )
