"""Which way to go with this data: the field's table of two questions, answered by measuring.

The lectures on transfer learning ask how much data there is, and how similar it is to what the
network was trained on:

                 similar data                     different data
    little data  linear classifier on the top     linear classifier on different depths
    much data    fine-tune a few layers           fine-tune a larger number of layers

How much is counted. Similar is what the top of the network describes as well as any other depth:
no probe of an earlier blob is better by more than the standard error of its folds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.scores import score_blob, softmax
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import nothing
from zoo.transfer.depths import depths
from zoo.transfer.features import Features, Progress, extract_features, loaded, opened
from zoo.transfer.probe import ProbeResult, probe_features, require_classes
from zoo.transfer.transferability import leep, logme

__all__ = ["MUCH", "TABLE", "Advice", "Step", "advise"]

MUCH = 1000
"""Pictures of the median class from which on data count as much: Caffe's own examples of
fine-tuning (Flickr Style, PASCAL) have at least as many."""

TABLE = {
    ("little", "similar"): "linear classifier on the top",
    ("little", "different"): "linear classifier on the best of different depths",
    ("much", "similar"): "fine-tune a few layers",
    ("much", "different"): "fine-tune a larger number of layers",
}


@dataclass(frozen=True)
class Step:
    """A step of the plan: what is trained, at which share of the original rate, and why."""

    trained: str
    rate: str
    why: str


@dataclass(frozen=True)
class Advice:
    """What was measured, and what follows from it.

    Attributes
    ----------
    amount, likeness : "little" or "much", "similar" or "different": the cell of `TABLE`.
    reasons : how these were found, in sentences with numbers.
    probes : accuracy at each depth.
    logme : blob to LogME score.
    leep : of the model's own classes; None where it has none.
    balance : rows of the smallest class divided by those of the largest.
    plan : what to do, in order.
    """

    amount: str
    likeness: str
    reasons: list[str]
    probes: ProbeResult
    logme: dict[str, float]
    leep: float | None
    balance: float
    plan: list[Step] = field(default_factory=list)

    @property
    def method(self) -> str:
        """What the table says."""
        return TABLE[self.amount, self.likeness]


def advise(
    model: LoadedModel | str | Path,
    data: Dataset | str | Path,
    *,
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
    progress: Progress = nothing,
    fitting: Progress = nothing,
) -> Advice:
    """Measure data with a model and say how to transfer; the network runs once.

    `progress` is called with how many rows are done and how many there are, `fitting` with the same
    of the fits of the probes.

    Raises
    ------
    UsageError
        When data have no classes, or a class has less than two rows.
    """
    model, data = loaded(model), opened(data)
    require_classes(data)
    blobs = depths(model.net)
    scores = _scores(model)
    features = extract_features(
        model,
        data,
        blobs + ([scores[0]] if scores else []),
        batch_size=batch_size,
        engine=engine,
        device=device,
        progress=progress,
    )
    labels = np.asarray(features.labels)
    own = {blob: features.arrays[blob] for blob in blobs}
    probes = probe_features(
        Features(own, labels, features.files, features.classes, features.failures),
        progress=fitting,
    )
    probabilities = None
    if scores is not None:
        rows = features.arrays[scores[0]].astype(np.float64)
        probabilities = rows if scores[1] else softmax(rows)
    amount, how_much = _amount(probes)
    likeness, how_like = _likeness(probes)
    return Advice(
        amount,
        likeness,
        [how_much, how_like],
        probes,
        {blob: logme(array, labels) for blob, array in own.items()},
        None if probabilities is None else leep(probabilities, labels),
        min(probes.counts) / max(probes.counts),
        _plan(amount, likeness, probes),
    )


def _scores(model: LoadedModel) -> tuple[str, bool] | None:
    try:
        return score_blob(model.net)
    except UsageError:
        return None


def _amount(probes: ProbeResult) -> tuple[str, str]:
    median = float(np.median(probes.counts))
    amount = "much" if median >= MUCH else "little"
    than = "at least" if amount == "much" else "less than"
    return amount, (
        f"{amount} data: {probes.rows} rows of {len(probes.classes)} classes, {median:g} of the"
        f" median class, {than} {MUCH}."
    )


def _likeness(probes: ProbeResult) -> tuple[str, str]:
    top, best = probes.probes[-1], probes.best
    error = best.spread / np.sqrt(len(best.folds))
    similar = top.accuracy >= best.accuracy - error
    if similar:
        return "similar", (
            f"similar data: {top.blob}, the top of the network, reaches {top.accuracy:.1%}; no"
            f" other depth is better by more than the error of the folds ({error:.1%})."
        )
    return "different", (
        f"different data: {best.blob} reaches {best.accuracy:.1%} and {top.blob}, the top of the"
        f" network, {top.accuracy:.1%}; the error of the folds is {error:.1%}."
    )


def _plan(amount: str, likeness: str, probes: ProbeResult) -> list[Step]:
    top = probes.probes[-1].blob
    blob = top if likeness == "similar" else probes.best.blob
    first = Step(
        f"a linear classifier on {blob}",
        "none: fitted on features",
        "the number that every other step has to beat",
    )
    if amount == "little":
        return [
            first,
            Step(
                "the new classifier, then all layers gently",
                "1/10 of the original, below it 1/100",
                "few rows: stop when the validation loss rises, and keep the probe if it is better",
            ),
        ]
    names = [probe.blob for probe in probes.probes]
    after = names[-2] if likeness == "similar" and len(names) > 1 else None
    return [
        first,
        Step("the new classifier", "1/10 of the original", "so that it does not wreck the rest"),
        Step(
            f"all layers after {after}" if after else "all layers",
            "1/10 of the original, below it 1/100",
            TABLE[amount, likeness],
        ),
    ]
