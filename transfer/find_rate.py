"""Which rate to train at: the loss while the rate rises, on a copy of the model.

Nothing of the caller's is touched: neither the model, nor a training that goes on beside, nor the
state of the random number generators that it may draw from.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from zoo.api import load
from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.registry.atomic import write_atomically
from zoo.surgery.head import Head, replace_head
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import PartProgress, nothing
from zoo.transfer.new_output import check_new_file
from zoo.transfer.plan import Plan, Stage
from zoo.transfer.rates import param_rates
from zoo.transfer.tuning.chosen_data import labelled_data
from zoo.transfer.tuning.chosen_plan import chosen_plan
from zoo.transfer.tuning.feed import Feed
from zoo.transfer.tuning.linear_stage import solved_head
from zoo.transfer.tuning.range_test import Curve, range_test
from zoo.transfer.tuning.training import Trainer
from zoo.transfer.tuning.warped import warped_once

__all__ = ["RateTest", "check_curve", "find_rate"]


@dataclass(frozen=True)
class RateTest(Curve):
    """A range test of a stage, and what follows from it.

    The rates are those of the weights that the stage trains fastest, mostly of the classifier; all
    others keep their ratio to them. `rates`, `losses`, `smoothed`, `steepest` and `tenth` are those
    of `zoo.transfer.tuning.range_test.Curve`.

    Attributes
    ----------
    stage : its name.
    planned : the rate that the plan has for these weights; of a named plan, for an original rate
        of 1.
    named : whether the plan is one of those with a name.
    """

    stage: str
    planned: float
    named: bool

    @property
    def suggestion(self) -> float | None:
        """The lower of `steepest` and `tenth`; None where the loss never falls."""
        if self.steepest is None or self.tenth is None:
            return None
        return min(self.steepest, self.tenth)

    @property
    def rule(self) -> str:
        """Which of the two it is."""
        if self.suggestion is None:
            return "the loss never falls"
        return "steepest descent" if self.suggestion == self.steepest else "a tenth of the minimum"

    @property
    def factor(self) -> float | None:
        """What the rates of the plan are to be multiplied by."""
        return None if self.suggestion is None else self.suggestion / self.planned

    @property
    def original_rate(self) -> float | None:
        """What makes `zoo.fine_tune` take the suggestion with a named plan."""
        return self.factor if self.named else None

    def draw(self, path: str | Path) -> None:
        """Write the curve as a picture of the kind that the ending of `path` says.

        Raises
        ------
        UsageError
            When there is no such kind of picture, or the file is there already.
        """
        path = check_curve(path)
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="rate", ylabel="loss")
        axes.plot(self.rates, self.losses, color="0.8", label="each batch")
        axes.plot(self.rates, self.smoothed, color="C0", label="smoothed")
        for rate, label, style in (
            (self.steepest, "steepest descent", "--"),
            (self.tenth, "a tenth of the minimum", ":"),
        ):
            if rate is not None:
                axes.axvline(rate, color="C1", linestyle=style, label=f"{label}: {rate:.2g}")
        # What has exploded would press the rest flat.
        axes.set_ylim(0, 2 * max(self.smoothed[:1] or (1.0,)))
        axes.legend()
        stream = io.BytesIO()
        figure.savefig(stream, format=path.suffix.lstrip(".").lower(), dpi=120)
        write_atomically(path, stream.getvalue())


def check_curve(path: str | Path) -> Path:
    """Refuse, before any work, what cannot be the name of a picture to make.

    Raises
    ------
    UsageError
    """
    from matplotlib.backend_bases import FigureCanvasBase

    return check_new_file(path, [f".{kind}" for kind in FigureCanvasBase.filetypes])


def find_rate(
    model: str | Path | LoadedModel,
    data: str | Path | Dataset,
    *,
    stages: str | Path | Plan = "two-stage",
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int | None = None,
    seed: int = 0,
    sources: Sequence[str] = (),
    progress: PartProgress = nothing,
) -> RateTest:
    """Train a copy for some steps at rising rates, and see when the loss falls and explodes.

    Tested is the first stage of the plan that trains through the net, after those on cached
    features that come before it.

    Parameters
    ----------
    model, data, stages, seed, sources : as `zoo.fine_tune` takes them; all of `data` is trained on.
    lowest, highest : the rates of the first and the last step, unless the loss explodes before.
    steps : how many, on a geometric scale.
    batch_size : instead of that of the plan.
    progress : called with what is done now, how much of it, and of how much.

    Raises
    ------
    UsageError
        When the plan trains nothing through the net, or an argument is impossible.

    Examples
    --------
    >>> import zoo
    >>> found = zoo.find_rate("squeezenet_v1.0", "train/")  # doctest: +SKIP
    >>> found.suggestion, found.rule  # doctest: +SKIP
    (0.0017, 'steepest descent')
    >>> rate = found.original_rate  # doctest: +SKIP
    >>> run = zoo.fine_tune(  # doctest: +SKIP
    ...     "squeezenet_v1.0", "train/", output="clothes", original_rate=rate
    ... )
    """
    if not 0 < lowest < highest < float("inf") or steps < 2:
        raise UsageError(
            "expected 0 < lowest < highest and two steps or more, received"
            f" lowest={lowest}, highest={highest}, steps={steps}"
        )
    source = model if isinstance(model, LoadedModel) else load(model, sources)
    train = labelled_data(data)
    plan, _ = chosen_plan(stages, source, 1.0, len(train))
    plan = plan.with_settings(batch_size=batch_size)
    spec = source.preprocess.spec
    with _chance_as_it_was(), warped_once(train, spec, progress) as rows:
        net, head = replace_head(source.net, len(train.classes), seed=seed)
        if plan.scratch:
            net = Net(net.definition, shapes=net.inputs).initialized(seed)
        feed = Feed(head, spec, rows, seed, progress=progress)
        net, stage = _begun(feed, plan, net)
        fastest, trainer = _trainer(feed, stage, net, head)
        batches = _batches(replace(feed, progress=nothing), stage)
        done = count()

        def step(rate: float) -> float:
            progress("training at rising rates", next(done), steps)
            inputs, labels = next(batches)
            return trainer.step(inputs, labels, rate / fastest)[0]

        curve = range_test(
            step,
            np.geomspace(lowest, highest, steps).tolist(),
            float(np.log(len(train.classes))),
        )
    named = not isinstance(stages, Plan) and not str(stages).endswith((".yaml", ".yml"))
    return RateTest(curve.rates, curve.losses, curve.smoothed, stage.name, fastest, named)


def _begun(feed: Feed, plan: Plan, net: Net) -> tuple[Net, Stage]:
    """The first stage through the net, and the net that it begins with."""
    for stage in plan.stages:
        if not stage.cached:
            return net, stage
        net, _, _ = solved_head(feed, stage, net)
    raise UsageError(
        "the plan trains only the classifier, on cached features, where it is solved for and no"
        " rate counts; test a plan that trains through the net, such as two-stage"
    )


def _trainer(feed: Feed, stage: Stage, net: Net, head: Head) -> tuple[float, Trainer]:
    """What trains a copy, and the rate of the fastest weights."""
    rates = param_rates(net, head, stage)
    weights = [each.rate for each in rates if each.owner[1] == 0]
    fastest = max(weights, default=0.0) or max(each.rate for each in rates)
    trainer = Trainer(net, head.scores, stage, rates, feed.class_weights(stage))
    trainer.reseed(feed.seed, 0)
    return fastest, trainer


def _batches(feed: Feed, stage: Stage) -> Iterator[Any]:
    """Batch after batch, pass after pass."""
    number = 0
    while True:
        batches, _ = feed.epoch(stage, number)
        yield from batches
        number += 1


@contextmanager
def _chance_as_it_was() -> Iterator[None]:
    """Give back what Keras draws from Python's generator when it makes layers."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
