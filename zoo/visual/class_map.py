"""Where a network looks for a class: Grad-CAM (Selvaraju et al., 2017).

Each map of a convolutional layer counts as much as the score of the class, before the softmax,
grows with it on average; what is left of the sum above 0 is shown. For a network that ends in
global average pooling and one linear layer that is CAM (Zhou et al., 2016) up to a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.gradients import run_both_ways
from zoo.build.model import needed_layers
from zoo.build.predict import predictor
from zoo.errors import NetError
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.resize import Bytes
from zoo.scores import score_blob
from zoo.visual.apart import Apart, apart
from zoo.visual.chosen_class import chosen_class, label_of, probabilities, wanted_class
from zoo.visual.model_input import as_seen, input_of, loaded_model
from zoo.visual.place import Place

__all__ = ["ClassMap", "grad_cam"]


@dataclass(frozen=True)
class ClassMap:
    """How much each place of a blob speaks for a class.

    Attributes
    ----------
    index, label : the class.
    probability : of it.
    blob : whose maps were weighed.
    map : (rows, columns), 0 or more.
    weights : (channels,), what each map counted.
    picture : what the network sees, (height, width, 3) uint8, RGB.
    """

    index: int
    label: str | None
    probability: float
    blob: str
    map: NDArray[np.float64]
    weights: NDArray[np.float64]
    picture: Bytes

    @property
    def place(self) -> Place | None:
        """The region around the largest value that has at least half of it; None if all are 0."""
        if not self.map.max() > 0:
            return None
        region = _region(self.map >= self.map.max() / 2, int(np.argmax(self.map)))
        rows, columns = np.nonzero(region)
        height, width = self.picture.shape[:2]
        down, across = height / self.map.shape[0], width / self.map.shape[1]
        top, left = int(rows.min() * down), int(columns.min() * across)
        bottom, right = int((rows.max() + 1) * down), int((columns.max() + 1) * across)
        return Place(left, top, right - left, bottom - top)


def grad_cam(
    model: LoadedModel | str | Path,
    image: Any,
    target: int | str | None = None,
    *,
    blob: str | None = None,
    device: str | None = None,
) -> ClassMap:
    """The Grad-CAM of a picture and a class.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    image : a path, the bytes of a file, a Pillow image, or a uint8 array, BGR.
    target : the class, by number or name; None for the most probable one.
    blob : whose maps count; None for the last one in rows and columns that no pooling made.
    device : see `zoo.run`.

    Raises
    ------
    UsageError
        When there is no such class or blob.
    NetError
        When the blob has no rows and columns, or the class does not depend on it.

    Examples
    --------
    >>> found = grad_cam("lenet_digits", "examples/digits/two.png")
    >>> found.label, found.blob, found.map.shape
    ('two', 'conv2', (8, 8))
    """
    model = loaded_model(model)
    net = model.net
    scores, is_probability = score_blob(net)
    blob = _checked(net, blob, scores) if blob is not None else _last_maps(net, scores)
    wanted = wanted_class(model, target, net, scores)
    given = input_of(model, image)
    found = predictor(net, [scores], device)(given)[scores]
    row = probabilities(found, is_probability)[0]
    index = chosen_class(wanted, row)
    parts = apart(net, (scores,))
    before, maps = _before_softmax(parts, scores, is_probability), parts.last[blob]
    start = np.zeros((1, *(parts.net.blobs[before] or ())[1:]), np.float32)
    start[0, index] = 1
    both = run_both_ways(
        parts.net, given, {before: start}, [maps], force_backward=True, device=device
    )
    values, gradient = (np.asarray(each[maps][0], np.float64) for each in (both.values, both.blobs))
    weights = gradient.mean(axis=(1, 2))
    return ClassMap(
        index,
        label_of(model, index),
        float(row[index]),
        blob,
        np.maximum(np.tensordot(weights, values, 1), 0),
        weights,
        as_seen(next(iter(given.values())), model.preprocess.spec)[0],
    )


def _checked(net: Net, blob: str, scores: str) -> str:
    needed_layers(net, [blob])
    shape = net.blobs[blob]
    if shape is None or len(shape) != 4 or shape[2] * shape[3] == 1:
        raise NetError(
            f"blob {blob!r} of shape {shape} has no rows and columns to show a class in; take one"
            f" such as {_last_maps(net, scores)!r}"
        )
    if blob not in _maps(net, scores):
        raise NetError(f"{scores!r}, which has the classes, does not depend on blob {blob!r}")
    return blob


def _last_maps(net: Net, scores: str) -> str:
    """The last blob that has rows and columns; one that pooling made only where all are so."""
    maps = _maps(net, scores)
    if not maps:
        raise NetError(
            f"no blob of {net.name!r} before {scores!r} has rows and columns, so there is no place"
            " to show"
        )
    unpooled = [blob for blob, kind in maps.items() if kind not in ("Pooling", "input")]
    return (unpooled or list(maps))[-1]


def _maps(net: Net, scores: str) -> dict[str, str]:
    """Blobs in rows and columns on the way to the scores, with the type that made each first."""
    made: dict[str, str] = {}
    for layer in needed_layers(net, [scores]):
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
            if shape is not None and len(shape) == 4 and shape[2] * shape[3] > 1:
                made.setdefault(top, "input" if layer.is_source else layer.type)
    return made


def _before_softmax(parts: Apart, scores: str, is_probability: bool) -> str:
    """The blob from which the probabilities are made."""
    name = parts.last[scores]
    if not is_probability:
        return name
    maker = next(layer for layer in parts.net.layers if name in layer.tops)
    return maker.bottoms[0]


def _region(inside: NDArray[np.bool_], start: int) -> NDArray[np.bool_]:
    """The places joined to a start, side by side, that are inside too."""
    region = np.zeros_like(inside)
    waiting = [divmod(start, inside.shape[1])]
    while waiting:
        row, column = waiting.pop()
        within = 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1]
        if within and inside[row, column] and not region[row, column]:
            region[row, column] = True
            waiting += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return region
