"""Which class of a model's is meant, and how probable classes are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, did_you_mean
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.scores import softmax

__all__ = ["chosen_class", "label_of", "probabilities", "wanted_class"]


def probabilities(scores: NDArray[Any], is_probability: bool) -> NDArray[np.float64]:
    """The scores of several pictures, (n, classes), as probabilities; other axes have length 1."""
    rows = np.asarray(scores, np.float64).reshape(len(scores), -1)
    return rows if is_probability else softmax(rows)


def wanted_class(model: LoadedModel, wanted: int | str | None, net: Net, scores: str) -> int | None:
    """The number of a class, which can be told before anything is run.

    Parameters
    ----------
    model : whose labels count.
    wanted : its number, its name, one of the names in a label with commas; None for the best.
    net, scores : the network that is run, and the blob with the scores of its classes.

    Returns
    -------
    None where the best class is wanted: for `chosen_class`.

    Raises
    ------
    UsageError
        When there is none of that number or name, or several.
    """
    if wanted is None:
        return None
    if isinstance(wanted, int) or wanted.isdecimal():
        classes = (net.blobs[scores] or (0, 0))[1]
        if not 0 <= int(wanted) < classes:
            raise UsageError(
                f"there is no class {wanted}: {model.name} has {classes}, from 0 to {classes - 1}"
            )
        return int(wanted)
    if model.labels is None:
        raise UsageError(f"{model.name} has no labels; give the class as a number, not {wanted!r}")
    word = wanted.strip().lower()
    labels = [label.lower() for label in model.labels]
    found = [number for number, label in enumerate(labels) if label == word] or [
        number for number, label in enumerate(labels) if word in _names(label)
    ]
    if len(found) > 1:
        raise UsageError(f"{wanted!r} is the name of the classes {', '.join(map(str, found))}")
    if not found:
        known = [name for label in labels for name in (label, *_names(label))]
        some = ", ".join(repr(label) for label in model.labels[:5])
        raise UsageError(
            f"{model.name} has no class {wanted!r}.{did_you_mean(word, known)} It has"
            f" {len(model.labels)}: {some}{', ...' if len(model.labels) > 5 else ''}"
        )
    return found[0]


def chosen_class(wanted: int | None, row: NDArray[Any]) -> int:
    """The class that is wanted, or else the one with the highest value in a row of them."""
    return int(np.argmax(row)) if wanted is None else wanted


def label_of(model: LoadedModel, index: int) -> str | None:
    """The name of a class, if it has one."""
    return model.labels[index] if model.labels else None


def _names(label: str) -> list[str]:
    return [name.strip() for name in label.split(",")]
