"""The numbers that a training of Caffe's tells: of iterations, of tests, of starts and of its end.

Both a log of Caffe's and a run of `zoo train` become one of these, which the report then draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from zoo.transfer.watch.finding import Finding

__all__ = ["History", "Point", "Start"]

TRAIN, TEST = "train", "test"


@dataclass
class Point:
    """What is told of one iteration, or of one test.

    Attributes
    ----------
    phase : "train" or "test".
    iteration : updates that were made before.
    run : which start of the training it belongs to, from 0.
    net : which of the networks to test.
    loss : smoothed as Caffe displays it; None where nothing says.
    rate : of the update that follows.
    pace : iterations a second.
    seconds : since the first line that has a time.
    outputs : values of the network's outputs; of several with one name the later ones have a number
        behind it.
    weights : what an output counts in the loss, for those that do.
    """

    phase: str
    iteration: int
    run: int = 0
    net: int = 0
    loss: float | None = None
    rate: float | None = None
    pace: float | None = None
    seconds: float | None = None
    outputs: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float, weight: float | None = None) -> None:
        """Add an output, under a name of its own."""
        same = sum(known == name or known.startswith(f"{name} #") for known in self.outputs)
        title = f"{name} #{same}" if same else name
        self.outputs[title] = value
        if weight:
            self.weights[title] = weight

    def to_dict(self) -> dict[str, Any]:
        """What is known, as plain values."""
        return {key: value for key, value in asdict(self).items() if value not in (None, {})}


@dataclass
class Start:
    """A start of the training, and the snapshot that it went on from, if any."""

    run: int
    iteration: int | None = None
    resumed_from: str | None = None
    weights: list[str] = field(default_factory=list)


@dataclass
class History:
    """What is known of a training.

    Attributes
    ----------
    points : in the order in which they were told.
    starts : each start; a training that was resumed has several.
    snapshots : the files of weights.
    ended : "done", "stopped early", or "" where nothing is said of an end.
    failures : what Caffe died of.
    solver : the solver's text, where it is known.
    lines, skipped : how many a log has, and how many of them are broken.
    broken : number and text of the first of these.
    """

    points: list[Point] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    ended: str = ""
    failures: list[str] = field(default_factory=list)
    solver: str = ""
    lines: int = 0
    skipped: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)

    @property
    def train(self) -> list[Point]:
        """The iterations."""
        return [point for point in self.points if point.phase == TRAIN]

    @property
    def tests(self) -> list[Point]:
        """The tests."""
        return [point for point in self.points if point.phase == TEST]

    @property
    def iteration(self) -> int:
        """The last iteration of which anything is told."""
        return max((point.iteration for point in self.points), default=0)

    def findings(self) -> list[Finding]:
        """What is seen to be wrong in the numbers alone."""
        found = [
            Finding("died", f"Caffe died: {text}", (), self.iteration) for text in self.failures[:3]
        ]
        point = next((point for point in self.train if _values_beyond(point)), None)
        if point is not None:
            names = ", ".join(f"{name} is {value}" for name, value in _values_beyond(point))
            remedies = ("Lower base_lr.", "Set clip_gradients.", "Look for unnormalised input.")
            text = f"It diverged: {names}."
            found.append(Finding("diverging", text, remedies, point.iteration))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; NaN and infinities stay what they are."""
        return {
            **{
                each.name: getattr(self, each.name)
                for each in fields(self)
                if each.name not in ("points", "starts", "broken")
            },
            "broken": [list(each) for each in self.broken],
            "starts": [asdict(start) for start in self.starts],
            "train": [point.to_dict() for point in self.train],
            "test": [point.to_dict() for point in self.tests],
            "findings": [each.to_record() for each in self.findings()],
        }

    def take(self, record: Mapping[str, Any]) -> None:
        """Add a record of a run's log, see `zoo.transfer.run_report.training_record`."""
        if "phase" in record and "iteration" in record:
            known = {each.name for each in fields(Point)}
            self.points.append(Point(**{k: v for k, v in record.items() if k in known}))
        elif "start" in record:
            self.starts.append(Start(**record["start"]))
        elif "snapshot" in record:
            self.snapshots.append(record["snapshot"])
        elif "ended" in record:
            self.ended = record["ended"]


def _values_beyond(point: Point) -> list[tuple[str, float]]:
    """Names and values that are no numbers any more."""
    values = {} if point.loss is None else {"the loss": point.loss}
    named = {name: value for name, value in point.outputs.items() if name in point.weights}
    return [(name, v) for name, v in {**values, **named}.items() if not math.isfinite(v)]
