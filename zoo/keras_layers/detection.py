"""SSD's prior boxes, and the detections that offsets from them and scores make.

SSD: prior_box_layer.cpp, detection_output_layer.cpp, bbox_util.cpp. Boxes are (xmin, ymin, xmax,
ymax) in parts of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.keras_layers.suppression import surviving

__all__ = ["Detections", "PriorBoxes"]

Sizes = tuple[int | None, ...]


@keras.saving.register_keras_serializable("zoo")
class PriorBoxes(keras.layers.Layer):
    """Boxes around each place of the first input, within the picture, the second.

    Output: (1, 2, places * boxes * 4), boxes row by row, then a variance for each number. Where the
    sizes of the inputs are known it is a constant.

    Parameters
    ----------
    boxes : (width, height) of the boxes around one place, in pixels.
    variance : of the four numbers of a box.
    offset : where in its cell the place lies, 0.5 for the middle.
    clip : cut off what lies outside the picture.
    step : (vertical, horizontal) distance of places in pixels; None to divide the picture evenly.
    picture_size : (height, width) in pixels; None for those of the second input.
    axes : that of the rows in both inputs; the columns are on the next.
    """

    def __init__(
        self,
        boxes: Sequence[Sequence[float]],
        variance: Sequence[float],
        offset: float,
        clip: bool,
        step: Sequence[float] | None,
        picture_size: Sequence[int] | None,
        axes: Sequence[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.boxes, self.variance = [tuple(box) for box in boxes], list(variance)
        self.offset, self.clip, self.step = offset, clip, step
        self.picture_size, self.axes = picture_size, list(axes)

    def call(self, inputs: Sequence[Any]) -> Any:
        places, picture = (
            ops.shape(blob)[axis : axis + 2] for blob, axis in zip(inputs, self.axes, strict=True)
        )
        picture = picture if self.picture_size is None else self.picture_size
        widths, heights = zip(*self.boxes, strict=True)
        top, bottom = self._edges(places, picture, 0, heights)
        left, right = self._edges(places, picture, 1, widths)
        sides = [left, top, right, bottom]
        shape = [places[0], places[1], len(self.boxes)]
        boxes = ops.stack([ops.broadcast_to(side, shape) for side in sides], axis=-1)
        boxes = ops.reshape(ops.clip(boxes, 0.0, 1.0) if self.clip else boxes, (-1, 4))
        variance = ops.broadcast_to(ops.convert_to_tensor(self.variance, boxes.dtype), boxes.shape)
        return ops.reshape(ops.stack([boxes, variance]), (1, 2, -1))

    def _edges(
        self, places: Sequence[Any], picture: Sequence[Any], axis: int, lengths: Sequence[float]
    ) -> tuple[Any, Any]:
        """Where the boxes begin and end along an axis, for each place on it and each box."""
        extent = ops.cast(picture[axis], "float32")
        step = extent / ops.cast(places[axis], "float32") if self.step is None else self.step[axis]
        centres = (ops.arange(places[axis], dtype="float32") + self.offset) * step
        centres = ops.reshape(centres, (-1, 1, 1) if axis == 0 else (1, -1, 1))
        halves = ops.convert_to_tensor(lengths, "float32") / 2
        return (centres - halves) / extent, (centres + halves) / extent

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        rows, columns = input_shape[0][self.axes[0] : self.axes[0] + 2]
        known = rows is not None and columns is not None
        return (1, 2, rows * columns * len(self.boxes) * 4 if known else None)  # type: ignore[operator]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "boxes": self.boxes,
            "variance": self.variance,
            "offset": self.offset,
            "clip": self.clip,
            "step": self.step,
            "picture_size": self.picture_size,
            "axes": self.axes,
        }


@keras.saving.register_keras_serializable("zoo")
class Detections(keras.layers.Layer):
    """Offsets (N, boxes * sets * 4), scores (N, boxes * classes) and priors to (1, 1, found, 7).

    A row is picture, class, score and box. If nothing is found there is one row for each picture,
    its number and -1 for the rest. There is no gradient.

    Parameters
    ----------
    classes : how many classes have a score.
    share_location : one set of offsets for all classes, else one a class.
    background : the class that is never found; -1 for none.
    code : how offsets change priors: CORNER, CENTER_SIZE or CORNER_SIZE.
    variance_in_target : offsets are used as they are, else times the priors' variances.
    least_score : scores must be above it; None for any.
    threshold, eta : see `surviving`.
    top_k : how many boxes of each class are compared at all; -1 for all.
    keep_top_k : how many are kept for each picture; -1 for all.
    """

    def __init__(
        self,
        classes: int,
        *,
        share_location: bool,
        background: int,
        code: str,
        variance_in_target: bool,
        least_score: float | None,
        threshold: float,
        eta: float,
        top_k: int,
        keep_top_k: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_jit = False  # how many rows there are depends on the values
        self.classes, self.share_location, self.background = classes, share_location, background
        self.code, self.variance_in_target, self.least_score = code, variance_in_target, least_score
        self.threshold, self.eta = threshold, eta
        self.top_k, self.keep_top_k = top_k, keep_top_k

    def call(self, inputs: Sequence[Any]) -> Any:
        offsets, scores, priors = inputs
        pictures = ops.shape(offsets)[0]
        labels = [label for label in range(self.classes) if label != self.background]
        labels = ops.convert_to_tensor(labels, "int32")
        sets = 1 if self.share_location else self.classes
        boxes = self._decoded(ops.reshape(offsets, (pictures, -1, sets, 4)), priors)
        boxes = ops.transpose(boxes, (0, 2, 1, 3))
        boxes = boxes if self.share_location else ops.take(boxes, labels, axis=1)
        scores = ops.transpose(ops.reshape(scores, (pictures, -1, self.classes)), (0, 2, 1))
        scores = ops.take(scores, labels, axis=1)
        scores, best = ops.top_k(scores, _at_most(self.top_k, ops.shape(scores)[2]))
        boxes = _gathered(boxes, best)
        keep = self._kept(boxes, scores)
        rows = _rows(ops.reshape(labels, (1, -1, 1)), scores, boxes)
        if self.keep_top_k >= 0:
            rows, keep = self._best_rows(rows, keep)
        return ops.stop_gradient(_found(rows, keep))

    def _decoded(self, offsets: Any, priors: Any) -> Any:
        """Boxes (N, boxes, sets, 4) from offsets of that shape."""
        prior, variance = ops.unstack(ops.reshape(priors[0], (2, -1, 1, 4)), 2)
        if not self.variance_in_target:
            offsets = offsets * variance
        if self.code == "CORNER":
            return prior + offsets
        low, high = prior[..., :2], prior[..., 2:]
        size = high - low
        if self.code == "CORNER_SIZE":
            return prior + offsets * ops.concatenate([size, size], axis=-1)
        centre = (low + high) / 2 + offsets[..., :2] * size
        half = ops.exp(offsets[..., 2:]) * size / 2
        return ops.concatenate([centre - half, centre + half], axis=-1)

    def _kept(self, boxes: Any, scores: Any) -> Any:
        """Which boxes (N, classes, best, 4), sorted by scores, are above all limits."""
        shape = ops.shape(scores)
        lists = shape[0] * shape[1]
        valid = ops.ones_like(scores, "bool")
        if self.least_score is not None:
            valid = scores > self.least_score
        keep = surviving(
            ops.reshape(boxes, (lists, shape[2], 4)),
            ops.reshape(valid, (lists, shape[2])),
            self.threshold,
            self.eta,
        )
        return ops.reshape(keep, shape)

    def _best_rows(self, rows: Any, keep: Any) -> tuple[Any, Any]:
        """Of each picture the `keep_top_k` kept rows with the best scores, in the same order."""
        scores = ops.where(keep, rows[..., 2], -float("inf"))
        scores = ops.reshape(scores, (ops.shape(rows)[0], -1))
        _, best = ops.top_k(scores, _at_most(self.keep_top_k, ops.shape(scores)[1]))
        best = ops.sort(best, axis=-1)
        flat = ops.reshape(rows, (ops.shape(rows)[0], -1, 7))
        kept = ops.reshape(keep, (ops.shape(rows)[0], -1, 1))
        return _gathered(flat, best), _gathered(kept, best)

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        return (1, 1, None, 7)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "classes": self.classes,
            "share_location": self.share_location,
            "background": self.background,
            "code": self.code,
            "variance_in_target": self.variance_in_target,
            "least_score": self.least_score,
            "threshold": self.threshold,
            "eta": self.eta,
            "top_k": self.top_k,
            "keep_top_k": self.keep_top_k,
        }


def _at_most(limit: int, size: Any) -> Any:
    """The smaller of both, a limit of -1 being none; `size` may be known only when it runs."""
    if limit < 0:
        return size
    return min(limit, size) if isinstance(size, int) else ops.minimum(limit, size)


def _gathered(values: Any, places: Any) -> Any:
    """From each list (..., size, numbers) the entries at `places`, whose last axis is theirs.

    An axis before the last may be 1 in `values` alone: then all of `places` take from that list.
    """
    *lists, size, numbers = ops.shape(values)
    count = lists[0] * lists[1] if len(lists) == 2 else lists[0]
    starts = ops.reshape(ops.arange(count) * size, (*lists, 1))
    return ops.take(ops.reshape(values, (-1, numbers)), starts + places, axis=0)


def _rows(labels: Any, scores: Any, boxes: Any) -> Any:
    """Picture, class, score and box of each, (N, classes, best, 7)."""
    shape = ops.shape(scores)
    pictures = ops.reshape(ops.arange(shape[0]), (-1, 1, 1))
    head = [ops.broadcast_to(ops.cast(part, scores.dtype), shape) for part in (pictures, labels)]
    return ops.concatenate([ops.stack([*head, scores], axis=-1), boxes], axis=-1)


def _found(rows: Any, keep: Any) -> Any:
    """The rows that are kept, (1, 1, found, 7), or one for each picture if there are none."""
    pictures = ops.reshape(ops.arange(ops.shape(rows)[0], dtype=rows.dtype), (-1, 1))
    blank = ops.concatenate([pictures, ops.full_like(ops.tile(pictures, (1, 6)), -1)], axis=-1)
    rows = ops.concatenate([ops.reshape(rows, (-1, 7)), blank], axis=0)
    keep = ops.reshape(keep, (-1,))
    nothing = ops.broadcast_to(ops.logical_not(ops.any(keep)), ops.shape(pictures)[:1])
    (places,) = ops.nonzero(ops.concatenate([keep, nothing], axis=0))
    return ops.reshape(ops.take(rows, places, axis=0), (1, 1, -1, 7))
