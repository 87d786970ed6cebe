"""Fine-tuning: from a model of the zoo to one for classes of your own, in two stages.

First only the new classifier is trained, on features that the rest of the net computes once; then
all of it, at small rates (LP-FT: Kumar et al. 2022; the rates: Stanford's CS231n). What is kept is
the better of the two, so that the result is never below a linear classifier on the same features.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format

from zoo.api import load
from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.errors import UnavailableError, UsageError
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.scores import softmax
from zoo.surgery.head import Head, replace_head
from zoo.transfer.data import Dataset, open_data
from zoo.transfer.evaluate import evaluate_scores
from zoo.transfer.plan import ORIGINAL_RATE, Plan, preset, read_plan
from zoo.transfer.rates import RateRow, rate_table
from zoo.transfer.tuning.checkpoint import Checkpoint
from zoo.transfer.tuning.directory import Outcome, write_model
from zoo.transfer.tuning.run_stages import Bench, run_linear, run_through
from zoo.transfer.tuning.training import Scorer
from zoo.transfer.tuning.warped import warped_once

__all__ = ["Run", "fine_tune"]

_HELD_OUT = 0.2


@dataclass
class Run:
    """What a run did, or with `dry_run` would do.

    Attributes
    ----------
    directory : a model directory, as `zoo.load` and `zoo classify` take it.
    plan : the stages.
    tables : for each stage what is trained at which rate.
    head : the new classifier, and what else was changed in the net.
    classes : what it tells apart.
    results : accuracy on the validation rows: of the most frequent class ("chance"), each stage.
    best : the stage that was kept.
    log : a record for each epoch.
    notes : what was assumed, in sentences.
    """

    directory: Path
    plan: Plan
    tables: dict[str, list[RateRow]]
    head: Head
    classes: tuple[str, ...]
    results: dict[str, float] = field(default_factory=dict)
    best: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Of what was kept, on the validation rows."""
        return self.results[self.best]

    def load(self) -> LoadedModel:
        """The tuned model."""
        return load(self.directory)


def fine_tune(
    model: str | Path | LoadedModel,
    data: str | Path | Dataset,
    val: str | Path | Dataset | None = None,
    *,
    output: str | Path,
    stages: str | Path | Plan = "two-stage",
    seed: int = 0,
    original_rate: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    sources: Sequence[str] = (),
    resume: bool = False,
    dry_run: bool = False,
    planned: Callable[[Run], None] | None = None,
    told: Callable[[dict[str, Any]], None] | None = None,
) -> Run:
    """Tune a model to the classes of some labelled pictures.

    Parameters
    ----------
    model : name or directory of a classifier, or what `zoo.load` gave.
    data : what to train on, see `zoo.transfer.data.open_data`; a folder of class folders, mostly.
    val : what to choose the best weights by; without it a fifth of each class of `data`, which is
        then not trained on.
    output : the model directory to make. Until the run is finished it is called
        ``.NAME.unfinished``.
    stages : the name of a plan, see `zoo.transfer.plan.preset`; a file with one; or one.
    seed : the same seed gives the same run.
    original_rate : what the model was trained at; by default `base_lr` of a solver.prototxt beside
        it, or a usual value.
    epochs, batch_size : instead of what the plan says, for stages that train through the net.
    resume : go on with an unfinished run of the same output.
    dry_run : only say what would be done.
    planned : called with the plan before anything is trained.
    told : called with the record of each epoch.

    Raises
    ------
    UsageError
        When the output exists, rows have no class, a class has no rows, the model is no classifier,
        or training diverges.
    UnavailableError
        When a file cannot be written; `resume` goes on from the last finished epoch.

    Examples
    --------
    >>> import zoo
    >>> data = "train/", "validation/"
    >>> run = zoo.fine_tune("squeezenet_v1.0", *data, output="clothes")  # doctest: +SKIP
    >>> run.results  # doctest: +SKIP
    {'chance': 0.155, 'head': 0.76, 'all': 0.83}
    """
    directory = Path(output)
    source = model if isinstance(model, LoadedModel) else load(model, sources)
    train, validation, notes = _data(data, val, seed)
    plan, assumed = _plan(stages, source, original_rate)
    plan = plan.with_settings(epochs=epochs, batch_size=batch_size)
    net, head = replace_head(source.net, len(train.classes), seed=seed)
    if plan.scratch:
        net = Net(net.definition, shapes=net.inputs).initialized(seed)
    tables = {stage.name: rate_table(net, head, stage) for stage in plan.stages}
    if plan.stages and plan.stages[0].cached and len(plan.stages) > 1:
        assumed.append("behind the first stage the head's rate is at most what its features bear")
    run = Run(directory, plan, tables, head, train.classes, notes=[*head.changes, *notes, *assumed])
    _check_free(directory)
    if planned is not None:
        planned(run)
    if dry_run:
        return run
    unfinished = _begin(directory, resume)
    task = _task(source, train, validation, plan, seed)
    with ExitStack() as stack:
        state = Checkpoint(task, net)
        path = unfinished / "checkpoint.npz"
        if resume:
            state = Checkpoint.read(path, task, net)
            run.log += state.log
        bench = Bench(
            head,
            source.preprocess.spec,
            stack.enter_context(warped_once(train, source.preprocess.spec)),
            stack.enter_context(warped_once(validation, source.preprocess.spec)),
            state,
            path,
            _logging(unfinished / "log.jsonl", state.log, told),
            seed,
        )
        _run_stages(bench, plan)
        _finish(bench, run, source, (train, validation), unfinished)
    path.unlink(missing_ok=True)
    os.replace(unfinished, directory)
    return run


