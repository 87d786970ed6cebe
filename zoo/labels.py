"""The names of a model's classes: a text file with one line for each output, in order.

Caffe's own list for ImageNet starts each line with a WordNet id (``n01440764 tench, Tinca
tinca``); the id is left out of the names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import ParseError, UsageError

__all__ = ["check_labels", "read_labels"]

_SYNSET = re.compile(r"^n\d{8}\s+(?=\S)")


def read_labels(path: str | Path) -> list[str]:
    """Read a file of labels.

    Parameters
    ----------
    path : text in UTF-8, one label a line; blank lines at the end do not count.

    Returns
    -------
    The names in order, without a leading WordNet id (a line that is only an id keeps it).

    Raises
    ------
    UsageError
        If the file cannot be opened.
    ParseError
        If it is not UTF-8 text, has no labels, or has a blank line between them, which would
        shift every label behind it.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot read the labels: {error.strerror or error}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParseError(
            f"labels are not UTF-8 text (byte 0x{data[error.start]:02x}); save the file as UTF-8",
            path,
            line,
        ) from error
    if "\0" in text:
        raise ParseError("labels are not UTF-8 text (it holds NUL bytes); save it as UTF-8", path)
    lines = text.rstrip().split("\n")
    labels = [_SYNSET.sub("", line.strip(), count=1) for line in lines]
    if labels == [""]:
        raise ParseError("no labels; expected one line for each class", path)
    if "" in labels:
        raise ParseError(
            "a blank line between labels; expected one label on each line",
            path,
            labels.index("") + 1,
        )
    return labels


def check_labels(labels: Sequence[str], outputs: int, path: str | Path) -> None:
    """Refuse labels that cannot be those of a network's outputs.

    Parameters
    ----------
    labels : what :func:`read_labels` gave for `path`.
    outputs : how many classes the network has.

    Raises
    ------
    UsageError
        If the two numbers differ.

    Examples
    --------
    >>> check_labels(["cat", "dog"], 2, "labels.txt")
    """
    if len(labels) != outputs:
        raise UsageError(
            f"{path}: {len(labels)} labels, but the network has {outputs} outputs. Give the labels"
            " of this network, one line for each output, in the order of its classes."
        )
