"""What an FCN has behind its scores: upscaled step by step to the size of the picture.

Names are those of the nets that the authors published: upscore2, score_pool4, score_pool4c,
fuse_pool4, upscore_pool4, ..., upscore8, score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.layers.kind import Shape
from zoo.net import Net
from zoo.surgery.finish import check_new_name
from zoo.surgery.score_layers import (
    bilinear_weight,
    crop_layer,
    fuse_layer,
    score_layer,
    upscore_layer,
)
from zoo.surgery.score_places import Place, missing, offsets, pixels, upscaled

__all__ = ["SCORE", "ScoreHead"]

SCORE = "score_fr"


class ScoreHead:
    """The layers, in order, and the weights of those that do not learn.

    Parameters
    ----------
    classes : how many scores a place has.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.layers: list[LayerParameter] = []
        self.weights: dict[str, np.ndarray] = {}
        self.notes: list[str] = []

    def build(
        self, place: Place, steps: Sequence[tuple[str, Place]], picture: str, shape: Shape
    ) -> None:
        """From scores at a place over those of blobs at finer ones to the pixels of a picture."""
        scores, coarser = SCORE, ""
        for blob, fine in steps:
            factor = int(place.stride / fine.stride)
            name = f"upscore_{coarser}" if coarser else f"upscore{factor}"
            place = self._upscore(name, scores, place, fine)
            scores, coarser = self._add_skip(name, place, blob, fine, factor), blob
        name = f"upscore{place.stride}"
        if not steps or name in self.weights:
            name = "upscore"
        cut = offsets(self._upscore(name, scores, place, pixels(shape)), pixels(shape))
        self.layers.append(crop_layer("score", name, picture, cut))
        self.notes.append(f"score: cropped at {_text(cut)} over the pixels of {picture!r}")

    def _upscore(self, name: str, bottom: str, place: Place, fine: Place) -> Place:
        kernel, finer = upscaled(place, fine)
        factor = int(place.stride / fine.stride)
        self.layers.append(upscore_layer(name, bottom, self.classes, kernel, factor))
        self.weights[name] = bilinear_weight(self.classes, kernel)
        return finer

    def _add_skip(self, upscored: str, place: Place, blob: str, fine: Place, factor: int) -> str:
        name = f"score_{blob}"
        pad = missing(fine, place, spare=factor)
        cut = offsets(fine.padded(pad), place)
        self.layers += [
            score_layer(name, blob, self.classes, pad=pad),
            crop_layer(f"{name}c", name, upscored, cut),
            fuse_layer(f"fuse_{blob}", upscored, f"{name}c"),
        ]
        self.notes.append(f"{name}: cropped at {_text(cut)} over {upscored!r}")
        return f"fuse_{blob}"

    def put_on(self, scoring: Net) -> Net:
        """The net with these layers, those that learn with weights of 0."""
        definition = NetParameter()
        definition.CopyFrom(scoring.definition)
        taken = {name for layer in scoring.layers for name in (layer.name, *layer.tops)}
        for layer in self.layers:
            check_new_name("layer", layer.name, taken)
            definition.layer.append(layer)
        params = {**scoring.params, **{name: [blob] for name, blob in self.weights.items()}}
        shapes, report = scoring.inputs, scoring.report
        net = Net(definition, params, phase=scoring.phase, shapes=shapes, report=report)
        learning = {SCORE, *(layer.name for layer in self.layers)} - set(self.weights)
        return net.with_params(
            {
                name: [np.zeros(shape, np.float32) for shape in shapes]
                for name, shapes in net.param_shapes.items()
                if name in learning
            }
        )


def _text(cut: Sequence[int]) -> str:
    return " x ".join(map(str, cut))
