"""The loop of a training run. Caffe: Step, Solve, Test and Snapshot (src/caffe/solver.cpp)."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.caffe.solver_state import SolverState
from zoo.errors import UnavailableError, UsageError
from zoo.net import Net
from zoo.transfer.databases import OpenSource, open_source
from zoo.transfer.solver.events import (
    AfterTest,
    BeforeTest,
    Clipped,
    Displayed,
    Ended,
    Event,
    Found,
    Lowered,
    Message,
    Scores,
    Snapshotted,
    Started,
)
from zoo.transfer.solver.lint import check
from zoo.transfer.solver.params import Param
from zoo.transfer.solver.rates import Schedule
from zoo.transfer.solver.read import read_solver
from zoo.transfer.solver.setup import chosen_device, set_up, starting_weights
from zoo.transfer.solver.signals import Effect
from zoo.transfer.solver.snapshots import Place, snapshot
from zoo.transfer.solver.step import Done
from zoo.transfer.watch.course import Point
from zoo.transfer.watch.start import watch_solver

__all__ = ["CaffeSolver", "Listen", "Location", "Trained"]

Location = str | Path
Listen = Callable[[Event], None]


@dataclass(frozen=True)
class Trained:
    """What came of a run.

    Attributes
    ----------
    net : the network of the training phase, with its weights.
    iteration : updates in all, those before a resumed run included.
    losses : of each iteration of this run, before its update.
    tests : every test of this run.
    snapshots : every snapshot that was written.
    stopped : whether the run was told to stop before its end.
    """

    net: Net
    iteration: int
    losses: np.ndarray
    tests: tuple[AfterTest, ...]
    snapshots: tuple[Snapshotted, ...]
    stopped: bool


class CaffeSolver:
    """A solver with its networks, ready to train; arguments and errors are those of `train`.

    Attributes
    ----------
    file : the solver as it was read.
    iteration : updates that were made.
    """

    def __init__(
        self,
        solver: Location,
        weights: Sequence[Location] = (),
        snapshot: Location | None = None,
        *,
        folder: Location = ".",
        device: str | None = None,
        level: int | None = None,
        stages: Sequence[str] = (),
        open_source: OpenSource = open_source,
        listen: Listen | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.file = read_solver(solver, self.folder)
        self._listen: Listen = listen or (lambda event: None)
        for note in self.file.notes:
            self._listen(Message(note))
        for flaw in check(self.file):
            self._listen(Message(flaw, "warning"))
        if level is not None:
            self.param.train_state.level = level
        self.param.train_state.stage.extend(stages)
        found = set_up(
            self.param,
            self.folder,
            starting_weights(self.param, self.folder, weights, snapshot),
            None if snapshot is None else self.folder / snapshot,
            chosen_device(self.param, device),
            open_source,
        )
        for note in found.notes:
            self._listen(Message(note))
        self._step, self._feed, self._trials = found.step, found.feed, found.trials
        self._watcher = watch_solver(
            found.step, found.fresh, lambda finding: self._listen(Found(finding))
        )
        self.iteration, self._seed = found.state.iter, found.seed
        self._schedule = Schedule(self.param, found.state.current_step)
        self._requests: deque[Effect] = deque()
        self._stopping = False
        self._losses = array("d")
        self._recent: deque[float] = deque(maxlen=self.param.average_loss)
        self._tests: list[AfterTest] = []
        self._snapshots: list[Snapshotted] = []
        self._good = None if snapshot is None else self.folder / snapshot

    @property
    def param(self) -> SolverParameter:
        """The solver's message."""
        return self.file.param

    @property
    def net(self) -> Net:
        """The network of the training phase with the weights that it has now."""
        return self._step.net

    @property
    def learned(self) -> list[Param]:
        """The params with what their rates and decays are multiplied by, in Caffe's order."""
        return self._step.params

    def request(self, effect: Effect) -> None:
        """Ask for a snapshot or a stop; it happens behind the iteration that runs."""
        if effect != "none":
            self._requests.append(effect)

    def solve(self) -> Trained:
        """Train to `max_iter`, or until a stop is asked for."""
        try:
            net = self._solve()
        finally:
            self._close()
        return Trained(
            net,
            self.iteration,
            np.array(self._losses),
            tuple(self._tests),
            tuple(self._snapshots),
            self._stopping,
        )

    def _solve(self) -> Net:
        self._listen(Started(self._step.net.name, self.param.lr_policy))
        self.step(self.param.max_iter - self.iteration)
        net = self.net
        if self.param.snapshot_after_train and not self._is_due(self.param.snapshot):
            self._snapshot(last=True)
        if not self._stopping:
            self._look_once_more()
        if not self._stopping:
            self._watcher.ended()
        self._listen(Ended(self.iteration, self._stopping))
        return net

    def step(self, iterations: int) -> None:
        """Train for so many iterations, with tests, snapshots and requests on the way."""
        self._recent.clear()
        self._shown = self.iteration, time.monotonic()
        for _ in range(iterations):
            wanted = self.iteration > 0 or self.param.test_initialization
            if wanted and self._is_due(self.param.test_interval):
                self.test()
            if self._stopping:
                return
            self._train_once()
            effect = self._requests.popleft() if self._requests else "none"
            if self._is_due(self.param.snapshot) or effect == "snapshot":
                self._snapshot(last=self.iteration >= self.param.max_iter)
            if effect == "stop":
                self._stopping = True
                return

    def test(self) -> None:
        """Run all networks to test with the weights that there are now."""
        if not self._trials:
            return
        net = self.net
        for number, trial in enumerate(self._trials):
            self._listen(BeforeTest(self.iteration, number))
            found = trial.run(net, self.param.test_iter[number], self._is_interrupted)
            if found is None:
                return
            scores, loss = found
            asked = loss if self.param.test_compute_loss else None
            self._tests.append(AfterTest(self.iteration, number, scores, asked))
            self._listen(self._tests[-1])
            self._judge_test(self._tests[-1])

    def _is_due(self, every: int) -> bool:
        return every > 0 and self.iteration % every == 0

    def _is_interrupted(self) -> bool:
        """What a test asks between two batches: snapshots are made, a stop ends it."""
        while self._requests:
            if self._requests.popleft() == "snapshot":
                self._snapshot()
            else:
                self._stopping = True
        return self._stopping

    def _train_once(self) -> None:
        before = self._schedule.current_step
        rate = self._schedule.rate(self.iteration)
        batches = [self._feed.next() for _ in range(self.param.iter_size)]
        self._watcher.before(self.iteration, batches[-1])
        done = self._step(batches, rate, self.iteration)
        self._losses.append(done.loss)
        self._recent.append(done.loss)
        self._watcher.after(self.iteration, done.loss)
        if self.param.lr_policy == "multistep" and self._schedule.current_step > before:
            self._listen(Lowered(self.iteration, self._schedule.current_step))
        if self._is_due(self.param.display):
            self._display(rate, done)
        if 0 <= self.param.clip_gradients < done.norm:
            self._listen(Clipped(self.iteration, done.norm, self.param.clip_gradients))
        self.iteration += 1

    def _judge_test(self, test: AfterTest) -> None:
        """Let the watcher compare training and validation."""
        losses = [score.value * score.weight for score in test.outputs if score.weight]
        if test.number == 0 and losses and self._losses:
            recent = float(np.mean(self._losses[-max(self.param.test_interval, 1) :]))
            self._watcher.tested(Point(self.iteration, recent, sum(losses)))

    def _display(self, rate: float | None, done: Done | None) -> None:
        iteration, since = self._shown
        self._shown = self.iteration, time.monotonic()
        model = self._step.model
        self._listen(
            Displayed(
                self.iteration,
                float(np.mean(self._recent)),
                rate,
                Scores.of(model.outputs, done.outputs, model.weights) if done else Scores(),
                self._shown[1] - since,
                self.iteration - iteration,
                self.param.display,
                model.debug_lines(done.watched.numpy()) if done and self.param.debug_info else (),
            )
        )

    def _look_once_more(self) -> None:
        """The loss and the tests behind the last update, where they are due."""
        if self._is_due(self.param.display):
            self._recent.append(self._step.loss(self._feed.next()))
            self._display(None, None)
        if self._is_due(self.param.test_interval):
            self.test()

    def _snapshot(self, last: bool = False) -> None:
        """Write a snapshot. One on the way may fail, the last one may not."""
        update, model = self._step.update, self._step.model
        state = SolverState(
            self.iteration, history=update.history, current_step=self._schedule.current_step
        )
        tested = [trial.feed.count for trial in self._trials]
        place = Place(self._seed, self._feed.count, tested, model.generators)
        try:
            self._snapshots.append(snapshot(self.param, self.folder, self.net, state, place))
        except (UnavailableError, UsageError) as error:
            good = f"the last good snapshot is {self._good}" if self._good else "there is none yet"
            told = f"{str(error).removesuffix('.')}; {good}."
            if last:
                raise UnavailableError(told) from error
            self._listen(Message(f"{told} Training goes on.", "warning"))
            return
        self._good = self._snapshots[-1].state
        self._listen(self._snapshots[-1])

    def _close(self) -> None:
        for feed in (self._feed, *(trial.feed for trial in self._trials)):
            feed.close()
