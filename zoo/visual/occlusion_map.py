"""What happens to a class when part of the picture is hidden (Zeiler and Fergus, 2014, figure 7).

A square is moved over the picture. Where it lies on what the network recognises the class by, the
probability falls. The square has the mean of the training pictures, 0 in the network's input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.predict import predictor
from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.resize import Bytes
from zoo.scores import score_blob
from zoo.visual.chosen_class import chosen_class, label_of, probabilities, wanted_class
from zoo.visual.model_input import as_seen, input_of, loaded_model
from zoo.visual.place import Place

__all__ = ["OcclusionMap", "occlusion"]


@dataclass(frozen=True)
class OcclusionMap:
    """How probable a class is while a square hides part of the picture.

    Attributes
    ----------
    index, label : the class.
    probability : of it for the whole picture.
    map : (rows, columns), its probability with the square at each place.
    tops, lefts : the first row and column of pixels that the square hides at each place.
    patch : its side in pixels.
    picture : what the network sees, (height, width, 3) uint8, RGB.
    """

    index: int
    label: str | None
    probability: float
    map: NDArray[np.float64]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    patch: int
    picture: Bytes

    @property
    def place(self) -> Place:
        """Where the class lost most: the first of the places with the smallest probability."""
        row, column = np.unravel_index(int(np.argmin(self.map)), self.map.shape)
        return Place(self.lefts[column], self.tops[row], self.patch, self.patch)

    @property
    def loss(self) -> NDArray[np.float64]:
        """How much probability hiding each pixel cost, on average, (height, width) of the picture.

        Pixels that the square never hides have 0.
        """
        total, times = np.zeros(self.picture.shape[:2]), np.zeros(self.picture.shape[:2])
        for top, row in zip(self.tops, self.map, strict=True):
            for left, probability in zip(self.lefts, row, strict=True):
                hidden = slice(top, top + self.patch), slice(left, left + self.patch)
                total[hidden] += self.probability - probability
                times[hidden] += 1
        return total / np.maximum(times, 1)


def occlusion(
    model: LoadedModel | str | Path,
    image: Any,
    target: int | str | None = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
    batch_size: int = 32,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OcclusionMap:
    """Hide each part of a picture in turn and see what it does to a class.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    image : a path, the bytes of a file, a Pillow image, or a uint8 array, BGR.
    target : the class, by number or name; None for the most probable one.
    patch : side of the square in pixels of the network's input; 32, or a quarter of a side that is
        shorter than 128.
    stride : pixels from one place to the next; half of `patch`. The last place in a row or column
        is at the edge.
    batch_size : pictures in a forward pass.
    device : see `zoo.run`.
    progress : called with how many places are done and how many there are.

    Raises
    ------
    UsageError
        When there is no such class, or the square does not fit.

    Examples
    --------
    >>> found = occlusion("lenet_digits", "examples/digits/two.png", patch=8, stride=4)
    >>> found.label, found.map.shape, bool(found.map.min() < found.probability)
    ('two', (6, 6), True)
    """
    model = loaded_model(model)
    blob, is_probability = score_blob(model.net)
    wanted = wanted_class(model, target, model.net, blob)
    given = input_of(model, image)
    ((source, whole),) = given.items()
    height, width = whole.shape[2:]
    patch = patch or min(32, max(1, min(height, width) // 4))
    stride = stride or max(1, patch // 2)
    if patch < 1 or stride < 1 or patch > min(height, width):
        raise UsageError(
            f"a square of {patch} pixels every {stride} does not fit: the input of {model.name} has"
            f" {height} x {width} pixels"
        )
    if batch_size < 1:
        raise UsageError(f"batch_size: expected 1 or more, received {batch_size}")
    run = predictor(model.net, [blob], device)

    def scored(batch: NDArray[np.float32]) -> NDArray[np.float64]:
        return probabilities(run({source: batch})[blob], is_probability)

    plain = scored(whole)[0]
    index = chosen_class(wanted, plain)
    tops, lefts = _starts(height, patch, stride), _starts(width, patch, stride)
    places = [(top, left) for top in tops for left in lefts]
    values: list[float] = []
    for start in range(0, len(places), batch_size):
        part = places[start : start + batch_size]
        batch = np.repeat(whole, len(part), axis=0)
        for picture, (top, left) in zip(batch, part, strict=True):
            picture[:, top : top + patch, left : left + patch] = 0
        values += scored(batch)[:, index].tolist()
        if progress is not None:
            progress(len(values), len(places))
    return OcclusionMap(
        index,
        label_of(model, index),
        float(plain[index]),
        np.array(values).reshape(len(tops), len(lefts)),
        tops,
        lefts,
        patch,
        as_seen(whole, model.preprocess.spec)[0],
    )


def _starts(size: int, patch: int, stride: int) -> tuple[int, ...]:
    """Where the square begins along an axis, so that every pixel is hidden at some place."""
    last = size - patch
    return tuple(sorted({*range(0, last, stride), last}))
