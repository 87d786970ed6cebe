"""Kinds of SSD, the single shot detector: prior boxes, the detections made of them, its loss.

SSD: prior_box_layer.cpp, detection_output_layer.cpp, multibox_loss_layer.cpp. OpenVINO:
prior_box_clustered_layer.cpp. Boxes are (xmin, ymin, xmax, ymax) in parts of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.caffe.data_source import top_shape
from zoo.caffe.schema.caffe_pb2 import PriorBoxParameter
from zoo.errors import NetError, ShapeError
from zoo.layers.data import Source
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.reach import Reaches
from zoo.layers.shape import in_element_order
from zoo.layers.site import Blob, Site

__all__ = ["AnnotatedData", "DetectionOutput", "MultiBoxLoss", "PriorBox", "PriorBoxClustered"]


class _Priors(Kind):
    """Boxes of some sizes around each place of the first bottom, in the picture, the second.

    The top is (1, 2, 4 * boxes): the boxes, row by row, and in the second channel the variance of
    each number. It is the same for every picture of a batch.
    """

    bottom_count = (2, 2)

    def boxes(self, layer: Any) -> list[tuple[float, float]]:
        """(width, height) of the boxes around one place, in pixels."""
        raise NotImplementedError

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if any(len(bottom) != 4 for bottom in bottoms):
            raise ShapeError(f"expected two blobs of 4 axes, received {bottoms}", layer.name)
        picture_size(layer), prior_step(layer), prior_variance(layer)
        return [(1, 2, bottoms[0][2] * bottoms[0][3] * len(self.boxes(layer)) * 4)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["nothing", "nothing"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.detection import PriorBoxes

        param = site.layer.prior_box_param
        priors = PriorBoxes(
            self.boxes(site.layer),
            prior_variance(site.layer),
            offset=param.offset,
            clip=param.clip,
            step=prior_step(site.layer),
            picture_size=picture_size(site.layer),
            axes=[1 if bottom.channels_last else 2 for bottom in site.bottoms],
            name=site.name,
        )
        return [Blob(priors([bottom.tensor for bottom in site.bottoms]), site.tops[0])]


@layer("PriorBox")
class PriorBox(_Priors):
    """Squares of min_size and of the mean of min_size and max_size, and other aspect ratios.

    Caffe cuts min_size and max_size to whole numbers.
    """

    def boxes(self, layer: Any) -> list[tuple[float, float]]:
        param = layer.prior_box_param
        smallest, largest = list(param.min_size), list(param.max_size)
        if not smallest or min(smallest) <= 0:
            raise NetError(f"expected min_size above 0, received {smallest}", layer.name)
        if largest and (
            len(largest) != len(smallest)
            or any(most <= least for most, least in zip(largest, smallest, strict=True))
        ):
            raise NetError(
                f"expected as many max_size as min_size, each larger; received {largest} and"
                f" {smallest}",
                layer.name,
            )
        roots = [math.sqrt(ratio) for ratio in _ratios(layer) if abs(ratio - 1) >= 1e-6]
        boxes: list[tuple[float, float]] = []
        for index, least in enumerate(map(int, smallest)):
            boxes.append((least, least))
            if largest:
                side = math.sqrt(least * int(largest[index]))
                boxes.append((side, side))
            boxes += [(least * root, least / root) for root in roots]
        return boxes


def _ratios(layer: Any) -> list[float]:
    """Aspect ratios, each with its inverse behind it if `flip`; those that repeat are left out."""
    param = layer.prior_box_param
    if any(ratio <= 0 for ratio in param.aspect_ratio):
        raise NetError(
            f"expected aspect_ratio above 0, received {list(param.aspect_ratio)}", layer.name
        )
    ratios = [1.0]
    for ratio in param.aspect_ratio:
        if all(abs(ratio - known) >= 1e-6 for known in ratios):
            ratios += [ratio, 1 / ratio] if param.flip else [ratio]
    return ratios


@layer("PriorBoxClustered")
class PriorBoxClustered(_Priors):
    """Boxes of the written widths and heights."""

    def boxes(self, layer: Any) -> list[tuple[float, float]]:
        param = layer.prior_box_param
        widths, heights = list(param.width), list(param.height)
        if not widths or len(widths) != len(heights) or min(widths + heights) <= 0:
            raise NetError(
                f"expected as many width as height, all above 0; received {widths} and {heights}",
                layer.name,
            )
        return list(zip(widths, heights, strict=True))


def prior_variance(layer: Any) -> list[float]:
    """One number for each of the four of a box."""
    written = list(layer.prior_box_param.variance) or [0.1]
    if len(written) not in (1, 4) or min(written) <= 0:
        raise NetError(f"expected 1 or 4 variances above 0, received {written}", layer.name)
    return written * (4 // len(written))


def picture_size(layer: Any) -> tuple[int, int] | None:
    """The stated (height, width) of the picture; None for that of the second bottom."""
    pair = _pair(layer, "img_size", "img_h", "img_w")
    return None if pair is None else (int(pair[0]), int(pair[1]))


def prior_step(layer: Any) -> tuple[float, float] | None:
    """The stated (vertical, horizontal) distance of places; None to divide the picture evenly."""
    return _pair(layer, "step", "step_h", "step_w")


def _pair(layer: Any, both: str, tall: str, wide: str) -> tuple[float, float] | None:
    param = layer.prior_box_param
    written = [name for name in (both, tall, wide) if param.HasField(name)]
    if not written:
        return None
    pair = [getattr(param, name) for name in ([both, both] if both in written else [tall, wide])]
    if (both in written and len(written) > 1) or min(pair) <= 0:
        raise NetError(
            f"expected {both}, or {tall} and {wide}, above 0; received {', '.join(written)}",
            layer.name,
        )
    return pair[0], pair[1]


@layer("DetectionOutput")
class DetectionOutput(Kind):
    """Detections of all pictures: (1, 1, n, 7), n being as many as there are.

    Bottoms: offsets (N, boxes * 4), or with a set for each class; scores (N, boxes * classes);
    priors (1, 2, boxes * 4). A fourth bottom, the pictures, is only drawn on in Caffe. A row of the
    top is picture, class, score, xmin, ymin, xmax, ymax; the rows of a picture are in order of
    classes, then of scores. Without a single detection there is one row for each picture, its
    number and -1 for the rest. The shape says 1 row, as Caffe's does before it has run.
    """

    bottom_count = (3, 4)

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param, (offsets, scores, priors) = layer.detection_output_param, bottoms[:3]
        if not param.num_classes or param.nms_param.nms_threshold < 0:
            raise NetError(
                "expected num_classes of at least 1 and nms_threshold of at least 0; received"
                f" {param.num_classes} and {param.nms_param.nms_threshold:g}",
                layer.name,
            )
        if not 0 < param.nms_param.eta <= 1:
            raise NetError(f"expected eta in (0, 1], received {param.nms_param.eta}", layer.name)
        if len(offsets) < 2 or len(scores) < 2 or len(priors) < 3 or offsets[0] != scores[0]:
            raise ShapeError(
                "expected offsets (N, ...), scores (N, ...) and priors (1, 2, ...), received"
                f" {list(bottoms[:3])}",
                layer.name,
            )
        boxes = priors[2] // 4
        sets = 1 if param.share_location else param.num_classes
        expected = (boxes * sets * 4, boxes * param.num_classes)
        if (offsets[1], scores[1]) != expected:
            raise ShapeError(
                f"expected {expected[0]} offsets and {expected[1]} scores for {boxes} priors and"
                f" {param.num_classes} classes, received {offsets[1]} and {scores[1]}",
                layer.name,
            )
        return [(1, 1, 1, 7)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        reaches: list[Reaches] = ["whole", "whole", "whole", "nothing"]
        return reaches[: len(bottoms)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.detection import Detections

        param = site.layer.detection_output_param
        nms, stated = param.nms_param, param.HasField("confidence_threshold")
        detections = Detections(
            param.num_classes,
            share_location=param.share_location,
            background=param.background_label_id,
            code=PriorBoxParameter.CodeType.Name(param.code_type),
            variance_in_target=param.variance_encoded_in_target,
            least_score=param.confidence_threshold if stated else None,
            threshold=nms.nms_threshold,
            eta=nms.eta,
            top_k=nms.top_k if nms.HasField("top_k") else -1,
            keep_top_k=param.keep_top_k,
            name=site.name,
        )
        tensors = [in_element_order(site, index)[0] for index in range(3)]
        return [Blob(detections(tensors), site.tops[0])]


@layer("MultiBoxLoss")
class MultiBoxLoss(Kind):
    """The loss that SSD is trained with: only its shape."""

    bottom_count = (4, 4)
    top_count = (0, 1)
    loss_weight = 1.0

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        shapes: list[Shape] = [()]
        return shapes[: len(layer.top)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["whole"] * 4

    def build(self, site: Site) -> list[Blob]:
        raise NetError(
            "MultiBoxLoss, which trains SSD, cannot be computed. To detect, use the model's"
            " deploy.prototxt, which has a DetectionOutput in its place, or ask for the blobs"
            f" before it: {', '.join(site.layer.bottom[:3])}",
            site.layer.name,
        )


@layer("AnnotatedData")
class AnnotatedData(Source):
    """Pictures and, as an optional second top, their boxes: (1, 1, boxes, 8), here one."""

    top_count = (1, 2)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, _ = top_shape(layer, 0)
        if shape is None:
            return super().tops(layer, bottoms)
        pictures = (max(1, layer.data_param.batch_size), *shape[1:])
        return [pictures, (1, 1, 1, 8)][: len(layer.top)]
