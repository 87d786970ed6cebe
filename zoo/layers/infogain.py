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
from zoo.layers.loss import Loss, check_positions, normalization_of, scores_and_labels
from zoo.layers.site import Blob, Site, start_with

__all__ = ["InfogainLoss"]


@layer("InfogainLoss")
class InfogainLoss(Loss):
    """Mean of -sum of H[label, class] * log(softmax[class]); a second top is the softmax."""

    bottom_count = (2, 3)
    top_count = (0, 2)

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        check_positions(layer, layer.infogain_loss_param.axis, bottoms)
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

    def build(self, site: Site) -> list[Blob]:
        import keras

        from zoo.keras_layers.infogain import InfogainLoss as KerasInfogainLoss

        scores, labels, axis, last = scores_and_labels(site, site.layer.infogain_loss_param.axis)
        param = site.layer.loss_param
        default = "BATCH_SIZE" if param.HasField("normalize") and not param.normalize else "VALID"
        loss = KerasInfogainLoss(
            axis,
            last,
            normalization_of(param, default),
            param.ignore_label if param.HasField("ignore_label") else None,
            own_matrix=len(site.bottoms) == 2,
            name=site.name,
        )
        tensors = [scores, labels]
        if len(site.bottoms) == 3:
            tensors.append(site.caffe_order(2))
        else:
            start_with(loss, [self.matrix(site.layer, site.bottoms[0].shape)])
        blobs = self.scalar(site, tensors, loss)
        if len(site.tops) == 2:
            softmax = keras.layers.Softmax(axis=-1 if last else axis, name=f"{site.name}_softmax")
            blobs.append(Blob(softmax(scores), site.tops[1], last))
        return blobs

    def _classes(self, layer: Any, scores: Shape) -> int:
        return scores[axis_of(layer, layer.infogain_loss_param.axis, len(scores))]

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
