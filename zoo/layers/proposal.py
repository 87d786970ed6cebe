"""Proposal: the regions that a region proposal network (Faster R-CNN) believes in.

Forks: lib/rpn/proposal_layer.py and generate_anchors.py of py-faster-rcnn, a Python layer, whose
numbers of proposals come from that project's configuration; and the layer "Proposal", which is the
same with a message `proposal_param`. Boxes that are too small are dropped in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, count, layer
from zoo.layers.shape import in_element_order
from zoo.layers.site import Blob, Site

__all__ = ["Proposal", "PythonProposal", "anchors"]

RATIOS = (0.5, 1.0, 2.0)
SCALES = (8.0, 16.0, 32.0)


def anchors(base_size: float, ratios: Sequence[float], scales: Sequence[float]) -> np.ndarray:
    """The boxes around one place: (ratios x scales, 4), float64 x1, y1, x2, y2.

    >>> anchors(16, [0.5, 1], [8]).tolist()
    [[-84.0, -40.0, 99.0, 55.0], [-56.0, -56.0, 71.0, 71.0]]
    """
    centre = (base_size - 1) / 2
    widths = np.round(np.sqrt(base_size**2 / np.asarray(ratios, float)))
    heights = np.round(widths * ratios)
    sizes = np.stack([widths, heights], axis=1)[:, None] * np.asarray(scales, float)[:, None]
    half = (sizes.reshape(-1, 2) - 1) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


@dataclass(frozen=True)
class _Settings:
    """How many pixels lie between anchors, which these are, and which proposals stay."""

    stride: int
    boxes: np.ndarray
    min_size: float
    before: int
    after: int
    threshold: float


@layer("Proposal")
class Proposal(Kind):
    """Scores (1, 2A, H, W), deltas (1, 4A, H, W), picture size and scale to regions (R, 5).

    R is at most `post_nms_topn`. A second top has the scores.
    """

    bottom_count = (3, 3)
    top_count = (1, 2)

    def settings_of(self, layer: Any, phase: str) -> _Settings:
        """What the definition says."""
        param = layer.proposal_param
        ratios, scales = list(param.ratio) or RATIOS, list(param.scale) or SCALES
        return _Settings(
            param.feat_stride,
            anchors(param.base_size, ratios, scales),
            param.min_size,
            param.pre_nms_topn,
            param.post_nms_topn,
            param.nms_thresh,
        )

    def scores_shape(self, number: int) -> Shape:
        """Shape of the second top."""
        return (number,)

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, deltas, size = bottoms
        settings = self.settings_of(layer, "TEST")
        number = len(settings.boxes)
        wanted = [(1, channels * number, *scores[2:]) for channels in (2, 4)]
        if len(scores) != 4 or [scores, deltas] != wanted:
            raise ShapeError(
                f"expected scores (1, {2 * number}, H, W) and deltas (1, {4 * number}, H, W) of one"
                f" picture and {number} anchors, received {scores} and {deltas}",
                layer.name,
            )
        if count(size) < 3:
            raise ShapeError(
                f"expected the picture's height, width and scale, (1, 3), received {size}",
                layer.name,
            )
        shapes: list[Shape] = [(settings.after, 5), self.scores_shape(settings.after)]
        return shapes[: len(layer.top)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.proposal import Proposal as KerasProposal

        settings = self.settings_of(site.layer, site.phase)
        propose = KerasProposal(
            settings.boxes.tolist(),
            settings.stride,
            settings.min_size,
            settings.before,
            settings.after,
            settings.threshold,
            scores_rank=len(self.scores_shape(1)),
            name=site.name,
        )
        size, _ = in_element_order(site, 2)
        tensors = propose([site.channels_last(0), site.channels_last(1), size])
        return [Blob(tensor, top) for tensor, top in zip(tensors, site.tops, strict=False)]


@layer("Python:rpn.proposal_layer.ProposalLayer")
class PythonProposal(Proposal):
    """py-faster-rcnn's Python layer, with the configuration that its authors published."""

    def settings_of(self, layer: Any, phase: str) -> _Settings:
        text = layer.python_param.param_str
        try:
            written = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise NetError(f"param_str is not YAML: {error}", layer.name) from None
        if not isinstance(written, dict) or not isinstance(written.get("feat_stride"), int):
            raise NetError(
                f"param_str must state a feat_stride, as in \"'feat_stride': 16\"; received"
                f" {text!r}",
                layer.name,
            )
        boxes = anchors(16, written.get("ratios", RATIOS), written.get("scales", SCALES))
        before, after = (12000, 2000) if phase == "TRAIN" else (6000, 300)
        return _Settings(written["feat_stride"], boxes, 16, before, after, 0.7)

    def scores_shape(self, number: int) -> Shape:
        return (number, 1)
