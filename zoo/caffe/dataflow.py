"""Who makes and who reads each blob of a definition, for passes that remove layers.

In Caffe a name is not a blob: an in-place layer makes its bottom anew, and what is read before and
after it differs. So a blob is known here by the layer and the top that made it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zoo.caffe.data_source import is_data_source
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.errors import NetError

__all__ = [
    "CLASSIFIER_LOSSES",
    "Made",
    "Makers",
    "endings",
    "is_loss",
    "makers",
    "reach",
    "trained",
    "unread",
]

Made = tuple[int, int]
"""A blob at one time of its life: index of the layer that made it, position among its tops."""

Makers = list[list[Made]]
"""For each layer, who made each of its bottoms."""

CLASSIFIER_LOSSES = {"SoftmaxWithLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}
"""Losses that turn their first bottom into probabilities by themselves, and how."""

# Layers that learn even where the definition lists no `param`.
_LEARNING = {
    "BatchNorm", "Bias", "Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM", "PReLU",
    "Parameter", "RNN", "Scale",
}  # fmt: skip


def makers(net: NetParameter) -> Makers:
    """Follow the blobs through the net.

    Raises
    ------
    NetError
        A layer reads a blob that no layer before it makes.
    """
    latest: dict[str, Made] = {}
    made_by = []
    for index, layer in enumerate(net.layer):
        for blob in layer.bottom:
            if blob not in latest:
                raise NetError(
                    f"reads {blob!r}, which no layer before it makes. If a data layer makes it in"
                    " another phase or stage, choose that phase and stage first (filter_net).",
                    layer.name or "(no name)",
                )
        made_by.append([latest[blob] for blob in layer.bottom])
        latest.update({blob: (index, position) for position, blob in enumerate(layer.top)})
    return made_by


def is_loss(layer: LayerParameter) -> bool:
    """Whether training minimises what the layer computes: by its type, or by a loss weight."""
    return "Loss" in layer.type or any(weight != 0 for weight in layer.loss_weight)


def endings(net: NetParameter, made_by: Makers) -> set[int]:
    """Layers that predict nothing: losses, measures, sinks, and whatever reads one of them."""
    found: set[int] = set()
    for index, layer in enumerate(net.layer):
        reads_an_ending = any(
            # The second top of a classifier's loss holds the probabilities: a prediction.
            maker in found and not (net.layer[maker].type in CLASSIFIER_LOSSES and position == 1)
            for maker, position in made_by[index]
        )
        if reads_an_ending or is_loss(layer) or "Accuracy" in layer.type or not layer.top:
            found.add(index)
    return found


def trained(net: NetParameter, made_by: Makers) -> set[int]:
    """Layers whose tops depend on learned params; labels and targets mostly do not."""
    found: set[int] = set()
    for index, layer in enumerate(net.layer):
        learns = layer.type in _LEARNING or layer.param
        if learns or any(maker in found for maker, _ in made_by[index]):
            found.add(index)
    return found


def unread(net: NetParameter, made_by: Makers) -> list[int]:
    """Layers, data sources aside, none of whose tops is read: they make the net's outputs."""
    read = {maker for bottoms in made_by for maker, _ in bottoms}
    return [
        index
        for index, layer in enumerate(net.layer)
        if index not in read and not is_data_source(layer)
    ]


def reach(made_by: Makers, roots: Iterable[Made], first_bottom_only: Collection[int]) -> set[Made]:
    """The roots and everything that they are computed from.

    Of the layers in `first_bottom_only` the other bottoms, labels and weights, are not followed.
    """
    wanted: set[Made] = set()
    waiting = list(roots)
    while waiting:
        made = waiting.pop()
        if made not in wanted:
            wanted.add(made)
            bottoms = made_by[made[0]]
            waiting += bottoms[:1] if made[0] in first_bottom_only else bottoms
    return wanted
