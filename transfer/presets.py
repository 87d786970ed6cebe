"""The plans of the field, by name.

The field's rule (Stanford's CS231n, and Caffe's own fine-tuning examples): about a tenth of the
original rate for a new classifier, a hundredth for layers that are only tuned.
"""

from __future__ import annotations

import math
from dataclasses import replace

from zoo.errors import UsageError, did_you_mean
from zoo.transfer.plan import ORIGINAL_RATE, Group, Plan, Stage

__all__ = ["PRESETS", "preset"]

PRESETS = ("two-stage", "head", "all", "scratch", "last:K", "first:K", "gradual", "bit")


def preset(
    name: str = "two-stage", original_rate: float = ORIGINAL_RATE, pictures: int = 500
) -> Plan:
    """One of the plans of the field.

    Parameters
    ----------
    name : "two-stage", first the classifier on cached features, then everything (LP-FT); "head",
        the first of these alone; "all", everything at once from a fresh classifier, at the rates of
        Caffe's fine-tuning; "scratch", everything from fresh weights; "last:K" and "first:K", as
        "two-stage" but only the last or first of K parts of the net by depth ("surgical");
        "gradual", the last third, then two thirds, then all; "bit", everything at once by a rule of
        BiT (Kolesnikov et al. 2020) that knows only how many pictures there are.
    original_rate : what the model was trained at; "bit" does not ask.
    pictures : how many are trained on; only "bit" asks.

    Examples
    --------
    >>> [stage.name for stage in preset("two-stage").stages]
    ['head', 'all']
    """
    head = Stage("head", cached=True)
    top, rest = original_rate / 10, original_rate / 100
    kind, _, count = name.partition(":")
    if name == "head":
        return Plan((head,))
    if name == "two-stage":
        return Plan((head, _tuning("all", "*", top, rest)))
    if name == "all":
        return Plan((Stage("all", rate=rest),))
    if name == "scratch":
        return Plan((Stage("scratch", groups=(Group(("*",), original_rate),)),), scratch=True)
    if kind in ("first", "last") and count.isdecimal() and int(count) > 1:
        return Plan((head, _tuning(name, f"{kind}:{count}", top, rest)))
    if name == "gradual":
        stages = [
            replace(_tuning(title, part, top, rest), epochs=epochs)
            for title, part, epochs in (
                ("last third", "last:3", 10),
                ("last two thirds", "last:3/2", 10),
                ("all", "*", 20),
            )
        ]
        return Plan((head, *stages))
    if name == "bit":
        return Plan((_big_transfer(pictures),))
    raise UsageError(
        f"there is no plan {name!r}.{did_you_mean(name, PRESETS)} The plans are"
        f" {', '.join(PRESETS)}, or a file of stages."
    )


def _tuning(name: str, layers: str, top: float, rest: float) -> Stage:
    """A stage behind a trained classifier.

    Small batches make the weights jump about, which keeps a few hundred pictures from being learned
    by heart; their average, over three epochs of 500 pictures, is better than any of them.
    """
    groups = (Group(("head",), top), Group((layers,), rest))
    return Stage(name, groups=groups, rate=rest, epochs=24, batch_size=16, average=0.99)


def _big_transfer(pictures: int) -> Stage:
    """BiT-HyperRule, but for its size of pictures and its batches of 512, which are 32 here."""
    small, medium = pictures < 20_000, pictures < 500_000
    steps, rising = (500, 100) if small else (10_000, 500) if medium else (20_000, 500)
    epochs = math.ceil(steps * 32 / pictures)
    return Stage(
        "bit",
        groups=(Group(("*",), 0.003),),
        epochs=epochs,
        batch_size=32,
        weight_decay=0.0,
        cut=(0.4, 0.6, 0.8) if small else (0.3, 0.6, 0.9),
        warm_up=epochs * rising / steps,
        mixup=0.0 if small else 0.1,
        patience=0,
    )
