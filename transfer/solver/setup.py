"""Everything that a run needs, opened and built: networks, data, weights, a snapshot."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.caffe.solver_state import SolverState
from zoo.errors import UsageError
from zoo.net import Net
from zoo.tensorflow_import import import_tensorflow
from zoo.transfer.databases import OpenSource
from zoo.transfer.databases import open_source as open_files
from zoo.transfer.solver.labels import LabelCheck
from zoo.transfer.solver.nets import Feed, Wanted, open_net, test_nets, train_net, with_weights
from zoo.transfer.solver.snapshots import Place, check_prefix, read_snapshot
from zoo.transfer.solver.step import TrainingStep
from zoo.transfer.solver.trial import Trial

__all__ = ["Setup", "chosen_device", "set_up", "starting_weights"]


@dataclass
class Setup:
    """A run before its first iteration.

    Attributes
    ----------
    step, feed : the network to train and its batches.
    trials : the networks to test.
    state : iterations done and the policy's step.
    seed : of the data's order and the like.
    notes : what came from where, in sentences.
    fresh : layers whose weights were drawn at random.
    """

    step: TrainingStep
    feed: Feed
    trials: list[Trial]
    state: SolverState
    seed: int
    notes: list[str] = field(default_factory=list)
    fresh: frozenset[str] = frozenset()


def set_up(
    param: SolverParameter,
    folder: Path,
    weights: Sequence[Path],
    snapshot: Path | None,
    device: str | None,
    open_source: OpenSource,
) -> Setup:
    """Open and build what a solver needs; arguments and errors are those of `train`."""
    state, place, notes = SolverState(0), None, []
    if snapshot is not None:
        state, saved, place = read_snapshot(snapshot, folder)
        notes.append(_resumed(snapshot, state, place))
    place = place or Place(_seed(param))
    wanted = train_net(param, folder)
    net, feed = open_net(wanted, folder, open_source, seed=place.seed, start=place.batches)
    check_prefix(param, folder, net)
    check = _label_check(net, folder, open_source)
    if snapshot is not None:
        net = net.load_weights(saved)
    net = with_weights(net, weights)
    notes += _copied(net, weights)
    history = None if snapshot is None else state.history
    step = TrainingStep(
        net.initialized(place.seed), param, device, history=history, seed=place.seed
    )
    step.model.generators = place.generators
    feed.prepare_by(lambda batch: step.model.arrays(check(batch)))
    starts = chain(place.tested, repeat(0))
    trials = [
        _trial(each, start, net, folder, weights, place.seed, device, open_source)
        for each, start in zip(test_nets(param, folder), starts, strict=False)
    ]
    fresh = frozenset(net.param_shapes.keys() - net.params.keys())
    return Setup(step, feed, trials, state, place.seed, notes, fresh)


def starting_weights(
    param: SolverParameter, folder: Path, given: Sequence[str | Path], snapshot: str | Path | None
) -> list[Path]:
    """The files to start from; as in Caffe a solver may name several between commas.

    Raises
    ------
    UsageError
        When both weights and a snapshot are given.
    """
    if given and snapshot is not None:
        raise UsageError(
            "give weights to fine-tune or a snapshot to go on from, not both: a snapshot has"
            " weights of its own"
        )
    if given or snapshot is not None:
        return [folder / path for path in given]
    return [folder / name.strip() for names in param.weights for name in names.split(",")]


def chosen_device(param: SolverParameter, device: str | None) -> str | None:
    """The device that was asked for, else the one that the solver says, where there is one."""
    if device is not None:
        return device
    if not param.HasField("solver_mode"):
        return None
    if param.solver_mode == SolverParameter.CPU:
        return "cpu"
    return f"gpu:{param.device_id}" if _gpus() else None


def _gpus() -> int:
    import_tensorflow()
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def _seed(param: SolverParameter) -> int:
    return int(param.random_seed) if param.random_seed >= 0 else secrets.randbelow(2**31)


def _trial(
    wanted: Wanted,
    start: int,
    trained: Net,
    folder: Path,
    weights: Sequence[Path],
    seed: int,
    device: str | None,
    open_source: OpenSource,
) -> Trial:
    net, feed = open_net(wanted, folder, open_source, seed=seed, start=start)
    _label_check(net, folder, open_source)
    # What both networks have comes from the one under training before each test.
    if not net.param_shapes.keys() <= trained.param_shapes.keys():
        net = with_weights(net, weights)
    return Trial(net.initialized(seed), feed, device)


def _label_check(net: Net, folder: Path, open_source: OpenSource) -> LabelCheck:
    """What looks at the labels of each batch, when it has looked at those in files."""
    check = LabelCheck(net)
    if open_source is open_files:
        check.stored(folder)
    return check


def _resumed(path: Path, state: SolverState, place: Place | None) -> str:
    how = (
        "exactly where it was"
        if place is not None
        else "as Caffe does: its data starts at the first row again"
    )
    return f"Going on from {path} after {state.iter} iterations, {how}."


def _copied(net: Net, weights: Sequence[Path]) -> list[str]:
    if not weights:
        return []
    fresh = [name for name in net.param_shapes if name not in net.params]
    copied = len(net.param_shapes) - len(fresh)
    names = ", ".join(map(str, weights))
    return [
        f"{copied} {'layer starts' if copied == 1 else 'layers start'} from {names}"
        + (f"; these start fresh: {', '.join(fresh)}." if fresh else ".")
    ]
