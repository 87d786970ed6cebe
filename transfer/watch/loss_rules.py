"""Rules about the loss: where it starts, stands still, or runs away.

A network that has learned nothing gives all N classes the same probability, and the loss is ln(N);
Stanford's CS231n has all three as its first checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from zoo.transfer.watch.course import Course
from zoo.transfer.watch.data_rules import flaw
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.layer_rules import dead_shares
from zoo.transfer.watch.subject import Classifier
from zoo.transfer.watch.words import listed, percent, said

__all__ = ["diverging", "first_loss", "static_loss"]

_NEAR, _NEARER = 0.05, 0.02  # of ln(N)
_DEAD = 0.8  # share of dead units in a layer through which little can be learned
_SAME = 0.1  # scores that differ by less between rows say the same of all of them
_PATIENCE = 100  # iterations that some healthy nets need to leave ln(N)


def first_loss(course: Course) -> Iterator[Finding]:
    """A fresh classifier should start at ln(N)."""
    expected, main = course.subject.expected, course.subject.main
    if course.count != 1 or not expected or main is None or not course.fresh_head():
        return
    first = course.first
    if not math.isfinite(first) or 0.5 * expected <= first <= max(1.5 * expected, expected + 0.5):
        return
    numbers = {"loss": first, "expected": expected}
    text = (
        f"the first loss is {first:.3g}, and that of a net that knows nothing is"
        f" {_log(course)} = {expected:.3g}"
    )
    if first < expected:
        yield Finding(
            "first-loss",
            f"{text}: it is too good. Either the labels reach the input, or all rows of the batch"
            " have the class that the fresh classifier prefers.",
            (
                "Look at the labels of the first batch: they should be of all classes.",
                "Look for the label in the data, and for rows that training and validation share.",
                "Is the loss divided by more than the rows of a batch? Look at loss_weight and"
                " normalization.",
            ),
            0,
            main.layer,
            numbers,
        )
        return
    scores = course.first_look.scores.get(main.scores) if course.first_look else None
    apart = f" Its scores are {scores.spread:.2g} apart." if scores else ""
    steps = [
        f"Start {main.layer} with smaller weights: gaussian with std 0.01, biases 0.",
        "Normalise the input: subtract the mean and scale it, as the other layers expect it.",
    ]
    if any(map(flaw, course.inputs)):
        steps.reverse()
    yield Finding(
        "first-loss",
        f"{text}: the fresh classifier {main.layer} is sure of what it cannot know.{apart}",
        (
            *steps,
            "Compare the number of outputs with the number of classes, and loss_weight with 1.",
        ),
        0,
        main.layer,
        numbers,
    )


def static_loss(course: Course) -> Iterator[Finding]:
    """A loss that stays at ln(N): nothing is learned."""
    expected, main = course.subject.expected, course.subject.main
    if not expected or main is None or course.count < 6 or not course.looks:
        return
    look, recent = course.looks[-1], course.latest(5)
    loss = float(recent.mean())
    if look.iteration < 2 or abs(loss - expected) > _NEAR * expected:
        return
    numbers = {"loss": loss, "expected": expected}
    start = (
        f"the loss stands still at {loss:.4g}; that of a net that knows nothing is"
        f" {_log(course)} = {expected:.4g}"
    )
    cause = _cause(course, main)
    if cause is not None:
        why, where, more, remedies = cause
        yield Finding(
            "static-loss", f"{start}. {why}", remedies, course.iteration, where, {**numbers, **more}
        )
    elif _stands(course, expected):
        scores = look.scores.get(main.scores)
        same = scores is not None and scores.between < _SAME
        yield Finding(
            "static-loss",
            f"{start}, and in {course.count} iterations nothing has changed."
            + (" The scores are nearly the same for every row." if same else ""),
            (
                "Raise the learning rate, ten times at first: the updates may be too small"
                f" ({_updates(course)}).",
                "Look at the data: are the rows shuffled, do labels and pictures belong together,"
                " is the input normalised? A net should be able to learn 20 rows by heart.",
                "Start with larger random weights: weight_filler xavier or msra.",
                "Train without weight decay and Dropout until it learns.",
            ),
            course.iteration,
            main.layer,
            numbers,
        )


def diverging(course: Course) -> Iterator[Finding]:
    """A loss that is no number, or far above where it began."""
    recent = course.latest(5)
    if not len(recent):
        return
    loss, expected = float(recent[-1]), course.subject.expected
    above = 10 * abs(course.first) if expected is None else max(2 * course.first, 3 * expected)
    grown = len(recent) >= 5 and float(np.min(recent)) > above
    broken = bool(course.looks) and course.looks[-1].first_not_finite is not None
    if math.isfinite(loss) and not grown and not broken:
        return
    where, which = _first_beyond(course)
    numbers = {"loss": loss, "first": course.first}
    if math.isfinite(loss) and broken:
        text = f"training has diverged, though the loss, {loss:.3g}, does not show it."
    elif math.isfinite(loss):
        text = f"the loss has grown from {course.first:.3g} to {loss:.3g}: training diverges."
    else:
        text = f"the loss is {loss}: training has diverged."
    yield Finding(
        "diverging",
        text + (f" {which}" if which else ""),
        _DIVERGING,
        course.iteration,
        where,
        numbers,
        1.0 if math.isfinite(loss) else 1000.0,
    )


_DIVERGING = (
    "Lower the learning rate (base_lr) to a tenth.",
    "Normalise the input, and look for values in it that are no numbers.",
    "Let the rate rise slowly at first (warm-up), or limit the gradient (clip_gradients: 10).",
    "Look at the labels, at loss_weight, and at layers that cannot take every number, as Log and"
    " Power.",
    "Start with smaller weights: weight_filler xavier, or msra before a ReLU.",
)


def _cause(
    course: Course, main: Classifier
) -> tuple[str, str, dict[str, float], tuple[str, ...]] | None:
    """Why nothing can be learned: sentence, layer, numbers, remedies; None where nothing shows."""
    look = course.looks[-1]
    scores = look.scores.get(main.scores)
    weighed = {name: size for name, size in look.weights.items() if size == 0}
    if weighed:
        names = list(weighed)
        return (
            f"All weights of {listed(names)} are zero, and stay so: no gradient passes them.",
            names[0],
            dict.fromkeys(names, 0.0),
            (
                "Give these layers random weights: weight_filler xavier, or msra before a ReLU.",
                "If they were copied, look into the file that they came from.",
            ),
        )
    if scores is None:
        return None
    if main.relu and scores.zeros == 1:
        return (
            f"All scores are 0: the ReLU {main.relu} behind the classifier {main.layer} cuts them"
            " off, and lets no gradient pass, so that they stay 0.",
            main.relu,
            {"zeros": scores.zeros},
            _revive(main),
        )
    dead = {name: share for name, share in dead_shares(course).items() if share >= _DEAD}
    if not dead or scores.between >= _SAME:
        return None
    behind = (
        f" {percent(scores.zeros)} of the scores are cut off too, by the ReLU {main.relu} behind"
        f" the classifier {main.layer}."
        if main.relu and scores.zeros
        else ""
    )
    worst = dict(sorted(dead.items(), key=lambda each: -each[1]))
    return (
        f"The net is dead: units of {said(worst, '.0%')} give 0 for every row and get no gradient,"
        f" and the scores are the same for all rows (within {scores.between:.1g}).{behind}",
        next(iter(worst)),
        {**worst, "between": scores.between, "zeros": scores.zeros},
        _revive(main),
    )


def _revive(main: Classifier) -> tuple[str, ...]:
    relu = (
        (f"Remove the ReLU {main.relu}: a classifier needs scores below 0, too.",)
        if main.relu
        else ()
    )
    return (
        "Stop, and start again from the first weights: dead units do not come back.",
        f"Lower the rate to a tenth, most of all that of {main.layer} (lr_mult).",
        *relu,
        "Train the classifier alone first, then the rest at small rates: zoo finetune does both.",
        "Let the rate rise slowly at first (warm-up), or limit the gradient (clip_gradients).",
    )


def _stands(course: Course, expected: float) -> bool:
    """Whether the loss has been at ln(N), or what the shares of labels make of it, for long."""
    if course.count < _PATIENCE:
        return False
    losses = course.latest(_PATIENCE)
    levels = [expected]
    if course.labels is not None and len(course.subject.classifiers) == 1:
        levels.append(course.labels.entropy)
    halves = losses[: len(losses) // 2].mean(), losses[len(losses) // 2 :].mean()
    return any(
        all(abs(float(half) - level) < _NEARER * expected for half in halves) for level in levels
    )


def _updates(course: Course) -> str:
    ratios = list(course.looks[-1].updates.values()) if course.looks else []
    if not ratios:
        return "their size is not known"
    return f"they change the weights by {np.median(ratios):.1e} of their size"


def _first_beyond(course: Course) -> tuple[str, str]:
    """The first layer that went wrong, and a sentence of it."""
    for values in course.inputs:
        if not values.is_finite:
            return values.name, f"The data in {values.name!r} are no numbers themselves."
    for look in reversed(course.looks):
        found = look.first_not_finite
        if found is not None:
            name, what = found
            verb = "make" if what == "values" else "get"
            thing = "values" if what == "values" else "a gradient"
            past = "are" if what == "values" else "is"
            return name, (
                f"The first layer to {verb} {thing} that {past} no number any more is {name}."
            )
    return _first_grown(course)


def _first_grown(course: Course) -> tuple[str, str]:
    """The first layer whose values have grown ten times, or else those that have grown most."""
    if course.first_look is None or len(course.looks) < 2:
        return "", ""
    before, now = course.first_look.means, course.looks[-1].means
    growth = {name: now[name] / before[name] for name in before if before[name] > 0 and name in now}
    if not growth:
        return "", ""
    name = next((name for name, times in growth.items() if times > 10), "") or max(
        growth, key=lambda each: growth[each]
    )
    return name, (
        f"The values of {name} have grown first: from {before[name]:.2g} to {now[name]:.2g} on"
        " average."
    )


def _log(course: Course) -> str:
    """How the expected loss comes about."""
    terms = [
        f"ln({each.classes})" if each.weight == 1 else f"{each.weight:g} ln({each.classes})"
        for each in course.subject.classifiers
    ]
    return " + ".join(terms)
