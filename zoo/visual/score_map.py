"""A classifier at every place of a larger picture: one probability a class and place.

The network is made fully convolutional (Caffe's examples/net_surgery) and run on a picture warped
to a larger size. A place of the map sees what the classifier would see in a window there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.predict import predictor
from zoo.classification import Prediction, best
from zoo.errors import NetError, UsageError
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.preprocess import Preprocessor
from zoo.receptive_field import ReceptiveField, receptive_fields
from zoo.resize import Bytes
from zoo.scores import score_blob, softmax
from zoo.surgery.cast import fully_convolutional
from zoo.surgery.input_shape import change_input
from zoo.visual.chosen_class import chosen_class, label_of, wanted_class
from zoo.visual.model_input import as_seen, loaded_model
from zoo.visual.place import Place

__all__ = ["ScoreMap", "score_map"]

_PLACES = 8  # along each axis, where no size is given: as many as CaffeNet has on 451 pixels


@dataclass(frozen=True)
class ScoreMap:
    """What a classifier says at each place of a picture.

    Attributes
    ----------
    index, label : the class that was asked for, or else the most probable one over all places.
    blob : whose values these are.
    probabilities : (classes, rows, columns).
    picture : what the network sees, (height, width, 3) uint8, RGB.
    labels : names of all classes, or None.
    """

    index: int
    label: str | None
    blob: str
    probabilities: NDArray[np.float64]
    picture: Bytes
    labels: list[str] | None
    field: ReceptiveField | None

    @property
    def map(self) -> NDArray[np.float64]:
        """The probability of the class at each place, (rows, columns)."""
        plane: NDArray[np.float64] = self.probabilities[self.index]
        return plane

    @property
    def probability(self) -> float:
        """The largest of them."""
        return float(self.map.max())

    def predictions(self, row: int, column: int, top: int = 5) -> tuple[Prediction, ...]:
        """The best classes at a place."""
        return best(self.probabilities[:, row, column], top, self.labels)

    def window(self, row: int, column: int) -> Place | None:
        """The pixels that a place sees; None where that is not known."""
        if self.field is None or None in self.field.start:
            return None
        down, across = self.field.pixels(row, column)
        return Place.spanning(down, across, self.picture.shape[:2])


def score_map(
    model: LoadedModel | str | Path,
    image: Any,
    target: int | str | None = None,
    *,
    size: int | None = None,
    device: str | None = None,
) -> ScoreMap:
    """Run a classifier over all of a picture.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    image : a path, the bytes of a file, a Pillow image, or a uint8 array, BGR.
    target : the class, by number or name; None for the one with the highest mean.
    size : pixels along each side that the picture is warped to; by default as many as give 8 x 8
        places.
    device : see `zoo.run`.

    Raises
    ------
    UsageError
        When there is no such class, or the size is below the network's own.
    NetError
        When a layer of the network reads pictures of one size only and cannot be cast.

    Examples
    --------
    >>> found = score_map("lenet_digits", "examples/digits/two.png", size=40)
    >>> found.map.shape, found.window(0, 0)
    ((4, 4), Place(left=0, top=0, width=28, height=28))
    """
    model = loaded_model(model)
    net = _cast(model.net)
    scores, is_probability = score_blob(net)
    wanted = wanted_class(model, target, net, scores)
    side = size if size is not None else _side(net, scores)
    large = _enlarged(net, side)
    spec = replace(model.preprocess.spec, size=(side, side), resize=None)
    given = {next(iter(large.inputs)): Preprocessor(spec).caffe([image])}
    found = predictor(large, [scores], device)(given)[scores][0].astype(np.float64)
    values = found if is_probability else np.moveaxis(softmax(np.moveaxis(found, 0, -1)), -1, 0)
    index = chosen_class(wanted, values.mean(axis=(1, 2)))
    return ScoreMap(
        index,
        label_of(model, index),
        scores,
        values,
        as_seen(next(iter(given.values())), spec)[0],
        model.labels,
        receptive_fields(large)[scores],
    )


def _cast(net: Net) -> Net:
    """The net fully convolutional, which it may be already."""
    castable = any(
        layer.type == "InnerProduct" or layer.definition.pooling_param.global_pooling
        for layer in net.layers
    )
    return fully_convolutional(net)[0] if castable else net


def _side(net: Net, scores: str) -> int:
    """Pixels that make a map of some places."""
    height, width = _own_size(net)
    field = receptive_fields(net)[scores]
    steps = [int(step) for step in field.stride if step] if field is not None else []
    return max(height, width) + (_PLACES - 1) * max(steps, default=max(height, width) // _PLACES)


def _own_size(net: Net) -> tuple[int, int]:
    shape = next(iter(net.inputs.values()))
    if len(shape) != 4:
        raise NetError(f"{net.name!r} reads no pictures: its input has the shape {shape}")
    return shape[2], shape[3]


def _enlarged(net: Net, side: int) -> Net:
    own = _own_size(net)
    if side < max(own):
        raise UsageError(f"size: expected {max(own)} or more, the network's own, received {side}")
    return change_input(net, side)[0]
