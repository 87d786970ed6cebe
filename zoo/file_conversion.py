"""Files of Caffe's that need no network around them, rewritten in another of their formats.

A definition or a binary caffemodel of any era becomes one in the current format, as Caffe's
upgrade_net_proto_text and upgrade_net_proto_binary make it; a mean file and a solver state change
between their two formats. What was written is read again and compared before it gets its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from zoo.caffe.mapped_file import map_file
from zoo.caffe.mean import read_mean, write_mean
from zoo.caffe.read import read_definition
from zoo.caffe.replacing import staged
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.sniff import FileKind, recognise
from zoo.caffe.solver_state import read_solver_state, write_solver_state
from zoo.caffe.upgrade import upgrade
from zoo.caffe.weights import read_weights
from zoo.caffe.write import prototxt_text, write_prototxt
from zoo.errors import ParseError, UsageError, VerificationError
from zoo.layers.kind import known_types

__all__ = ["check_equal", "convert_file", "upgrade_definition", "upgrade_weights"]


def convert_file(
    source: str | Path, target: str | Path, *, force: bool = False
) -> tuple[FileKind, list[str]]:
    """Rewrite a mean file, a solver state or a binary caffemodel; which it is, its content tells.

    Parameters
    ----------
    source : the file.
    target : the file to make; its suffix says the format.
    force : replace a file that is there.

    Returns
    -------
    What the file is, and what was changed, in sentences.

    Raises
    ------
    UsageError : the source is of no such kind, or the target of another; or it exists.
    VerificationError : what was written is not what was read. Nothing is kept of it.
    """
    source, target = Path(source), Path(target)
    kind = recognise(map_file(source), source)
    notes: list[str] = []
    if kind is FileKind.MEAN:
        _check_suffix(target, kind, (".npy", ".binaryproto"))
        _convert_mean(source, target, force)
    elif kind is FileKind.SOLVER_STATE:
        _check_suffix(target, kind, (".solverstate", ".h5"))
        _convert_solver_state(source, target, force)
    elif kind is FileKind.WEIGHTS and target.suffix == ".caffemodel":
        notes = upgrade_weights(source, target, force=force)
    else:
        raise UsageError(
            f"{source} is {kind}; it cannot become {target} by itself. A network is converted with"
            " its definition and its weights: --net FILE --weights FILE."
        )
    return kind, notes


def upgrade_definition(source: str | Path, target: str | Path, *, force: bool = False) -> list[str]:
    """Write a definition of any era, text or binary, as text in the current format.

    Every phase's layers stay, as with Caffe's upgrade_net_proto_text.

    Returns
    -------
    What was upgraded, in sentences; nothing for a current definition.

    Raises
    ------
    ParseError, NetError
    UsageError : the target exists and `force` is not set.
    VerificationError : what was written is not what was meant.
    """
    definition, notes = upgrade(read_definition(source, known_types()))
    with staged([Path(target)], force=force) as (file,):
        write_prototxt(file, definition)
        # Compared as text: the indentation of a field that no schema knows may change.
        if prototxt_text(read_definition(file, known_types())) != prototxt_text(definition):
            raise VerificationError(f"{target}: the text does not read as the same definition")
    return notes


def upgrade_weights(source: str | Path, target: str | Path, *, force: bool = False) -> list[str]:
    """Write a binary caffemodel of any era in the current format, blobs as they are.

    Returns
    -------
    What was upgraded, in sentences.

    Raises
    ------
    ParseError, NetError, WeightsError
    UsageError : the source is HDF5, the target exists and `force` is not set.
    VerificationError : a blob that was written is not the one that was read.
    """
    source = Path(source)
    weights = read_weights(source)
    if weights.format == "hdf5":
        raise UsageError(
            f"{source} is HDF5, which does not say of which types layers are: give the definition"
            " too, --net FILE --weights FILE."
        )
    try:
        message = NetParameter.FromString(source.read_bytes())
    except DecodeError as error:
        raise ParseError("protobuf cannot read this file. Fetch it again.", source) from error
    upgraded, notes = upgrade(message)
    with staged([Path(target)], force=force) as (file,):
        file.write_bytes(upgraded.SerializeToString(deterministic=True))
        written = read_weights(file)
        if list(written) != list(weights):
            raise VerificationError(f"{target}: other layers have weights than in {source}")
        for name, blobs in weights.items():
            check_equal(f"{target}: layer {name!r}", written[name], blobs)
    return notes


def check_equal(
    what: str, received: Sequence[np.ndarray | None], expected: Sequence[np.ndarray | None]
) -> None:
    """Compare blobs bit for bit.

    Raises
    ------
    VerificationError : names the blob that differs.
    """
    if len(received) != len(expected):
        raise VerificationError(f"{what}: {len(received)} blobs, expected {len(expected)}")
    for index, (one, other) in enumerate(zip(received, expected, strict=True)):
        same = one is other or (
            one is not None
            and other is not None
            and one.shape == other.shape
            and np.array_equal(_bits(one), _bits(other))
        )
        if not same:
            raise VerificationError(f"{what}: blob {index} is not what was to be written")


def _bits(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32, order="C").reshape(-1).view(np.uint32)


def _convert_mean(source: Path, target: Path, force: bool) -> None:
    mean = read_mean(source)
    with staged([target], force=force) as (file,):
        write_mean(file, mean)
        check_equal(str(target), [read_mean(file)], [mean])


def _convert_solver_state(source: Path, target: Path, force: bool) -> None:
    state = read_solver_state(source)
    with staged([target], force=force) as (file,):
        write_solver_state(file, state)
        again = read_solver_state(file)
        check_equal(str(target), again.history, state.history)
        for name in ("iter", "learned_net", "current_step"):
            if getattr(again, name) != getattr(state, name):
                raise VerificationError(f"{target}: {name} is not what was to be written")


def _check_suffix(target: Path, kind: FileKind, suffixes: Sequence[str]) -> None:
    if target.suffix not in suffixes:
        raise UsageError(
            f"{target}: this is {kind}, which cannot be written as {target.suffix or 'a folder'};"
            f" expected a name that ends with {' or '.join(suffixes)}."
        )
