"""Rules about what is trained on: labels and input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.transfer.watch.course import Course
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.look import Input
from zoo.transfer.watch.words import listed

__all__ = ["broken_input", "flaw", "labels", "unnormalised_input"]

_UNBALANCED = 10  # times as many rows of one class as of another
_EACH = 20  # labels a class that must have come by on average
_BATCHES = 5


def labels(course: Course) -> Iterator[Finding]:
    """Labels that are all the same, come class by class, or are very unequal in number."""
    seen = course.labels
    if seen is None or seen.batches < _BATCHES:
        return
    counts, total = seen.counts, int(seen.counts.sum())
    names = {f"class {index}": float(count) for index, count in enumerate(counts)}
    most = int(counts.argmax())
    if int(counts[most]) == total:
        yield Finding(
            "constant-labels",
            f"all {total} labels so far are {most}: there is nothing to tell apart.",
            (
                "Look at how labels are read: a list's second column, the names of class folders.",
                "Shuffle the rows (shuffle: true, or a shuffled list or database).",
            ),
            course.iteration,
            "",
            {f"class {most}": float(total)},
        )
    elif seen.uniform == seen.batches:
        yield Finding(
            "unshuffled-labels",
            f"each of {seen.batches} batches holds rows of one class only: the net learns that"
            " class and forgets the others.",
            (
                "Shuffle the rows (shuffle: true, or a shuffled list or database).",
                "Look at how rows are read: each batch should hold all classes.",
            ),
            course.iteration,
            "",
            {"batches": float(seen.batches)},
        )
    elif (
        not course.balanced
        and total >= _EACH * len(counts)
        and counts[most] > _UNBALANCED * counts.min()
    ):
        least = int(counts.argmin())
        rare = [
            f"{index}" for index in np.argsort(counts, kind="stable") if _is_rare(counts, index)
        ]
        yield Finding(
            "unbalanced-labels",
            f"classes are very unequal: {counts[most]} rows of class {most}, {counts[least]} of"
            f" class {least}. Rare: {listed(rare)}.",
            (
                "Compare the number of outputs with that of the classes, and look for classes"
                " without rows (zoo data inspect).",
                "Collect more rows of the rare classes.",
                "Let rare classes count more: balance: true in a plan, or InfogainLoss.",
                "Judge by recall of each class, not by accuracy.",
            ),
            course.iteration,
            "",
            names,
        )


def broken_input(course: Course) -> Iterator[Finding]:
    """Data with values that are no numbers."""
    for values in course.inputs:
        if not values.is_finite:
            yield Finding(
                "broken-input",
                f"the input {values.name} has values that are no numbers (NaN or infinite); one"
                " such row makes all weights useless.",
                (
                    "Find the rows: zoo data inspect names broken files; look for NaN in arrays.",
                    "Look for a division by a standard deviation of 0 where the data are made.",
                    "Start again from weights of before, once the data are mended.",
                ),
                course.iteration,
                values.name,
            )


def unnormalised_input(course: Course) -> Iterator[Finding]:
    """Data that are not centred and scaled as fresh weights need it."""
    scratch = course.subject.is_scratch()
    for values in course.inputs:
        what = flaw(values)
        # Trained weights want the mean and scale of their training, whatever those are.
        if what and (scratch or not values.spread):
            yield Finding(
                "unnormalised-input",
                f"the input {values.name} is not normalised: {what} (mean {values.mean:.3g},"
                f" standard deviation {values.spread:.3g}, from {values.least:.3g} to"
                f" {values.most:.3g}).",
                (
                    "Subtract the mean: mean_value or mean_file in transform_param, mean in the"
                    " readme's input.",
                    "Scale it: scale: 0.0039 brings bytes to 0..1, scale: 0.017 to about -2..2.",
                    "A net that was trained already wants the mean and scale of its training.",
                ),
                course.iteration,
                values.name,
                {"mean": values.mean, "spread": values.spread},
            )


def _is_rare(counts: np.ndarray, index: int) -> bool:
    return bool(counts[index] * _UNBALANCED < counts.max())


def flaw(values: Input) -> str:
    """What is wrong with the mean and scale of some data, for weights that start at random."""
    if not values.is_finite:
        return ""
    if values.spread == 0:
        return "all values are the same"
    if values.least >= 0 and values.spread > 10:
        return "no mean is subtracted"
    if abs(values.mean) > 3 * values.spread:
        return "its mean is far from 0"
    if values.spread > 200:
        return "its values are large"
    return "its values hardly differ" if values.spread < 0.005 else ""
