"""The mistakes that a model was surest of: which pictures, and what it said."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import ImageError
from zoo.transfer.data import Dataset

__all__ = ["Mistake", "thumbnail", "worst_mistakes"]

_SIDE = 112


@dataclass(frozen=True)
class Mistake:
    """A row that was taken for another class.

    Attributes
    ----------
    row : its number in the data.
    key : what it is called there.
    is_class, said : the right class and the one that was said.
    confidence : the probability that was given to what was said.
    own : the probability that was given to the right class.
    """

    row: int
    key: str
    is_class: str
    said: str
    confidence: float
    own: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def worst_mistakes(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[Any],
    names: Sequence[str],
    keys: Sequence[str],
    most: int = 24,
) -> list[Mistake]:
    """The mistakes with the greatest confidence, the surest first.

    Parameters
    ----------
    probabilities : of shape (n, classes).
    labels : (n,), numbers of classes.

    Examples
    --------
    >>> found = worst_mistakes(np.array([[0.2, 0.8], [0.9, 0.1]]), np.array([0, 0]), "ab", "xy")
    >>> [(each.key, each.is_class, each.said, each.confidence) for each in found]
    [('x', 'a', 'b', 0.8)]
    """
    labels = np.asarray(labels, np.int64)
    said = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != labels)
    surest = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")][:most]
    return [
        Mistake(
            int(row),
            keys[row],
            names[labels[row]],
            names[said[row]],
            float(probabilities[row, said[row]]),
            float(probabilities[row, labels[row]]),
        )
        for row in surest
    ]


def thumbnail(data: Dataset, row: int) -> bytes | None:
    """A small PNG of a row; None where it is no picture."""
    if not data.is_pictures:
        return None
    try:
        pixels = data.picture(row)
    except ImageError:
        return None
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
    if max(picture.size) > _SIDE:
        picture.thumbnail((_SIDE, _SIDE))
    else:
        factor = _SIDE // max(picture.size)
        size = (picture.width * factor, picture.height * factor)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.quantize(128).save(stream, "PNG", optimize=True)
    return stream.getvalue()
