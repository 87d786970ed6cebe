"""Which networks a solver trains and tests, and where their data comes from.

Caffe: Solver::InitTrainNet and InitTestNets (src/caffe/solver.cpp). A network's state is the
solver's default for it, under what the definition says, under what `train_state` or `test_state`
say.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from zoo.caffe.lines import layer_lines_of_file
from zoo.caffe.read import read_definition
from zoo.caffe.schema.caffe_pb2 import TEST, TRAIN, NetParameter, NetState, Phase, SolverParameter
from zoo.errors import UsageError, WeightsError
from zoo.layers.kind import known_types, lookup
from zoo.net import Net
from zoo.prepare import prepare
from zoo.transfer.databases import Batch, OpenSource
from zoo.transfer.databases.ahead import ahead

__all__ = ["Feed", "Wanted", "open_net", "test_nets", "train_net", "with_weights"]


class Wanted:
    """One network that a solver asks for: its definition with its state, and where it stands."""

    def __init__(self, definition: NetParameter, path: Path | None, states: Sequence[NetState]):
        merged = NetState()
        for state in states:
            merged.MergeFrom(state)
        self.definition, self.path, self.state = definition, path, merged


def train_net(param: SolverParameter, folder: Path) -> Wanted:
    """The network to train.

    Raises
    ------
    UsageError
        When the solver names none, or its file cannot be read; ParseError when that is none.
    """
    if param.HasField("train_net_param") or param.HasField("net_param"):
        which = "train_net_param" if param.HasField("train_net_param") else "net_param"
        definition, path = getattr(param, which), None
    else:
        definition, path = _read(param.train_net or param.net, folder)
    return Wanted(definition, path, [NetState(phase=TRAIN), definition.state, param.train_state])


def test_nets(param: SolverParameter, folder: Path) -> list[Wanted]:
    """The networks to test, in Caffe's order: those of their own, then `net` for what is left."""
    found: list[tuple[NetParameter, Path | None]] = [(net, None) for net in param.test_net_param]
    found += [_read(name, folder) for name in param.test_net]
    while len(found) < len(param.test_iter):
        found.append(
            (param.net_param, None) if param.HasField("net_param") else _read(param.net, folder)
        )
    return [
        Wanted(
            definition,
            path,
            [NetState(phase=TEST), definition.state, *param.test_state[index : index + 1]],
        )
        for index, (definition, path) in enumerate(found)
    ]


def _read(name: str, folder: Path) -> tuple[NetParameter, Path]:
    path = folder / name
    if not path.is_file():
        raise UsageError(
            f"there is no network {name} in {folder.resolve()}. As in Caffe, paths in a solver are"
            " relative to the current folder: start where its paths begin, often the folder of the"
            " solver or that of Caffe itself."
        )
    return read_definition(path, known_types()), path


class Feed:
    """The batches of a network, from all of its data layers.

    Parameters
    ----------
    definition : of one phase, in the current format.
    open_source : opens a data layer, see `zoo.transfer.databases.open_source`.
    start : batches that were read before.

    Attributes
    ----------
    shapes : blob name to the shape that the first batch has.
    count : batches that were read.
    """

    def __init__(
        self,
        definition: NetParameter,
        phase: str,
        folder: Path,
        open_source: OpenSource,
        *,
        seed: int,
        start: int = 0,
    ) -> None:
        own_phase = {layer.name: _own_phase(layer, phase) for layer in definition.layer}
        sources = [
            open_source(layer, folder, own_phase[layer.name], seed=seed, start=start)
            for layer in definition.layer
            if _is_source(layer)
        ]
        if not sources:
            raise UsageError(
                f"the network {definition.name!r} has no data layer in phase {phase}, so there is"
                " nothing to run it on; see docs/training.md for those that can be read"
            )
        batches = _together(sources)
        first = next(batches)
        self.shapes = {name: array.shape for name, array in first.items()}
        self.count = start
        self._name, self._batches = definition.name, chain([first], batches)
        self._ready: Generator[Any] = ahead(iter(()))

    def prepare_by(self, function: Callable[[Batch], Any]) -> None:
        """What `next` gives is this function of each batch, computed ahead."""
        self._ready = ahead(map(function, self._batches))

    def next(self) -> Any:
        """The next batch, prepared.

        Raises
        ------
        UsageError
            When a source that was handed over has ended.
        """
        try:
            batch = next(self._ready)
        except StopIteration:
            raise UsageError(
                f"the data of {self._name!r} ended after {self.count} batches; a source has to go"
                " on for as long as it is asked, as Caffe's start again"
            ) from None
        self.count += 1
        return batch

    def close(self) -> None:
        """Read no more ahead."""
        self._ready.close()


def _together(sources: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    for parts in zip(*sources, strict=False):
        yield {name: array for part in parts for name, array in part.items()}


def _is_source(layer: Any) -> bool:
    kind = lookup(layer.type)
    return kind is not None and kind.is_source and not layer.bottom


def _own_phase(layer: Any, phase: str) -> str:
    return str(Phase.Name(layer.phase)) if layer.HasField("phase") else phase


def open_net(
    wanted: Wanted, folder: Path, open_source: OpenSource, *, seed: int, start: int = 0
) -> tuple[Net, Feed]:
    """A network without weights, and its batches."""
    phase = Phase.Name(wanted.state.phase)
    definition, report = prepare(
        wanted.definition,
        phase=phase,
        level=wanted.state.level,
        stages=wanted.state.stage,
        path=wanted.path,
        lines=layer_lines_of_file(wanted.path) if wanted.path else None,
    )
    definition.state.CopyFrom(wanted.state)
    feed = Feed(definition, phase, folder, open_source, seed=seed, start=start)
    net = Net(definition, phase=phase, shapes=feed.shapes, report=report)
    return net, feed


def with_weights(net: Net, files: Sequence[Path]) -> Net:
    """The network with what fits by name from each file; what no file has starts fresh.

    Raises
    ------
    WeightsError
        When a layer of that name has other shapes, or nothing of a file fits.
    """
    for path in files:
        net = net.load_weights(path, partial=True)
        if net.report.unfit:
            raise WeightsError(
                f"{path} has layers of the same name and another shape:\n"
                + "\n".join(f"  {name}: {why}" for name, why in net.report.unfit.items())
                + "\nTo start such a layer fresh give it another name, as for Caffe."
            )
    return net
