"""What a file is, told from its content and never from its name.

`recognise` says which of Caffe's kinds of file one is, from its signature or from the fields that
its message begins with. `describe` says what a file is that was given as a caffemodel and is none.
It is asked only after reading has failed: a caffemodel may begin with any of a few hundred byte
pairs, some of them printable (``\\n`` and a letter is a network's name), so a guess beforehand
could refuse a good file.
"""

from __future__ import annotations

import mmap
import re
from enum import StrEnum
from pathlib import Path

from zoo.caffe.hdf5_layout import HDF5_SIGNATURE, HDF5File
from zoo.caffe.wire import LENGTH, VARINT, Wire
from zoo.errors import ParseError

__all__ = ["FileKind", "check_kind", "describe", "recognise"]

_FETCH_AGAIN = "Look at the address that it came from, and fetch the file itself."
_SIGNATURES = (
    (
        b"version https://git-lfs",
        "this is a Git LFS pointer, not the file that it stands for. Run `git lfs pull`.",
    ),
    (b"PK\x03\x04", "this is a zip archive. Unpack it and give the .caffemodel inside."),
    (b"\x1f\x8b", "this is a gzip archive. Unpack it and give the .caffemodel inside."),
    (b"BZh", "this is a bzip2 archive. Unpack it and give the .caffemodel inside."),
    (b"\x93NUMPY", "this is a numpy array (.npy), not a caffemodel."),
    (
        b"\x08",
        "this begins like a solver state or a mean image (.solverstate, .binaryproto), not like"
        " a network. Give the .caffemodel.",
    ),
)
_HTML = re.compile(rb"\s*<(!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
_SOLVER = re.compile(r"^\s*(net|train_net|base_lr|lr_policy|max_iter)\s*:", re.MULTILINE)
_PROTOTXT = re.compile(r"^\s*(name|input|input_dim|input_shape|layers?)\s*[:{]", re.MULTILINE)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def describe(head: bytes) -> str | None:
    """What the file is and what to do instead; None where its beginning says nothing.

    Parameters
    ----------
    head : the first bytes of the file, a few thousand.

    >>> describe(b"<!DOCTYPE html><html><body>Not found")[:19]
    'this is a web page,'
    """
    for signature, message in _SIGNATURES:
        if head.startswith(signature):
            return message
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        return f"this is a web page, not a caffemodel. {_FETCH_AGAIN}"
    if head and not head.strip(b"\0"):
        return "this is a file of zeros, not a caffemodel. Fetch it again."
    if _CONTROL.search(head):
        return None
    text = head.decode("utf-8", "replace")
    if _SOLVER.search(text):
        return "this is the text of a solver (prototxt), not weights. Give the .caffemodel."
    if _PROTOTXT.search(text):
        return (
            "this is the text of a network (prototxt), not its weights. Give the .caffemodel here"
            " and the prototxt as the network."
        )
    return f"this is a text file, not a caffemodel. {_FETCH_AGAIN}"


class FileKind(StrEnum):
    """The kinds of file that Caffe and its Python binding have, as a sentence names them."""

    DEFINITION = "the text of a network (.prototxt)"
    WEIGHTS = "weights (.caffemodel, .caffemodel.h5)"
    SOLVER_STATE = "a solver state (.solverstate, .solverstate.h5)"
    MEAN = "a mean file (.binaryproto, .npy)"
    UNKNOWN = "a file of another kind"


def recognise(content: bytes | mmap.mmap, path: Path) -> FileKind:
    """Which kind of Caffe's a file is of.

    Parameters
    ----------
    content : the file's bytes, or its map.
    path : the file's name for error messages.

    >>> recognise(b'name: "LeNet"', Path("lenet"))
    <FileKind.DEFINITION: 'the text of a network (.prototxt)'>
    """
    if content[: len(HDF5_SIGNATURE)] == HDF5_SIGNATURE:
        return _hdf5_kind(HDF5File(content, path))
    if content[:6] == b"\x93NUMPY":
        return FileKind.MEAN
    head = content[:4096]
    if not _CONTROL.search(head):
        text = head.decode("utf-8", "replace")
        if not _HTML.match(head) and not _SOLVER.search(text) and _PROTOTXT.search(text):
            return FileKind.DEFINITION
    return _message_kind(Wire(content, path))


def check_kind(content: bytes | mmap.mmap, path: Path, expected: FileKind) -> None:
    """Refuse a file of another kind than the expected one; one of no known kind may pass.

    Raises
    ------
    ParseError : says what it is instead.
    """
    found = recognise(content, path)
    if found not in (expected, FileKind.UNKNOWN):
        raise ParseError(f"this is {found}; expected {expected}", path)


def _hdf5_kind(file: HDF5File) -> FileKind:
    try:
        found = file.links(file.root) or {}
        if "history" in found:
            return FileKind.SOLVER_STATE
        has_layers = "data" in found and file.links(found["data"]) is not None
    except ParseError:
        return FileKind.UNKNOWN
    return FileKind.WEIGHTS if has_layers else FileKind.UNKNOWN


def _message_kind(wire: Wire) -> FileKind:
    """The message whose fields these can be: field 1 of a network is a name, field 2 of a mean a
    number; a solver state has a number and then a name."""
    try:
        counted = False
        for number, kind, _, _ in wire.fields(0, wire.size):
            if number == 1:
                counted = kind == VARINT
                if not counted:
                    return FileKind.WEIGHTS
            elif number in (2, 3) and kind == LENGTH:
                return FileKind.SOLVER_STATE if counted else FileKind.WEIGHTS
            elif number in (2, 3, 5, 7, 8):
                return FileKind.MEAN
            elif number == 4 and counted:
                return FileKind.SOLVER_STATE
            elif number == 100:
                return FileKind.WEIGHTS
    except ParseError:
        return FileKind.UNKNOWN
    return FileKind.SOLVER_STATE if counted else FileKind.UNKNOWN