def _run_stages(bench: Bench, plan: Plan) -> None:
    """Each stage begins with the best weights of the one before."""
    state = bench.state
    for stage in plan.stages[state.stage :]:
        tuned = (run_linear if stage.cached else run_through)(bench, stage, state.net)
        best = state.stage_best
        if best is not None and (
            state.best is None or state.best.is_beaten_by(best.accuracy, best.loss)
        ):
            state.best = best
        state.net, state.stage, state.epoch, state.stage_best = tuned, state.stage + 1, 0, None
        state.solver, state.steps = {}, 0
        state.write(bench.path)


def _finish(
    bench: Bench,
    run: Run,
    source: LoadedModel,
    data: tuple[Dataset, Dataset],
    unfinished: Path,
) -> None:
    best, train, val = bench.state.best, *data
    if best is None:
        raise UsageError("the plan has no stages, so nothing was trained")
    labels = np.asarray(val.labels)
    run.results["chance"] = float((labels == np.argmax(train.class_counts)).mean())
    for record in bench.state.log:
        known = run.results.get(record["stage"], 0.0)
        run.results[record["stage"]] = max(known, record["val_accuracy"])
    run.best, run.log = best.stage, list(bench.state.log)
    scorer = Scorer(best.net, bench.head.scores)
    scores = scorer.scores(bench.val_batches).astype(np.float64)
    outcome = Outcome(
        source,
        (train.path.name, len(train)),
        (val.path.name, len(val)),
        train.classes,
        run.plan.to_yaml(),
        run.results,
        run.best,
        evaluate_scores(softmax(scores), labels, train.classes),
        bench.seed,
    )
    run.notes += write_model(unfinished, best.net, outcome)


def _data(
    data: str | Path | Dataset, val: str | Path | Dataset | None, seed: int
) -> tuple[Dataset, Dataset, list[str]]:
    """Rows to train on and rows to choose by."""
    train = data if isinstance(data, Dataset) else open_data(data)
    _check_classes(train)
    if val is None:
        train, validation = train.split(_HELD_OUT, seed)
        if not len(validation):
            raise UsageError(
                f"{train.path}: with {len(train)} rows none can be left out to choose by; name"
                " validation data (--val)"
            )
        note = f"{len(validation)} of {len(train) + len(validation)} rows are left out to choose by"
        return train, validation, [note]
    validation = val if isinstance(val, Dataset) else open_data(val, classes=train.classes)
    if not validation.has_classes:
        raise UsageError(f"{validation.path}: rows have no class, so nothing can be compared")
    validation.check_labels(len(train.classes))
    return train, validation, []


def _check_classes(train: Dataset) -> None:
    if not train.has_classes:
        raise UsageError(
            f"{train.path}: fine-tuning needs the number or the name of a class for each row;"
            " expected a folder of class folders, or a list of paths and labels"
        )
    empty = [name for name, n in zip(train.classes, train.class_counts, strict=True) if not n]
    if empty:
        raise UsageError(f"{train.path}: no rows of {len(empty)} classes: {', '.join(empty[:10])}")
    if len(train.classes) < 2:
        raise UsageError(f"{train.path}: expected two classes or more, found {train.classes}")


def _plan(
    stages: str | Path | Plan, source: LoadedModel, original_rate: float | None
) -> tuple[Plan, list[str]]:
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


def _task(
    source: LoadedModel, train: Dataset, val: Dataset, plan: Plan, seed: int
) -> dict[str, Any]:
    """What a run that goes on must have in common with the one that was begun."""
    return {
        "model": source.name,
        "data": [train.path.name, len(train), val.path.name, len(val)],
        "classes": list(train.classes),
        "plan": plan.to_yaml(),
        "seed": seed,
    }


def _check_free(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already, and is not replaced; name another output")


def _begin(directory: Path, resume: bool) -> Path:
    """The folder of the run while it is unfinished."""
    unfinished = directory.with_name(f".{directory.name}.unfinished")
    if resume:
        return unfinished
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise UnavailableError(f"{unfinished} cannot be made: {error.strerror}") from None
    return unfinished


def _logging(
    path: Path, known: Sequence[dict[str, Any]], told: Callable[[dict[str, Any]], None] | None
) -> Callable[[dict[str, Any]], None]:
    """Write each record as a line of JSON, behind those that a run which goes on has."""
    path.write_text("".join(json.dumps(record) + "\n" for record in known), encoding="utf-8")

    def tell(record: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if told is not None:
            told(record)

    return tell
