"""Non-maximum suppression: of boxes that overlap, only the one with the best score stays.

SSD: bbox_util.cpp (ApplyNMSFast, JaccardOverlap). A box is (xmin, ymin, xmax, ymax).
"""

from __future__ import annotations

from typing import Any

from keras import ops

__all__ = ["overlaps", "surviving"]


def overlaps(one: Any, others: Any) -> Any:
    """Intersection over union of boxes (..., 4), broadcast; 0 where they do not meet."""
    low = ops.maximum(one[..., :2], others[..., :2])
    high = ops.minimum(one[..., 2:], others[..., 2:])
    meet = ops.all(high > low, axis=-1)
    shared = ops.prod(high - low, axis=-1)
    union = _area(one) + _area(others) - shared
    return ops.where(meet, shared / ops.where(meet, union, 1.0), 0.0)


def _area(boxes: Any) -> Any:
    return ops.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def surviving(boxes: Any, valid: Any, threshold: float, eta: float = 1.0) -> Any:
    """Which boxes stay when each is compared with the better ones that stayed.

    Parameters
    ----------
    boxes : (lists, n, 4), each list sorted with the best score first.
    valid : (lists, n) bool; in each list the valid boxes come first.
    threshold : a box goes if it overlaps one that stays by more than this.
    eta : below 1, each box that stays multiplies the threshold by it while that is above 0.5.

    Returns
    -------
    (lists, n) bool.
    """
    count = ops.max(ops.sum(ops.cast(valid, "int32"), axis=-1), initial=0)
    places = ops.arange(ops.shape(boxes)[1])

    def step(index: Any, keep: Any, limit: Any) -> tuple[Any, Any, Any]:
        here = places == index
        box = ops.take(boxes, ops.reshape(index, (1,)), axis=1)
        too_near = ops.logical_and(keep, overlaps(box, boxes) > limit)
        free = ops.logical_not(ops.any(too_near, axis=-1, keepdims=True))
        stays = ops.logical_and(ops.logical_and(here, valid), free)
        if eta < 1:
            shrinks = ops.logical_and(ops.any(stays, axis=-1, keepdims=True), limit > 0.5)
            limit = ops.where(shrinks, limit * eta, limit)
        return index + 1, ops.logical_or(keep, stays), limit

    limit = ops.full_like(boxes[:, :1, 0], threshold)
    start = (ops.convert_to_tensor(0, "int32"), ops.zeros_like(valid), limit)
    return ops.while_loop(lambda index, keep, limit: index < count, step, start)[1]
