"""What a file is that was given as a caffemodel and is none, told from its first bytes.

Asked only after reading has failed: a caffemodel may begin with any of a few hundred byte pairs,
some of them printable (``\\n`` and a letter is a network's name), so a guess beforehand could
refuse a good file.
"""

from __future__ import annotations

import re

__all__ = ["describe"]

_FETCH_AGAIN = "Look at the address that it came from, and fetch the file itself."
_SIGNATURES = (
    (
        b"\x89HDF\r\n\x1a\n",
        "this is an HDF5 file. HDF5 snapshots are not read yet: in Caffe, write the weights with"
        " `snapshot_format: BINARYPROTO`.",
    ),
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
