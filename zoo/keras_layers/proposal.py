"""Regions of interest from the maps of a region proposal network, over channels-last maps.

Faster R-CNN (Ren et al. 2015); py-faster-rcnn: proposal_layer.py, bbox_transform.py, nms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["Proposal"]

Sizes = tuple[int | None, ...]
# What is dropped scores less than this, the lowest number that is finite.
LOWEST = float(np.finfo(np.float32).min)


@keras.saving.register_keras_serializable("zoo")
class Proposal(keras.layers.Layer):
    """Scores (1, h, w, 2a), deltas (1, h, w, 4a), picture size to [regions (r, 5), scores].

    The size is height, width, scale; where a fourth number follows, scale is for the height and
    that for the width. There is no gradient.

    Parameters
    ----------
    anchors : boxes around the first place, (a, 4).
    stride : pixels of the picture between two places.
    min_size : sides, in pixels of the unscaled picture, below which a box is dropped.
    before, after : how many boxes there are at most before and after suppression; 0 or less for
        all.
    threshold : of two boxes that overlap by more, the one with the lower score is dropped.
    scores_rank : 1 for scores (r,), 2 for (r, 1).
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        stride: int,
        min_size: float,
        before: int,
        after: int,
        threshold: float,
        scores_rank: int = 1,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.anchors = [list(box) for box in anchors]
        self.stride, self.min_size = stride, min_size
        self.before, self.after, self.threshold = before, after, threshold
        self.scores_rank = scores_rank

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        scores, deltas, size = (ops.stop_gradient(tensor) for tensor in inputs)
        size = ops.reshape(size, (math.prod(size.shape[1:]),))
        number = len(self.anchors)
        height, width = ops.shape(scores)[1:3]
        foreground = ops.reshape(scores[0, :, :, number:], (-1,))
        boxes = _moved(self._placed(height, width), ops.reshape(deltas[0], (-1, 4)))
        boxes = _clipped(boxes, size)
        foreground = ops.where(self._large(boxes, size), foreground, -float("inf"))
        foreground, boxes = self._best(foreground, boxes)
        kept = self._surviving(foreground, boxes)
        regions = ops.pad(ops.take(boxes, kept, axis=0), [(0, 0), (1, 0)])
        foreground = ops.take(foreground, kept, axis=0)
        return [regions, foreground if self.scores_rank == 1 else foreground[:, None]]

    def _placed(self, height: Any, width: Any) -> Any:
        """The anchors around every place, (h * w * a, 4)."""
        x = ops.cast(ops.arange(width) * self.stride, "float32")
        y = ops.cast(ops.arange(height) * self.stride, "float32")
        x, y = ops.meshgrid(x, y)
        shifts = ops.reshape(ops.stack([x, y, x, y], axis=-1), (-1, 1, 4))
        return ops.reshape(shifts + ops.convert_to_tensor(self.anchors, "float32"), (-1, 4))

    def _large(self, boxes: Any, size: Any) -> Any:
        """Which boxes are not too small."""
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        # The last of three numbers is for both; of four, the third is the height's.
        vertical = size[2]
        horizontal = size[3] if size.shape[0] > 3 else vertical
        wide = sides[:, 0] >= self.min_size * horizontal
        return ops.logical_and(wide, sides[:, 1] >= self.min_size * vertical)

    def _best(self, scores: Any, boxes: Any) -> tuple[Any, Any]:
        """Those with the best scores, best first."""
        number = ops.shape(scores)[0]
        if self.before > 0:
            number = ops.minimum(number, self.before)
        scores, order = ops.top_k(scores, number)
        return scores, ops.take(boxes, order, axis=0)

    def _surviving(self, scores: Any, boxes: Any) -> Any:
        """The places of the boxes that stay."""
        # A loop over thousands of boxes in Keras's operations takes seconds.
        import tensorflow as tf

        # A box covers its last pixel too, so that as an interval it ends one further.
        ends = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0])
        return tf.image.non_max_suppression(
            boxes + ends,
            scores,
            self.after if self.after > 0 else ops.shape(boxes)[0],
            self.threshold,
            score_threshold=LOWEST,
        )

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> list[Sizes]:
        return [(None, 5), (None, 1)[: self.scores_rank]]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "anchors": self.anchors,
            "stride": self.stride,
            "min_size": self.min_size,
            "before": self.before,
            "after": self.after,
            "threshold": self.threshold,
            "scores_rank": self.scores_rank,
        }


def _moved(boxes: Any, deltas: Any) -> Any:
    """Boxes whose centre moves by a share of their size, and whose size by a power of e."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    centres = boxes[:, :2] + sizes / 2 + deltas[:, :2] * sizes
    half = ops.exp(deltas[:, 2:]) * sizes / 2
    return ops.concatenate([centres - half, centres + half], axis=1)


def _clipped(boxes: Any, size: Any) -> Any:
    """The boxes cut off at the edges of a picture of (height, width, ...)."""
    edges = ops.stack([size[1], size[0], size[1], size[0]]) - 1
    return ops.maximum(ops.minimum(boxes, edges), 0.0)
