"""Which weights of a Keras layer are which blobs of Caffe's, told from how a kind maps them.

A kind gives its weights to Keras by turning arrays: views, in which nothing is computed. Applied
to arrays of the right shapes the same functions show which blob each weight is, reshaped to which
sizes and with which axes moved, so that a tensor can take the way that an array takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zoo.errors import NetError
from zoo.layers.kind import Shape

__all__ = ["Slots"]

Arrays = list[np.ndarray]
Slot = tuple[int, tuple[int, ...], tuple[int, ...]]


class Slots:
    """The weights of a Keras layer of which some come from elsewhere.

    Parameters
    ----------
    shapes : of all params of the layer.
    elsewhere : the indices of those that are not weights of the Keras layer.
    to_keras, to_caffe : see `zoo.layers.site.WeightMap`.

    Attributes
    ----------
    of_blobs : for each param of `elsewhere` the index of the Keras weight, the sizes to reshape the
        blob to, and the order to move these axes to.

    >>> def turned(arrays):
    ...     return [arrays[0].T, *arrays[1:]]
    >>> Slots([(2, 3), (2,)], [0], turned, turned, "fc").of_blobs
    [(0, (2, 3), (1, 0))]
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        elsewhere: Sequence[int],
        to_keras: Callable[[Arrays], Arrays],
        to_caffe: Callable[[Arrays], Arrays],
        name: str,
    ) -> None:
        self._shapes, self._elsewhere, self._to_caffe = shapes, elsewhere, to_caffe
        blobs = [np.empty(shape, np.float32) for shape in shapes]
        self._views = to_keras(blobs)
        places = [_place(blob, self._views) for blob in blobs]
        if None in places:
            raise NetError(
                "its weights are computed from its params, not only turned, so it cannot share some"
                " of them with layers of other settings",
                name,
            )
        self.of_blobs: list[Slot] = [
            (place, *_turn(self._views[place]))
            for place in (places[index] for index in elsewhere)
            if place is not None
        ]

    def to_caffe(self, arrays: Arrays) -> Arrays:
        """All params from the weights that the Keras layer has, and behind them those elsewhere."""
        own, others = arrays[: -len(self._elsewhere)], arrays[-len(self._elsewhere) :]
        taken = {slot for slot, _, _ in self.of_blobs}
        waiting = iter(own)
        weights = [
            view if slot in taken else next(waiting) for slot, view in enumerate(self._views)
        ]
        blobs = self._to_caffe(weights)
        for index, other in zip(self._elsewhere, others, strict=True):
            blobs[index] = other.reshape(self._shapes[index])
        return blobs


def _place(blob: np.ndarray, views: Arrays) -> int | None:
    """The index of the view that shows all of this array."""
    for index, view in enumerate(views):
        if view.size == blob.size and np.may_share_memory(view, blob):
            return index
    return None


def _turn(view: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes of a view's axes as they lie in memory, and their order in the view."""
    order = np.argsort([-stride for stride in view.strides], kind="stable")
    sizes = tuple(int(view.shape[axis]) for axis in order)
    return sizes, tuple(int(axis) for axis in np.argsort(order))
