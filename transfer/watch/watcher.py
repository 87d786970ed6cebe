"""Watching a training run: when to look, what to judge, and what is told.

A watcher costs a few percent of the time: it looks at some rows of the first batches, and then of
one in ten, in twenty, in fifty; more often only while the loss runs away or stands at ln(N).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from zoo.transfer.watch.course import Course, Point
from zoo.transfer.watch.curve_rules import overfit, underfit
from zoo.transfer.watch.data_rules import broken_input, labels, unnormalised_input
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.layer_rules import (
    dead_units,
    equal_weights,
    gradients,
    saturated_units,
    update_sizes,
)
from zoo.transfer.watch.look import Input, Look
from zoo.transfer.watch.loss_rules import diverging, first_loss, static_loss
from zoo.transfer.watch.probe import Probe

__all__ = ["Told", "Watcher"]

Told = Callable[[Finding], None]
Arrays = Mapping[str, np.ndarray]

_FATAL = (diverging, static_loss)
_OTHERS = (
    unnormalised_input,
    first_loss,
    labels,
    equal_weights,
    dead_units,
    saturated_units,
    gradients,
    update_sizes,
)
_FOLLOWS = {"small-updates": "vanishing-gradients", "first-loss": "broken-input"}
_WORSE = 1.5  # times as bad is told again
_LABELLED = 200  # batches whose labels are counted
_REST = 20  # iterations between two tellings of the same
_EXTRA = 16  # looks out of turn
_NEAR = 0.05  # of ln(N)
_AWAY = 1.5  # times the first loss


class Watcher:
    """Watches one run, or a stage of one.

    Parameters
    ----------
    course : a fresh one, of the network under training.
    probe : looks into it.
    told : called with each finding, once, and again only when it has grown much worse.
    label : the blob of labels among the inputs, "" where there is none.
    sliceable : whether some rows of a batch can be run alone.
    stage : the name of the stage.
    """

    def __init__(
        self,
        course: Course,
        probe: Probe,
        told: Told,
        *,
        label: str = "",
        sliceable: bool = True,
        stage: str = "",
    ) -> None:
        self.course = course
        self._probe, self._tell, self._label = probe, told, label
        self._sliceable, self._stage = sliceable, stage
        self._sizes: dict[str, float] = {}
        self._again: dict[str, int] = {}
        self._extra, self._wanted = _EXTRA, False
        self._looked: tuple[Look, list[np.ndarray]] | None = None
        self._since = 0
        self._batch: Arrays = {}

    @property
    def is_over(self) -> bool:
        """Whether the run is lost: everything else would follow from that."""
        return not {"diverging", "static-loss"}.isdisjoint(self._sizes)

    def before(self, iteration: int, inputs: Arrays) -> None:
        """See the batch of an iteration before its update; the model's own inputs come first."""
        self._batch = inputs
        seen = self.course.labels
        if seen is not None and self._label in inputs and self.course.count < _LABELLED:
            seen.take(inputs[self._label])
        if not self.course.count or not self._is_finite(inputs):
            self.course.inputs = self._inputs()
            self._report(broken_input(self.course))
        if not self.is_over and (self._wanted or _is_due(self.course.count)):
            self._wanted = False
            look = self._probe.look(self._some_rows(inputs), iteration)
            self._probe.keep()
            self._looked = look, self._probe.weights()

    def after(self, iteration: int, loss: float) -> None:
        """Learn the loss that an iteration had before its update."""
        self.course.take_loss(iteration, loss)
        looked, lost = self._looked, not math.isfinite(loss) and not self.is_over
        if looked is not None:
            look, weights = looked
            self.course.take_look(replace(look, updates=self._probe.updates(weights)))
            self._looked, self._since = None, 0
        if lost and not (looked is not None and looked[0].first_not_finite):
            self._look_back(iteration)
        if looked is not None or lost:
            self._judge()
        self._since += 1
        self._wanted = self._wants_to_look(loss)

    def tested(self, point: Point) -> None:
        """Learn how the net does on validation rows."""
        self.course.points.append(point)
        if not self.is_over:
            self._report(overfit(self.course))

    def ended(self) -> None:
        """Judge the run as a whole."""
        if not self.is_over and "overfit" not in self._sizes:
            self._report(underfit(self.course))

    def _judge(self) -> None:
        with np.errstate(all="ignore"):  # of numbers that have run away
            for rule in _FATAL:
                self._report(rule(self.course))
            for rule in () if self.is_over else _OTHERS:
                self._report(rule(self.course))

    def _report(self, findings: Iterator[Finding]) -> None:
        for finding in findings:
            name = finding.name
            worse = finding.size >= _WORSE * self._sizes.get(name, 0.0)
            rested = self.course.count >= self._again.get(name, 0)
            if worse and rested and _FOLLOWS.get(name) not in self._sizes:
                self._sizes[name] = finding.size
                self._again[name] = self.course.count + _REST
                self._tell(replace(finding, stage=self._stage))

    def _wants_to_look(self, loss: float) -> bool:
        """Whether the loss is such that the next iteration should be looked at out of turn."""
        course = self.course
        if self.is_over or not self._extra or not math.isfinite(loss):
            return False
        expected = course.subject.expected or 0.0
        away = loss > _AWAY * max(course.first, expected)
        stands = course.count >= 6 and abs(loss - expected) < _NEAR * expected
        if away or (stands and self._since >= 5):
            self._extra -= 1
            return True
        return False

    def _look_back(self, iteration: int) -> None:
        """Find out where a loss came from that is no number; the weights may be none any more."""
        if not all(each.is_finite for each in self.course.inputs):
            return
        before = self._probe.look_back(self._batch, iteration)
        if before is None or before.first_not_finite is None:
            before = self._probe.look(self._batch, iteration)
        self.course.take_look(before)

    def _is_finite(self, inputs: Arrays) -> bool:
        """Whether all data are numbers; of a sum that is one, all values are."""
        names = self.course.subject.inputs
        with np.errstate(all="ignore"):
            sums = [np.sum(inputs[name]) for name in names if name in inputs]
        return bool(np.isfinite(sums).all())

    def _inputs(self) -> list[Input]:
        return [
            Input.of(name, self._batch[name])
            for name in self.course.subject.inputs
            if name in self._batch
        ]

    def _some_rows(self, inputs: Arrays) -> Arrays:
        """An eighth of the batch, but neither less than four rows nor more than eight."""
        if not self._sliceable:
            return inputs
        rows = min(8, max(4, len(next(iter(inputs.values()))) // 8))
        return {name: array[:rows] for name, array in inputs.items()}


def _is_due(count: int) -> bool:
    """Whether an iteration is looked at, by how many were before.

    >>> [count for count in range(100) if _is_due(count)]
    [0, 1, 2, 3, 4, 10, 20, 30, 40, 60, 80]
    """
    if count < 5:
        return True
    return count % (10 if count <= 40 else 20 if count <= 200 else 50) == 0
