"""Fine-tuning: from a model of the zoo to one for classes of your own, in two stages.

First only the new classifier is trained, on features that the rest of the net computes once; then
all of it, at small rates (LP-FT: Kumar et al. 2022; the rates: Stanford's CS231n). What is kept is
the better of the two, so that the result is never below a linear classifier on the same features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.api import load
from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.scores import softmax
from zoo.surgery.head import Head, replace_head
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import PartProgress, nothing
from zoo.transfer.evaluate import evaluate_scores
from zoo.transfer.new_output import check_new_folder
from zoo.transfer.plan import Plan
from zoo.transfer.rates import RateRow, rate_table
from zoo.transfer.run_report.finetune_record import FinetuneRecord, run_facts
from zoo.transfer.tuning.checkpoint import Checkpoint
from zoo.transfer.tuning.chosen_data import chosen_data
from zoo.transfer.tuning.chosen_plan import chosen_plan
from zoo.transfer.tuning.directory import Outcome, write_model
from zoo.transfer.tuning.run_stages import Bench, run_linear, run_through
from zoo.transfer.tuning.training import Scorer
from zoo.transfer.tuning.unfinished import (
    CHECKPOINT,
    append,
    begin,
    finish,
    keeping,
    logging,
)
from zoo.transfer.tuning.warped import warped_once
from zoo.transfer.watch.finding import Finding

__all__ = ["Run", "fine_tune"]


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
    findings : what was seen to go wrong, see docs/diagnosis.md.
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
    findings: list[Finding] = field(default_factory=list)
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
    precision: str | None = None,
    sources: Sequence[str] = (),
    resume: bool = False,
    dry_run: bool = False,
    planned: Callable[[Run], None] | None = None,
    told: Callable[[dict[str, Any]], None] | None = None,
    found: Callable[[Finding], None] | None = None,
    progress: PartProgress = nothing,
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
    stages : the name of a plan, see `zoo.transfer.presets.preset`; a file with one; or one.
    seed : the same seed gives the same run.
    original_rate : what the model was trained at; by default `base_lr` of a solver.prototxt beside
        it, or a usual value.
    epochs, batch_size, precision : instead of what the plan says, for stages that train through the
        net.
    resume : go on with an unfinished run of the same output.
    dry_run : only say what would be done.
    planned : called with the plan before anything is trained.
    told : called with the record of each epoch.
    found : called with what is seen to go wrong, when it is seen.
    progress : called with what is done now, how much of it, and of how much.

    Raises
    ------
    UsageError
        When the output exists, rows have no class, a class has no rows, the model is no classifier,
        or training diverges.
    VerificationError
        When a layer that should be frozen has changed.
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
    check_new_folder(directory)
    source = model if isinstance(model, LoadedModel) else load(model, sources)
    train, validation, notes = chosen_data(data, val, seed)
    plan, assumed = chosen_plan(stages, source, original_rate, len(train))
    plan = plan.with_settings(epochs=epochs, batch_size=batch_size, precision=precision)
    net, head = replace_head(source.net, len(train.classes), seed=seed)
    if plan.scratch:
        net = Net(net.definition, shapes=net.inputs).initialized(seed)
    tables = {stage.name: rate_table(net, head, stage) for stage in plan.stages}
    if plan.stages and plan.stages[0].cached and len(plan.stages) > 1:
        assumed.append("behind the first stage the head's rate is at most what its features bear")
    run = Run(directory, plan, tables, head, train.classes, notes=[*head.changes, *notes, *assumed])
    if planned is not None:
        planned(run)
    if dry_run:
        return run
    unfinished = begin(directory, resume)
    task = _task(source, train, validation, plan, seed)
    with ExitStack() as stack:
        path = unfinished / CHECKPOINT
        state = Checkpoint.read(path, task, net) if resume else Checkpoint(task, net)
        state.write(path)
        facts = run_facts(source, (train, validation), plan, tables, seed, run.notes)
        record = stack.enter_context(FinetuneRecord(unfinished, facts, net, state.log))
        bench = Bench(
            head,
            source.preprocess.spec,
            stack.enter_context(warped_once(train, source.preprocess.spec, progress)),
            seed,
            stack.enter_context(warped_once(validation, source.preprocess.spec, progress)),
            state,
            path,
            logging(unfinished, state.log, record.telling(told)),
            _finding(run, unfinished, found),
            frozenset(net.param_shapes if plan.scratch else (head.layer,)),
            progress=progress,
        )
        _run_stages(bench, plan, record)
        _finish(bench, run, source, (train, validation), unfinished, record)
    finish(unfinished, directory)
    return run


def _finding(
    run: Run, unfinished: Path, found: Callable[[Finding], None] | None
) -> Callable[[Finding], None]:
    def tell(finding: Finding) -> None:
        run.findings.append(finding)
        append(unfinished, finding.to_record())
        if found is not None:
            found(finding)

    return tell


def _run_stages(bench: Bench, plan: Plan, record: FinetuneRecord) -> None:
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
        record.keep_stage(stage.name, tuned)


def _finish(
    bench: Bench,
    run: Run,
    source: LoadedModel,
    data: tuple[Dataset, Dataset],
    unfinished: Path,
    record: FinetuneRecord,
) -> None:
    best, train, val = bench.state.best, *data
    if best is None:
        raise UsageError("the plan has no stages, so nothing was trained")
    labels = np.asarray(val.labels)
    run.results["chance"] = float((labels == np.argmax(train.class_counts)).mean())
    for each in bench.state.log:
        known = run.results.get(each["stage"], 0.0)
        run.results[each["stage"]] = max(known, each["val_accuracy"])
    run.best, run.log = best.stage, list(bench.state.log)
    scorer = Scorer(best.net, bench.head.scores)
    probabilities = softmax(scorer.scores(bench.val_batches).astype(np.float64))
    outcome = Outcome(
        source,
        (train.path.name, len(train)),
        (val.path.name, len(val)),
        train.classes,
        run.plan.to_yaml(),
        run.results,
        run.best,
        evaluate_scores(probabilities, labels, train.classes),
        bench.seed,
        bench.state.frozen,
        record.evidence,
    )
    with keeping(unfinished):
        run.notes += write_model(unfinished, best.net, outcome)
        run.notes += record.finish(best.net, probabilities, val, run.directory.name)


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
