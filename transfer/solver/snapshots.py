"""Snapshots as Caffe writes and names them, and taking one up again.

Caffe: Solver::Snapshot, SGDSolver::SnapshotSolverState and RestoreSolverState. Weights are written
first, and each file appears only when it is complete: a state that is there has its weights. What
Caffe does not keep, how many batches were read and where the random numbers are, stands in the
state as well, so that a run goes on exactly; Caffe reads over it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.caffe.solver_state import SolverState, read_solver_state, write_solver_state
from zoo.errors import ParseError, UsageError
from zoo.net import Net
from zoo.transfer.solver.events import Snapshotted

__all__ = ["Place", "check_prefix", "read_snapshot", "snapshot"]


@dataclass(frozen=True)
class Place:
    """Where a run is in its data and its random numbers.

    Attributes
    ----------
    seed : of the data's order and the like.
    batches : read for training.
    tested : read by each network that is tested.
    generators : of each layer that draws at random.
    """

    seed: int
    batches: int = 0
    tested: list[int] = field(default_factory=list)
    generators: dict[str, list[int]] = field(default_factory=dict)


def snapshot(
    solver: SolverParameter,
    folder: Path,
    net: Net,
    state: SolverState,
    place: Place,
) -> Snapshotted:
    """Write weights and state of an iteration; `state` needs no `learned_net`.

    Raises
    ------
    UnavailableError
        When the disk or a permission is in the way; what was there before is still there.
    """
    end = ".h5" if solver.snapshot_format == SolverParameter.HDF5 else ""
    stem = f"{solver.snapshot_prefix}_iter_{state.iter}"
    weights, path = f"{stem}.caffemodel{end}", f"{stem}.solverstate{end}"
    net.save(weights=folder / weights)
    write_solver_state(
        folder / path,
        SolverState(
            state.iter, weights, state.history, state.current_step, json.dumps(asdict(place))
        ),
    )
    return Snapshotted(state.iter, folder / weights, folder / path)


def check_prefix(solver: SolverParameter, folder: Path, net: Net) -> None:
    """Find out before training whether snapshots can be written.

    Raises
    ------
    UsageError
        When the folder is missing or not writable, or HDF5 cannot name the layers.
    """
    if not (solver.snapshot or solver.snapshot_after_train):
        return
    home = (folder / solver.snapshot_prefix).parent
    if not home.is_dir() or not os.access(home, os.W_OK):
        raise UsageError(
            f"snapshots cannot be written to the prefix {solver.snapshot_prefix!r}:"
            f" {home.resolve()} is"
            + (" not writable" if home.is_dir() else " no folder; make it first")
        )
    slashed = [layer.name for layer in net.layers if "/" in layer.name]
    if slashed and solver.snapshot_format == SolverParameter.HDF5:
        raise UsageError(
            f"snapshot_format: HDF5 cannot name {len(slashed)} layers, such as {slashed[0]!r}: a"
            " '/' separates groups there, and Caffe aborts when it writes them. Leave"
            " snapshot_format out for binary snapshots."
        )


def read_snapshot(path: Path, folder: Path) -> tuple[SolverState, Path, Place | None]:
    """The state in a file, the file of its weights, and its place if zoo wrote it.

    Raises
    ------
    UsageError
        When a file is missing; ParseError when it is no solver state.
    """
    state = read_solver_state(path)
    weights = folder / state.learned_net
    if not weights.is_file():
        # The snapshot may have been moved to another folder, or be used from another one.
        weights = path.parent / Path(state.learned_net).name
    if not state.learned_net or not weights.is_file():
        raise UsageError(
            f"{path} says that its weights are in {state.learned_net!r}, which is neither in"
            f" {folder.resolve()} nor beside it; put them there"
        )
    return state, weights, _place(state, path)


def _place(state: SolverState, path: Path) -> Place | None:
    if not state.beyond_caffe:
        return None
    try:
        facts: dict[str, Any] = json.loads(state.beyond_caffe)
        return Place(**facts)
    except (ValueError, TypeError) as error:
        raise ParseError(f"what zoo keeps in it is damaged: {error}", path) from None
