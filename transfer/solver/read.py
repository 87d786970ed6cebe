"""Reading a solver.prototxt as Caffe does: what is old is rewritten, what is not known is refused.

Caffe: ReadSolverParamsFromTextFileOrDie (src/caffe/util/upgrade_proto.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.caffe.read import parse_message
from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.errors import ParseError, UsageError

__all__ = ["SolverFile", "field_lines", "read_solver"]

_TYPES = {
    SolverParameter.SGD: "SGD",
    SolverParameter.NESTEROV: "Nesterov",
    SolverParameter.ADAGRAD: "AdaGrad",
    SolverParameter.RMSPROP: "RMSProp",
    SolverParameter.ADADELTA: "AdaDelta",
    SolverParameter.ADAM: "Adam",
}
_TOKEN = re.compile(
    r"#[^\n]*|(?P<field>\w+)\s*(?::|(?=[{<]))|(?P<open>[{<])|(?P<close>[}>])"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
)


@dataclass(frozen=True)
class SolverFile:
    """A solver as it was read.

    Attributes
    ----------
    param : in the current format, with a `snapshot_prefix` in any case.
    path : as it was given.
    lines : field to the lines on which it stands, counted from 1, outside of messages.
    notes : what was rewritten, one sentence each.
    """

    param: SolverParameter
    path: str
    lines: dict[str, list[int]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def place(self, name: str) -> str:
        """File and line of a field, or the file where it does not stand there."""
        return ":".join([self.path, *map(str, self.lines.get(name, [])[-1:])])


def read_solver(path: str | Path, folder: Path = Path()) -> SolverFile:
    """The solver in a file.

    Parameters
    ----------
    path : of the file, relative to `folder`.
    folder : what the paths in the solver are relative to; Caffe's is the current folder.

    Raises
    ------
    UsageError
        When the file cannot be opened; ParseError with file and line when it is no solver.
    """
    try:
        text = (folder / path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"cannot read the solver {path}: {reason}") from None
    if not text.strip():
        raise ParseError("the file is empty; expected a solver", path)
    param = SolverParameter()
    parse_message(text, param, path)
    lines = field_lines(text)
    notes = [*_upgrade_type(param, path, lines), *_complete_prefix(param, path, folder)]
    return SolverFile(param, str(path), lines, notes)


def field_lines(text: str) -> dict[str, list[int]]:
    """The lines on which each field stands that is in no message, counted from 1.

    >>> field_lines('net: "a"\\ntrain_state { level: 1 }\\nstepvalue: 1 stepvalue: 2')
    {'net': [1], 'train_state': [2], 'stepvalue': [3, 3]}
    """
    lines: dict[str, list[int]] = {}
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
        elif token["field"] and depth == 0:
            lines.setdefault(token["field"], []).append(text.count("\n", 0, token.start()) + 1)
    return lines


def _upgrade_type(
    param: SolverParameter, path: str | Path, lines: dict[str, list[int]]
) -> list[str]:
    """The enum `solver_type` of old files as the name that `type` has now."""
    if not param.HasField("solver_type"):
        return []
    if param.HasField("type"):
        raise ParseError(
            "both the old field solver_type and the new field type are there; Caffe takes one of"
            " them. Remove solver_type.",
            path,
            lines["solver_type"][-1],
        )
    param.type = _TYPES[param.solver_type]
    param.ClearField("solver_type")
    return [f'The old field solver_type was read as type: "{param.type}".']


def _complete_prefix(param: SolverParameter, path: str | Path, folder: Path) -> list[str]:
    """A prefix for snapshots where there is none, and a name to it where it is only a folder."""
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = str(Path(path).with_suffix(""))
        return [f"snapshot_prefix is not given and was set to {param.snapshot_prefix!r}."]
    if (folder / param.snapshot_prefix).is_dir():
        param.snapshot_prefix = str(Path(param.snapshot_prefix) / Path(path).stem)
        return [f"snapshot_prefix is a folder and was set to {param.snapshot_prefix!r}."]
    return []
