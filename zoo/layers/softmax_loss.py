"""SoftmaxWithLoss, and what losses of a softmax over scores share.

Caffe: softmax_loss_layer.cpp, infogain_loss_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.layers.kind import Shape, layer
from zoo.layers.loss import Loss, check_positions, normalization_of, scores_and_labels
from zoo.layers.site import Blob, Site

__all__ = ["SoftmaxLoss", "SoftmaxWithLoss"]


class SoftmaxLoss(Loss):
    """A loss of the softmax over an axis of scores, with one label per position.

    A second top, which some published definitions have, is the softmax.
    """

    top_count = (0, 2)

    def classes_axis(self, layer: Any) -> int:
        """The axis of the classes as the definition has it."""
        raise NotImplementedError

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        check_positions(layer, self.classes_axis(layer), bottoms)

    def build(self, site: Site) -> list[Blob]:
        import keras

        scores, labels, axis, last = scores_and_labels(site, self.classes_axis(site.layer))
        param = site.layer.loss_param
        # `normalize` is the old way to choose; it counts only while the new one is not written.
        default = "BATCH_SIZE" if param.HasField("normalize") and not param.normalize else "VALID"
        settings = {
            "axis": axis,
            "channels_last": last,
            "normalization": normalization_of(param, default),
            "ignore_label": param.ignore_label if param.HasField("ignore_label") else None,
            "name": site.name,
        }
        loss = self.keras_layer(site, settings)
        blobs = self.scalar(site, [scores, labels, *self.further(site)], loss)
        if len(site.tops) == 2:
            softmax = keras.layers.Softmax(axis=-1 if last else axis, name=f"{site.name}_softmax")
            blobs.append(Blob(softmax(scores), site.tops[1], last))
        return blobs

    def keras_layer(self, site: Site, settings: dict[str, Any]) -> Any:
        """The Keras layer, with the settings that all of them have."""
        raise NotImplementedError

    def further(self, site: Site) -> list[Any]:
        """What it takes besides scores and labels."""
        return []


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(SoftmaxLoss):
    """Cross entropy of the softmax."""

    def classes_axis(self, layer: Any) -> int:
        return int(layer.softmax_param.axis)

    def keras_layer(self, site: Site, settings: dict[str, Any]) -> Any:
        from zoo.keras_layers.loss import SoftmaxWithLoss as KerasSoftmaxWithLoss

        return KerasSoftmaxWithLoss(**settings)
