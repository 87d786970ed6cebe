"""Rules about the curves of training and validation: overfitting and underfitting."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.transfer.watch.course import Course, Point
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.words import percent

__all__ = ["overfit", "underfit"]

_GAP = 0.2  # of accuracy
_RISEN = 1.2  # times the best validation loss
_ABOVE = 1.5  # times the training loss
_FULL = 0.7  # of ln(N): nothing much is learned
_LEAST = 100  # iterations after which a run is judged

_REMEDIES = (
    "Get more data, or make more of it: mirror, crop, scale, colour.",
    "Regularise: Dropout, weight_decay, label_smoothing.",
    "Train less of the net: freeze its first layers (--plan last:4), or only the classifier.",
    "Stop where the validation was best; a run of zoo finetune keeps that epoch.",
    "Take a smaller net.",
)


def overfit(course: Course) -> Iterator[Finding]:
    """What is seen in training is known far better than the rest."""
    points = course.points
    if len(points) < 3:
        return
    if all(_gap(point) > _GAP for point in points[-2:]):
        yield _overfit(course, points[-1], _gap(points[-1]), "")
        return
    best = min(point.loss for point in points)
    if all(
        point.loss > _RISEN * best and point.loss > _ABOVE * point.train_loss
        for point in points[-2:]
    ):
        rise = f" The validation loss was {best:.3g} at its best."
        yield _overfit(course, points[-1], points[-1].loss / best - 1, rise)


def underfit(course: Course) -> Iterator[Finding]:
    """At its end the net does not even know what it was trained on."""
    expected = course.subject.expected
    if not course.points or expected is None or course.count < _LEAST:
        return
    last = course.points[-1]
    if last.train_loss < _FULL * expected or last.loss - last.train_loss > 0.2 * expected:
        return
    still = len(course.points) > 1 and last.train_loss < 0.97 * course.points[-2].train_loss
    yield Finding(
        "underfit",
        f"the net fits not even what it was trained on: training loss {last.train_loss:.3g},"
        f" validation loss {last.loss:.3g}, and ln(N) is {expected:.3g}."
        + (" The loss was still falling." if still else ""),
        (
            "Train longer." if still else "Raise the learning rate, or cut it later.",
            "Train more of the net, not its classifier alone.",
            "Regularise less: weight_decay, Dropout, augmentation.",
            "Take a larger net, or one that was trained on more similar data (zoo rank).",
        ),
        course.iteration,
        "",
        {"train_loss": last.train_loss, "loss": last.loss, "expected": expected},
    )


def _gap(point: Point) -> float:
    if point.train_accuracy is None or point.accuracy is None:
        return 0.0
    return point.train_accuracy - point.accuracy


def _overfit(course: Course, point: Point, size: float, more: str) -> Finding:
    accuracies = (
        f"accuracy {percent(point.train_accuracy)} in training, {percent(point.accuracy)} in"
        " validation, "
        if point.train_accuracy is not None and point.accuracy is not None
        else ""
    )
    numbers = {"train_loss": point.train_loss, "loss": point.loss}
    if point.train_accuracy is not None and point.accuracy is not None:
        numbers |= {"train_accuracy": point.train_accuracy, "accuracy": point.accuracy}
    return Finding(
        "overfit",
        f"the net learns its training rows by heart: {accuracies}loss {point.train_loss:.3g} and"
        f" {point.loss:.3g}.{more}",
        _REMEDIES,
        course.iteration,
        "",
        numbers,
        size,
    )
