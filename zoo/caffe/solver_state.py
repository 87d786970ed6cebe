"""Solver states, what Caffe needs besides the weights to go on training: ``.solverstate`` and
``.solverstate.h5``.

``SGDSolver::SnapshotSolverState`` (caffe/solvers/sgd_solver.cpp) writes the number of iterations
done, the name of the weights of the same moment, the step of the learning rate's policy, and the
history of the solver: for SGD, Nesterov, AdaGrad and RMSProp one blob for each learned param in the
order of the net, for Adam the means of all params and then their squares, for AdaDelta the squares
of all gradients and then of all updates. A param that layers share counts once.

What zoo needs besides, to go on exactly where it was, stands in a field of its own, which Caffe
ignores.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.caffe.blob import read_blob
from zoo.caffe.hdf5 import created_hdf5, read_dataset, write_dataset
from zoo.caffe.hdf5_layout import HDF5_SIGNATURE, HDF5File
from zoo.caffe.mapped_file import map_file
from zoo.caffe.pieces import Piece, blob_pieces, varint_field, write_pieces
from zoo.caffe.pieces import field as length_field
from zoo.caffe.replacing import replacing
from zoo.caffe.schema.caffe_pb2 import SolverState as StateMessage
from zoo.caffe.sniff import FileKind, check_kind
from zoo.caffe.wire import LENGTH, VARINT, Wire
from zoo.errors import ParseError, UsageError, WeightsError

__all__ = ["SolverState", "read_solver_state", "write_solver_state"]

_ITER = StateMessage.ITER_FIELD_NUMBER
_LEARNED_NET = StateMessage.LEARNED_NET_FIELD_NUMBER
_HISTORY = StateMessage.HISTORY_FIELD_NUMBER
_CURRENT_STEP = StateMessage.CURRENT_STEP_FIELD_NUMBER
_BEYOND_CAFFE = 20150
"""The field of what zoo adds; Caffe's own numbers end at 4."""
_BEYOND_CAFFE_NAME = "zoo"
_LARGEST_INT = 2**31 - 1


@dataclass(frozen=True)
class SolverState:
    """Where a solver was.

    Attributes
    ----------
    iter : iterations done.
    learned_net : name of the file of the weights, as the solver wrote it.
    history : the solver's blobs in its order, float32 arrays of the params' shapes.
    current_step : how often a `step` or `multistep` policy has lowered the rate.
    beyond_caffe : text that zoo keeps with it; empty in a file of Caffe's.
    """

    iter: int
    learned_net: str = ""
    history: Sequence[NDArray[np.float32]] = field(default_factory=tuple)
    current_step: int = 0
    beyond_caffe: str = ""


def read_solver_state(path: str | os.PathLike[str]) -> SolverState:
    """A solver state of either format, told by its content; history lies in the file's map.

    Raises
    ------
    ParseError : cut, damaged, or something else.
    UsageError : there is no such file, or a blob contradicts itself.
    UnavailableError : the system does not let the file be read.
    """
    path = Path(path)
    mapping = map_file(path, ".solverstate")
    check_kind(mapping, path, FileKind.SOLVER_STATE)
    if mapping[: len(HDF5_SIGNATURE)] == HDF5_SIGNATURE:
        return _read_hdf5(path, mapping)
    return _read_binary(path, mapping)


def write_solver_state(path: str | os.PathLike[str], state: SolverState) -> None:
    """Write a solver state as Caffe does: to HDF5 when the name ends with ``.h5``, else binary.

    Raises
    ------
    UsageError : a number that Caffe's integers cannot hold.
    UnavailableError : the disk or a permission is in the way.
    """
    path = Path(path)
    for name, value in (("iter", state.iter), ("current_step", state.current_step)):
        if not 0 <= value <= _LARGEST_INT:
            raise UsageError(f"{path}: {name} is {value}; expected 0 to {_LARGEST_INT}")
    if path.suffix == ".h5":
        _write_hdf5(path, state)
        return
    pieces: list[Piece] = [varint_field(_ITER, state.iter)]
    pieces += length_field(_LEARNED_NET, [state.learned_net.encode()])
    for blob in state.history:
        pieces += length_field(_HISTORY, blob_pieces(np.asarray(blob, np.float32)))
    pieces.append(varint_field(_CURRENT_STEP, state.current_step))
    if state.beyond_caffe:
        pieces += length_field(_BEYOND_CAFFE, [state.beyond_caffe.encode()])
    write_pieces(path, pieces)


