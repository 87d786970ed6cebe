"""InfogainLoss: a cross entropy weighted by a matrix over pairs of classes.

Caffe: infogain_loss_layer.cpp. The matrix is the third bottom, or the BlobProto (or numpy array) in
the file that `source` names, seen from where the program runs, as in Caffe.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.caffe.blob import read_blob
from zoo.caffe.wire import Wire
from zoo.errors import NetError, ParseError, ShapeError, WeightsError
from zoo.layers.kind import Shape, axis_of, count, layer
from zoo.layers.site import Site, start_with
from zoo.layers.softmax_loss import SoftmaxLoss

__all__ = ["InfogainLoss"]


@layer("InfogainLoss")
class InfogainLoss(SoftmaxLoss):
    """Mean of -sum of H[label, class] * log(softmax[class]); a second top is the softmax."""

    bottom_count = (2, 3)

    def classes_axis(self, layer: Any) -> int:
        return int(layer.infogain_loss_param.axis)

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        super().check(layer, bottoms)
        classes = self._classes(layer, bottoms[0])
        if len(bottoms) == 3 and count(bottoms[2]) != classes**2:
            raise ShapeError(
                f"expected a matrix of {classes} x {classes} as third bottom, received"
                f" {bottoms[2]}",
                layer.name,
            )
        if len(bottoms) == 2 and not layer.infogain_loss_param.source:
            raise NetError(
                "needs a matrix: as third bottom, or in the file that infogain_loss_param.source"
                " names",
                layer.name,
            )

    def keras_layer(self, site: Site, settings: dict[str, Any]) -> Any:
        from zoo.keras_layers.infogain import InfogainLoss as KerasInfogainLoss

        own = len(site.bottoms) == 2
        loss = KerasInfogainLoss(**settings, own_matrix=own)
        if own:
            start_with(loss, [self.matrix(site.layer, site.bottoms[0].shape)])
        return loss

    def further(self, site: Site) -> list[Any]:
        return [site.caffe_order(2)] if len(site.bottoms) == 3 else []

    def _classes(self, layer: Any, scores: Shape) -> int:
        return scores[axis_of(layer, self.classes_axis(layer), len(scores))]

    def matrix(self, layer: Any, scores: Shape) -> np.ndarray:
        """The matrix of the file, (classes, classes)."""
        path, classes = Path(layer.infogain_loss_param.source), self._classes(layer, scores)
        try:
            data = path.read_bytes()
            if data[:6] == b"\x93NUMPY":
                found = np.load(path, allow_pickle=False)
            else:
                found = read_blob(Wire(data, path), 0, len(data))
        except OSError as error:
            raise NetError(
                f"cannot read the infogain matrix {path} from {Path.cwd()}: {error.strerror}."
                " Start there where Caffe was started, or give the matrix as third bottom",
                layer.name,
            ) from None
        except (ParseError, WeightsError, ValueError) as error:
            raise NetError(f"no infogain matrix in {path}: {error}", layer.name) from None
        if found.size != classes**2:
            raise ShapeError(
                f"expected a matrix of {classes} x {classes} in {path}, received {found.shape}",
                layer.name,
            )
        return np.asarray(found, np.float32).reshape(classes, classes)
