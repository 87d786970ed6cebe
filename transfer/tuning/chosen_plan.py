"""Which plan is followed, and the rate that a preset of it is relative to."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.transfer.plan import ORIGINAL_RATE, Plan
from zoo.transfer.plan_file import read_plan
from zoo.transfer.presets import preset

__all__ = ["chosen_plan"]


def chosen_plan(
    stages: str | Path | Plan, source: LoadedModel, original_rate: float | None, pictures: int
) -> tuple[Plan, list[str]]:
    """The plan, and notes of what was assumed.

    Parameters
    ----------
    stages : the name of a plan, see `zoo.transfer.presets.preset`; a file with one; or one.
    source : the model; a solver.prototxt beside it says at which rate it was trained.
    original_rate : the same, where it is known.
    pictures : how many are trained on.

    Raises
    ------
    UsageError
        When there is no such plan, or the rate is not above 0.
    """
    if isinstance(stages, Plan):
        return stages, []
    if str(stages).endswith((".yaml", ".yml")):
        return read_plan(stages), []
    if original_rate is not None:
        if not 0 < original_rate < float("inf"):
            raise UsageError(
                f"--original-rate (original_rate=): expected a number above 0, received"
                f" {original_rate}"
            )
        return preset(str(stages), original_rate, pictures), []
    if stages == "bit":
        return preset("bit", pictures=pictures), []
    stated = _solver_rate(source.directory)
    if stated is not None:
        return preset(str(stages), stated), [f"its solver trained the model at {stated:g}"]
    note = (
        f"nothing says at which rate {source.name} was trained; {ORIGINAL_RATE:g} is assumed, and"
        " --original-rate (original_rate=) says otherwise"
    )
    return preset(str(stages)), [note]


def _solver_rate(directory: Path) -> float | None:
    """base_lr of a solver beside the model."""
    path = directory / "solver.prototxt"
    if not path.is_file():
        return None
    try:
        solver = text_format.Parse(path.read_text(), SolverParameter())
    except (text_format.ParseError, UnicodeDecodeError, OSError):
        return None
    return float(solver.base_lr) if solver.base_lr > 0 else None
