"""Labels have to be numbers of classes that there are.

Caffe reads, and in HingeLoss writes, beside its blobs where one is not: DCHECK_LT(label_value, ...)
in softmax_loss_layer.cpp and the other layers with labels is left out of a release build. A GPU
says nothing either. Here the labels of lists and HDF5 files are looked at before anything is
trained, and those of each batch before it goes to the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.layers.kind import axis_of, count
from zoo.net import Layer, Net
from zoo.transfer.databases import Batch, hdf5_data, image_data

__all__ = ["LabelCheck"]

_SOURCE_FIELDS = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
}


@dataclass(frozen=True)
class _Use:
    """A layer that takes an input of the network as labels of so many classes."""

    layer: str
    labels: str
    scores: str
    classes: int
    ignored: int | None


class LabelCheck:
    """Refuses labels that are no number of a class.

    Parameters
    ----------
    net : the network that the labels are for; those that go through other layers first are not
        looked at.
    """

    def __init__(self, net: Net) -> None:
        self._uses = list(_uses(net))
        self._readers = {
            top: layer for layer in net.layers if layer.is_source for top in layer.tops
        }

    def __call__(self, batch: Batch) -> Batch:
        """The batch itself.

        Raises
        ------
        UsageError
            Names the label, its row, its source and the layer.
        """
        for use in self._uses:
            where = f"of a batch of {use.labels!r}{self._source(use)}"
            _check(use, np.asarray(batch[use.labels]), where)
        return batch

    def stored(self, folder: Path) -> None:
        """Look at all labels that can be had without reading the data beside them.

        Parameters
        ----------
        folder : what the paths of the data layers are relative to.

        Raises
        ------
        UsageError
            As above, with the file.
        """
        for use in self._uses:
            layer = self._readers[use.labels].definition
            if layer.type == "ImageData" and list(layer.top).index(use.labels) == 1:
                lines = image_data.read_list(layer, folder / layer.image_data_param.source)
                names, labels = zip(*lines, strict=True)
                _check(use, np.array(labels), f"of {layer.image_data_param.source}", names)
            elif layer.type == "HDF5Data":
                for path, values in hdf5_data.stored_numbers(layer, folder, use.labels):
                    _check(use, values, f"of {use.labels!r} of {path}")

    def _source(self, use: _Use) -> str:
        """What the data layer reads, in brackets."""
        layer = self._readers[use.labels].definition
        field = _SOURCE_FIELDS.get(layer.type)
        return f" ({getattr(layer, field).source})" if field else ""


def _check(use: _Use, labels: np.ndarray, where: str, rows: Sequence[str] = ()) -> None:
    wrong = ~((labels > -1) & (labels < use.classes))
    if use.ignored is not None:
        wrong &= np.trunc(labels) != use.ignored
    if not wrong.any():
        return
    place = np.argwhere(wrong)[0]
    row = (repr(rows[place[0]]) if rows else f"row {place[0]}") if len(place) else "the only row"
    raise UsageError(
        f"layer {use.layer!r}: label {labels[tuple(place)]:g} of {row} {where}, but"
        f" {use.scores!r} has {use.classes} outputs; labels go from 0 to {use.classes - 1}. Give"
        " the network more outputs (num_output), or renumber the labels; for what is not to count"
        " there is ignore_label."
    )


def _uses(net: Net) -> Iterator[_Use]:
    changed = {top for layer in net.layers if not layer.is_source for top in layer.tops}
    read = net.inputs.keys() - changed
    for layer in net.layers:
        scores, labels = layer.bottoms[:1], layer.bottoms[1:2]
        shape = net.blobs[scores[0]] if scores else None
        if labels and labels[0] in read and shape:
            found = _classes_and_ignored(layer, shape)
            if found is not None:
                yield _Use(layer.name, labels[0], scores[0], *found)


def _classes_and_ignored(layer: Layer, scores: tuple[int, ...]) -> tuple[int, int | None] | None:
    """How many classes a layer tells apart, and the label that it passes over, if it has labels."""
    definition: Any = layer.definition
    if layer.type in ("MultinomialLogisticLoss", "HingeLoss"):
        return count(scores[1:]), None
    axes = {
        "SoftmaxWithLoss": (definition.softmax_param.axis, definition.loss_param),
        "InfogainLoss": (definition.infogain_loss_param.axis, definition.loss_param),
        "Accuracy": (definition.accuracy_param.axis, definition.accuracy_param),
    }
    if layer.type not in axes:
        return None
    axis, param = axes[layer.type]
    ignored = param.ignore_label if param.HasField("ignore_label") else None
    return scores[axis_of(definition, axis, len(scores))], ignored
