"""Which plan is followed, and the rate that a preset of it is relative to."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.loaded import LoadedModel
from zoo.transfer.plan import ORIGINAL_RATE, Plan, preset
from zoo.transfer.plan_file import read_plan

__all__ = ["chosen_plan"]


def chosen_plan(
    stages: str | Path | Plan, source: LoadedModel, original_rate: float | None
) -> tuple[Plan, list[str]]:
    """The plan, and notes of what was assumed.

    Parameters
    ----------
    stages : the name of a plan, see `zoo.transfer.plan.preset`; a file with one; or one.
    source : the model; a solver.prototxt beside it says at which rate it was trained.
    original_rate : the same, where it is known.
    """
    if isinstance(stages, Plan):
        return stages, []
    if str(stages).endswith((".yaml", ".yml")):
        return read_plan(stages), []
    if original_rate is not None:
        return preset(str(stages), original_rate), []
    stated = _solver_rate(source.directory)
    if stated is not None:
        return preset(str(stages), stated), [f"its solver trained the model at {stated:g}"]
    note = (
        f"nothing says at which rate {source.name} was trained; {ORIGINAL_RATE:g} is assumed, and"
        " original_rate (--original-rate) says otherwise"
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
