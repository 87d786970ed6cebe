"""What is trained on, and what the best weights are chosen by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.transfer.data import Dataset, open_data

__all__ = ["chosen_data", "labelled_data"]

_HELD_OUT = 0.2


def chosen_data(
    data: str | Path | Dataset, val: str | Path | Dataset | None, seed: int
) -> tuple[Dataset, Dataset, list[str]]:
    """Rows to train on, rows to choose by, and notes of what was assumed.

    Parameters
    ----------
    data, val : what `zoo.fine_tune` was given; without `val` a fifth of each class is left out.
    seed : of what is left out.

    Raises
    ------
    UsageError
        When rows have no class, or a class has no rows.
    """
    train = labelled_data(data)
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
        if validation.labels is not None:
            raise UsageError(f"{validation.path}: {_several_labels(validation)}")
        raise UsageError(f"{validation.path}: rows have no class, so nothing can be compared")
    validation.check_labels(len(train.classes))
    return train, validation, []


def labelled_data(data: str | Path | Dataset) -> Dataset:
    """Rows to train a classifier on.

    Raises
    ------
    UsageError
        When rows have no class, or a class has no rows.
    """
    train = data if isinstance(data, Dataset) else open_data(data)
    if train.labels is not None and not train.has_classes:
        raise UsageError(f"{train.path}: {_several_labels(train)}")
    if train.labels is None:
        raise UsageError(
            f"{train.path}: fine-tuning needs the number or the name of a class for each row;"
            " expected a folder of class folders, or a list of paths and labels"
        )
    empty = [name for name, n in zip(train.classes, train.class_counts, strict=True) if not n]
    if empty:
        raise UsageError(f"{train.path}: no rows of {len(empty)} classes: {', '.join(empty[:10])}")
    if len(train.classes) < 2:
        raise UsageError(f"{train.path}: expected two classes or more, found {train.classes}")
    return train


def _several_labels(data: Dataset) -> str:
    """What is supported, for who has labels that are not."""
    labels = np.asarray(data.labels)
    width = labels.shape[1]
    binary = np.isin(labels, (0, 1)).all()
    kind = "several classes a row (multi-label)" if binary else "numbers to be met (regression)"
    loss = "SigmoidCrossEntropyLoss" if binary else "EuclideanLoss"
    return (
        f"rows have {width} label{'s' if width > 1 else ''} each, such as"
        f" {', '.join(f'{value:g}' for value in labels[0, :4])}: {kind}. Fine-tuning takes one"
        " class a row: a folder of class folders, or a list whose lines are a path and the whole"
        f" number or the name of a class. For such labels, `zoo train` runs a solver whose net ends"
        f" in a {loss}."
    )
