"""Where a run stands, so that it can go on after any epoch: weights, solver, log, the best so far.

One file, replaced as a whole: a run that is killed leaves the last epoch that was finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from zoo.caffe.replacing import replacing
from zoo.errors import UnavailableError, UsageError
from zoo.net import Net

__all__ = ["Best", "Checkpoint"]

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass
class Best:
    """The best validation so far, and the weights that gave it."""

    stage: str
    epoch: int
    accuracy: float
    loss: float
    net: Net

    def is_beaten_by(self, accuracy: float, loss: float) -> bool:
        """Whether these are better; the loss decides between equal accuracies."""
        return (accuracy, -loss) > (self.accuracy, -self.loss)


@dataclass
class Checkpoint:
    """What a run knows.

    Attributes
    ----------
    task : what is trained on what; a run goes on only with the same.
    stage, epoch : how many of them are finished; epochs of the stage that runs.
    net : the weights now.
    best : of all stages; `stage_best` of the one that runs.
    log : all records so far.
    solver, steps : what the solver remembers.
    frozen : for each stage a SHA-256 of every layer that it must not change, from its beginning.
    """

    task: dict[str, Any]
    net: Net
    stage: int = 0
    epoch: int = 0
    best: Best | None = None
    stage_best: Best | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    solver: Arrays = field(default_factory=dict)
    steps: int = 0
    frozen: dict[str, dict[str, str]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Replace the file.

        Raises
        ------
        UnavailableError
            When the disk is full, for instance; what was written before is kept.
        """
        arrays: dict[str, Any] = {f"solver:{name}": array for name, array in self.solver.items()}
        facts: dict[str, Any] = {
            "task": self.task,
            "stage": self.stage,
            "epoch": self.epoch,
            "log": self.log,
            "steps": self.steps,
            "frozen": self.frozen,
        }
        nets = [self.net]  # the best are often the same, and are written once
        for name, best in (("best", self.best), ("stage_best", self.stage_best)):
            if best is not None:
                if best.net not in nets:
                    nets.append(best.net)
                place = nets.index(best.net)
                facts[name] = [best.stage, best.epoch, best.accuracy, best.loss, place]
        for place, net in enumerate(nets):
            for layer, blobs in net.params.items():
                arrays |= {f"{place}:{layer}:{i}": blob for i, blob in enumerate(blobs)}
        arrays["facts"] = np.array(json.dumps(facts))
        try:
            with replacing(path) as partial, partial.open("wb") as file:
                np.savez(file, **arrays)
        except UnavailableError as error:
            raise UnavailableError(
                f"{error}. What the run knew before this epoch is kept; make room and go on with"
                " --resume (resume=True)."
            ) from error

    @classmethod
    def read(cls, path: Path, task: dict[str, Any], net: Net) -> Checkpoint:
        """What `write` wrote, for the same task and a net of the same layers.

        Raises
        ------
        UsageError
            When there is none, or it is that of another task: says what differs.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(str(arrays.pop("facts")))
        except FileNotFoundError:
            raise UsageError(
                f"{path.parent}: there is no unfinished run to go on with; leave out --resume"
                " (resume=True)."
            ) from None
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            raise UsageError(
                f"{path} is damaged ({error}), so the run cannot be gone on with. Remove"
                f" {path.parent} to begin anew."
            ) from None
        differing = [key for key in task if task[key] != facts["task"].get(key)]
        if differing:
            said = ", ".join(f"{key} was {facts['task'].get(key)!r}" for key in differing)
            raise UsageError(
                f"{path} is that of another run: {said}. Go on with the same as then; or, to begin"
                f" anew, remove {path.parent} and leave out --resume (resume=True)."
            )

        @cache
        def net_at(place: int) -> Net:
            return net.with_params(
                {
                    layer: [arrays[f"{place}:{layer}:{i}"] for i in range(len(shapes))]
                    for layer, shapes in net.param_shapes.items()
                }
            )

        def best_of(name: str) -> Best | None:
            if name not in facts:
                return None
            stage, epoch, accuracy, loss, place = facts[name]
            return Best(stage, epoch, accuracy, loss, net_at(place))

        solver = {
            name.removeprefix("solver:"): array
            for name, array in arrays.items()
            if name.startswith("solver:")
        }
        return cls(
            task,
            net_at(0),
            facts["stage"],
            facts["epoch"],
            best_of("best"),
            best_of("stage_best"),
            facts["log"],
            solver,
            facts["steps"],
            facts["frozen"],
        )
