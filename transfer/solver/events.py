"""What a training run tells while it goes on: each event is one of these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.build.need_backward import AUTOMATIC
from zoo.transfer.watch.finding import Finding

__all__ = [
    "Clipped",
    "Displayed",
    "Ended",
    "Event",
    "Found",
    "Lowered",
    "Message",
    "Score",
    "Scores",
    "Snapshotted",
    "Started",
    "AfterTest",
    "BeforeTest",
]


@dataclass(frozen=True)
class Score:
    """One number of an output of a network; `weight` is what it counts in the loss, or 0."""

    name: str
    value: float
    weight: float


class Scores(tuple[Score, ...]):
    """All numbers of the outputs, in Caffe's order."""

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        values: Mapping[str, np.ndarray],
        weights: Mapping[str, float],
    ) -> Scores:
        """The numbers of these blobs; losses without a name are called as Caffe calls them."""
        return cls(
            Score(AUTOMATIC if name.startswith(AUTOMATIC) else name, float(value), weights[name])
            for name in names
            for value in np.ravel(values[name])
        )


@dataclass(frozen=True)
class Message:
    """A sentence; `kind` is "note" or "warning"."""

    text: str
    kind: str = "note"


@dataclass(frozen=True)
class Found:
    """Something is wrong with the run, see docs/diagnosis.md."""

    finding: Finding


@dataclass(frozen=True)
class Started:
    """Training of the network `name` begins."""

    name: str
    policy: str


@dataclass(frozen=True)
class Ended:
    """It is over, before its time if it was `stopped`."""

    iteration: int
    stopped: bool


@dataclass(frozen=True)
class Displayed:
    """An iteration as `display` shows it.

    Attributes
    ----------
    iteration : updates that were made before.
    loss : mean over the last `average_loss` iterations.
    rate : of the update that follows; None where none does, behind the last.
    outputs : of the last batch.
    seconds, iterations : since the last one.
    every : how many iterations apart they are to be.
    debug : lines of `debug_info`.
    """

    iteration: int
    loss: float
    rate: float | None
    outputs: Scores
    seconds: float
    iterations: int
    every: int
    debug: Sequence[str] = ()


@dataclass(frozen=True)
class Clipped:
    """Gradients whose norm was above the limit."""

    iteration: int
    norm: float
    limit: float


@dataclass(frozen=True)
class Lowered:
    """A `multistep` policy has come to a further step."""

    iteration: int
    step: int


@dataclass(frozen=True)
class BeforeTest:
    """A test of network `number` begins."""

    iteration: int
    number: int


@dataclass(frozen=True)
class AfterTest:
    """A test of network `number`: mean outputs, and the mean loss if it was asked for."""

    iteration: int
    number: int
    outputs: Scores
    loss: float | None


@dataclass(frozen=True)
class Snapshotted:
    """Weights and state of an iteration, as they lie on the disk now."""

    iteration: int
    weights: Path
    state: Path


Event = (
    Message
    | Found
    | Started
    | Displayed
    | Lowered
    | Clipped
    | BeforeTest
    | AfterTest
    | Snapshotted
    | Ended
)
