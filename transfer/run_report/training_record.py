"""The directory of a run of `zoo train --run-dir`: what is trained, its log, curves and report.

Snapshots stay where the solver puts them, as in Caffe; the log names them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.errors import UsageError, ZooError
from zoo.net import Net
from zoo.transfer.run_report.build import Report, build_report
from zoo.transfer.run_report.events_file import EventsFile
from zoo.transfer.run_report.filters import write_filters
from zoo.transfer.run_report.history import TEST, TRAIN, Point, Start
from zoo.transfer.run_report.provenance import how_started, weights_facts
from zoo.transfer.run_report.stored_run import EVENTS, FACTS, LOG, PICTURES, read_run, write_json
from zoo.transfer.solver.events import (
    AfterTest,
    Displayed,
    Ended,
    Event,
    Found,
    Message,
    Scores,
    Snapshotted,
)

__all__ = ["TrainingRecord"]


class TrainingRecord:
    """Keeps the record of one run of a solver.

    Parameters
    ----------
    directory : made if it is not there; one with another run in it is refused unless `resumed_from`
        a snapshot.

    Raises
    ------
    UsageError
        When something else lies in the directory.
    """

    def __init__(self, directory: Path, resumed_from: str | None = None) -> None:
        self._directory = directory
        there = directory.is_dir() and any(directory.iterdir())
        has_run = (directory / FACTS).is_file()
        if directory.exists() and not directory.is_dir() or there and not has_run:
            raise UsageError(f"{directory} is there already, and is no run; name another directory")
        if has_run and resumed_from is None:
            raise UsageError(
                f"{directory} has a run in it; name another directory, or go on with that run from"
                " one of its snapshots (--snapshot)"
            )
        self._resumed_from = resumed_from
        self._known = read_run(directory) if has_run else None
        self._run = len(self._known.history.starts) if self._known else 0
        self._first: Net | None = None
        self._events: EventsFile | None = None
        self._began = time.monotonic()
        self._waiting: list[Event] = []
        self._trouble = ""

    def begin(
        self, solver: SolverParameter, net: Net, iteration: int, weights: Sequence[Path]
    ) -> None:
        """Write what is trained, before it is."""
        self._directory.mkdir(parents=True, exist_ok=True)
        known = self._known.facts if self._known else {}
        if not weights and self._resumed_from is None:
            named = (name.strip() for names in solver.weights for name in names.split(","))
            weights = [Path(name) for name in named]
        text = text_format.MessageToString(solver)
        given = {
            "kind": "train",
            "solver": text,
            "seed": solver.random_seed if solver.random_seed >= 0 else None,
            "weights": [*known.get("weights", ()), *map(weights_facts, weights)],
            "starts": [*known.get("starts", ()), how_started()],
        }
        write_json(self._directory / FACTS, given)
        self._first = net
        self._events = EventsFile(self._directory / EVENTS)
        start = Start(self._run, iteration, self._resumed_from, [path.name for path in weights])
        self._write({"start": asdict(start)})
        for event in self._waiting:
            self.listen(event)

    def listen(self, event: Event) -> None:
        """Take an event; those before `begin` are kept until then."""
        if self._events is None:
            self._waiting.append(event)
            return
        match event:
            case Displayed():
                pace = event.iterations / event.seconds if event.seconds else None
                point = self._point(TRAIN, event.iteration, event.loss, event.outputs)
                point.rate, point.pace = event.rate, pace
                self._add(point, TRAIN)
            case AfterTest():
                point = self._point(TEST, event.iteration, event.loss, event.outputs)
                point.net = event.number
                self._add(point, f"{TEST} {event.number}")
            case Snapshotted():
                self._write({"snapshot": str(event.weights)})
            case Found():
                self._write(event.finding.to_record())
            case Message(kind="warning"):
                self._write({"message": event.text})
            case Ended():
                self._write({"ended": "stopped early" if event.stopped else "done"})

    def finish(self, net: Net) -> tuple[Report | None, str]:
        """Draw the report; None where it cannot be made, and what went wrong, if anything did."""
        if self._events is not None:
            self._events.close()
        folder = self._directory / PICTURES
        try:
            if self._first is not None:
                folder.mkdir(exist_ok=True)
                write_filters(folder, self._first, net)
            return build_report(self._directory), self._trouble
        except (OSError, ImportError, ZooError) as error:
            return None, f"the report is not complete: {error}"

    def _point(self, phase: str, iteration: int, loss: float | None, outputs: Scores) -> Point:
        point = Point(phase, iteration, self._run, loss=loss)
        point.seconds = time.monotonic() - self._began
        for score in outputs:
            point.add(score.name, score.value, score.weight)
        return point

    def _add(self, point: Point, prefix: str) -> None:
        self._write(point.to_dict())
        if self._events is not None:
            values = {"loss": point.loss, "rate": point.rate, **point.outputs}
            self._events.add(
                {f"{prefix}/{name}": value for name, value in values.items()}, point.iteration
            )

    def _write(self, record: dict[str, Any]) -> None:
        if self._trouble:
            return
        try:
            with (self._directory / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:  # training is worth more than its record
            self._trouble = f"the record of the run ends early: {error}"
