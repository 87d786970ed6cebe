"""Every error that zoo raises on purpose.

    ZooError                     exit 1 where nothing better is known
    ├── UsageError               exit 2: what was asked for cannot be done as asked
    │   ├── ParseError           a file that is not what its format says; names file, line, column
    │   ├── NetError             a network that makes no sense; names the layer
    │   │   ├── ShapeError       a blob that does not fit a layer
    │   │   ├── MissingShapeError    a data source that cannot be opened needs a shape
    │   │   └── UnsupportedLayersError   kinds of layer that are not known, all of them
    │   ├── WeightsError         weights that do not belong to the network
    │   ├── CardError            a readme that describes no model
    │   ├── PublishError         what has to be put right before a model is published
    │   └── ImageError           a picture that cannot be read
    ├── VerificationError        exit 3: what came is not what was promised
    │   └── HashMismatchError
    └── UnavailableError         exit 4: network, disk, permission, or an optional part is missing
        ├── UnknownModelError    no source has a model of that name
        └── DownloadError        no address gave the file

A message is one or more sentences: what is wrong and where, what was expected and what came, and
what to do next. Exceptions carry fields, so that programs need not read the text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "CardError",
    "DownloadError",
    "HashMismatchError",
    "ImageError",
    "MissingShapeError",
    "NetError",
    "ParseError",
    "PublishError",
    "ShapeError",
    "UnavailableError",
    "UnknownModelError",
    "UnsupportedLayersError",
    "UsageError",
    "VerificationError",
    "WeightsError",
    "ZooError",
    "did_you_mean",
    "near_names",
]


class ZooError(Exception):
    """Anything zoo says on purpose. `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(ZooError):
    """What was asked for cannot be done as asked: an argument, a file, a name."""

    exit_code = 2


class ParseError(UsageError):
    """A file that is not what its format says.

    Parameters
    ----------
    message : what is wrong, without the place.
    path : the file, or a word such as ``<string>``.
    line, column : where, counted from 1; None for binary files.
    """

    def __init__(
        self,
        message: str,
        path: str | Path = "<string>",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.path, self.line, self.column = str(path), line, column
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {message}")


class NetError(UsageError):
    """A network that makes no sense. `layer` is the name of the layer, if one is to blame."""

    def __init__(self, message: str, layer: str | None = None) -> None:
        self.layer = layer
        super().__init__(f"layer {layer!r}: {message}" if layer else message)


class ShapeError(NetError):
    """A blob whose shape does not fit the layer that reads it."""


class MissingShapeError(NetError):
    """A data source that cannot be opened here and was given no shape. `blobs` are its tops."""

    def __init__(self, message: str, layer: str, blobs: Sequence[str]) -> None:
        self.blobs = tuple(blobs)
        super().__init__(message, layer)


class UnsupportedLayersError(NetError):
    """Kinds of layer that zoo does not know: `kinds` maps each type to the layers that have it."""

    def __init__(self, kinds: dict[str, list[str]], known: Iterable[str]) -> None:
        self.kinds = kinds
        known = sorted(known)
        lines = []
        for kind, layers in kinds.items():
            named = ", ".join(repr(name) for name in layers[:5])
            more = f" and {len(layers) - 5} more" if len(layers) > 5 else ""
            lines.append(
                f"  {kind} ({len(layers)}): {named}{more}{did_you_mean(kind, known, '; nearest: ')}"
            )
        super().__init__(
            f"{len(kinds)} kind(s) of layer are not supported, so nothing was built:\n"
            + "\n".join(lines)
            + "\nTo go on: cut the network before the first of them by asking for an earlier blob,"
            " or add the kind with @zoo.layer in a file of your own and name that with --plugin"
            " (docs/plugins.md)." + _python_hint(kinds)
        )


def _python_hint(kinds: Iterable[str]) -> str:
    """What to do about Python layers, if there are any among the kinds."""
    python = [kind for kind in kinds if kind.startswith("Python:")]
    if not python:
        return ""
    return (
        " The code of a Python layer is never executed; a kind with"
        f' @zoo.layer("{python[0]}") takes its place.'
    )


class WeightsError(UsageError):
    """Weights that do not belong to the network, or that cannot be read."""


class CardError(UsageError):
    """A readme that describes no model, or describes it badly. `line` is where, if it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)


class ImageError(UsageError):
    """A picture that cannot be read."""


class PublishError(UsageError):
    """What has to be put right before a model is published; `flaws` holds all of it.

    Parameters
    ----------
    name : the model.
    flaws : one for each, with `file`, `line` and `text`; as text it is one line.
    """

    def __init__(self, name: str, flaws: Sequence[object]) -> None:
        self.flaws = tuple(flaws)
        lines = "".join(f"\n  {flaw}" for flaw in flaws)
        things = "one thing has" if len(self.flaws) == 1 else f"{len(self.flaws)} things have"
        super().__init__(f"{things} to be put right before {name} can be published:{lines}")


class VerificationError(ZooError):
    """What came is not what was promised."""

    exit_code = 3


class HashMismatchError(VerificationError):
    """A file whose hash is not the one its card gives. Both hashes are fields."""

    def __init__(self, message: str, *, algorithm: str, expected: str, received: str) -> None:
        self.algorithm, self.expected, self.received = algorithm, expected, received
        super().__init__(message)


class UnavailableError(ZooError):
    """The network, the disk, a permission or an optional part is not there."""

    exit_code = 4


class UnknownModelError(UnavailableError):
    """No source has a model of that name. `suggestions` are the nearest names."""

    def __init__(self, name: str, known: Iterable[str], where: str) -> None:
        self.name = name
        self.suggestions = near_names(name, known)
        hint = f" Did you mean {' or '.join(self.suggestions)}?" if self.suggestions else ""
        super().__init__(
            f"no model named {name!r} in {where}.{hint} `zoo list` shows all that are known."
        )


class DownloadError(UnavailableError):
    """No address gave the file. `attempts` holds (url, reason) for each that was tried."""

    def __init__(self, message: str, attempts: Sequence[tuple[str, str]] = ()) -> None:
        self.attempts = tuple(attempts)
        super().__init__(message)


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """At most three known names that look like `name`, and no worse than the nearest by much.

    >>> near_names("alexnt", ["alexnet", "bvlc_alexnet", "nin"])
    ['alexnet']
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    likeness = [difflib.SequenceMatcher(None, other, name).ratio() for other in near]
    return [other for other, ratio in zip(near, likeness, strict=True) if ratio > likeness[0] - 0.1]


def did_you_mean(word: str, known: Iterable[str], lead: str = " Did you mean ") -> str:
    """The nearest known word as the end of a sentence, or nothing.

    >>> did_you_mean("kernal_size", ["kernel_size", "stride"])
    ' Did you mean kernel_size?'
    >>> did_you_mean("zzz", ["kernel_size"])
    ''
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    end = "?" if lead.strip().startswith("Did") else ""
    return f"{lead}{near[0]}{end}" if near else ""