def _read_binary(path: Path, mapping: mmap.mmap) -> SolverState:
    wire = Wire(mapping, path)
    numbers: dict[int, int] = {}
    texts: dict[int, str] = {}
    history: list[NDArray[np.float32]] = []
    for number, kind, first, last in wire.fields(0, wire.size):
        if kind == VARINT and number in (_ITER, _CURRENT_STEP):
            numbers[number] = first & _LARGEST_INT
        elif kind == LENGTH and number in (_LEARNED_NET, _BEYOND_CAFFE):
            texts[number] = mapping[first:last].decode("utf-8", "replace")
        elif kind == LENGTH and number == _HISTORY:
            history.append(_history_blob(path, len(history), read_blob, wire, first, last))
    if _ITER not in numbers:
        raise ParseError("no solver state: it does not say after which iteration", path)
    return SolverState(
        numbers[_ITER],
        texts.get(_LEARNED_NET, ""),
        history,
        numbers.get(_CURRENT_STEP, 0),
        texts.get(_BEYOND_CAFFE, ""),
    )


def _read_hdf5(path: Path, mapping: mmap.mmap) -> SolverState:
    file = HDF5File(mapping, path)
    found = file.links(file.root) or {}
    if "iter" not in found or "history" not in found:
        raise ParseError("no solver state: there is no `iter` or no `history` in it", path)
    members = file.links(found["history"]) or {}
    history: list[NDArray[np.float32]] = []
    for index in range(len(members)):
        if str(index) not in members:
            raise ParseError(f"of {len(members)} history blobs number {index} is missing", path)
        history.append(_history_blob(path, index, read_dataset, file, members[str(index)]))
    texts = [_single(file, found, name, "S") or b"" for name in ("learned_net", _BEYOND_CAFFE_NAME)]
    learned_net, beyond_caffe = (text.decode("utf-8", "replace") for text in texts)
    return SolverState(
        int(_single(file, found, "iter", "iu") or 0),
        learned_net,
        history,
        int(_single(file, found, "current_step", "iu") or 0),
        beyond_caffe,
    )


def _write_hdf5(path: Path, state: SolverState) -> None:
    """As hdf5_save_int and hdf5_save_string (caffe/util/hdf5.cpp) write numbers and names."""
    with replacing(path) as partial, created_hdf5(partial) as file:
        file.create_dataset("iter", data=np.array([state.iter], "<i4"), track_times=False)
        _write_text(file, "learned_net", state.learned_net)
        step = np.array([state.current_step], "<i4")
        file.create_dataset("current_step", data=step, track_times=False)
        group = file.create_group("history")
        for index, blob in enumerate(state.history):
            write_dataset(group, str(index), np.asarray(blob))
        if state.beyond_caffe:
            _write_text(file, _BEYOND_CAFFE_NAME, state.beyond_caffe)


def _write_text(file: Any, name: str, text: str) -> None:
    encoded = text.encode()
    # With room for the zero that ends it in C.
    array = np.array(encoded, f"S{len(encoded) + 1}")
    file.create_dataset(name, data=array, track_times=False)


def _single(file: HDF5File, found: Mapping[str, int], name: str, kinds: str) -> Any:
    """The one value of a dataset of one of numpy's `kinds`; None where there is none."""
    if name not in found:
        return None
    dataset = file.dataset(found[name])
    if dataset is None or dataset.dtype is None or dataset.dtype.kind not in kinds:
        raise ParseError(f"{name} is not of the type that Caffe writes", file.path)
    if math.prod(dataset.shape) != 1:
        raise ParseError(f"{name} is not one value", file.path)
    return file.values(dataset).reshape(-1)[0]


def _history_blob(path: Path, index: int, read: Any, *place: Any) -> NDArray[np.float32]:
    """One blob of the history; an error says which one it is about."""
    try:
        blob: NDArray[np.float32] = read(*place)
    except WeightsError as error:
        raise ParseError(f"history blob {index}: {error}", path) from None
    return blob
