"""Which bottoms and params of a net get a gradient, and where gradients start, as Caffe decides it.

Caffe: net.cpp (Init, AppendBottom) and insert_splits.cpp. A bottom gets a gradient if a param that
learns lies before it and a loss behind it; `propagate_down` overrules the first. With
`force_backward` every bottom that can have a gradient gets one, and so does every param.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import NetError
from zoo.net import Layer, Net

__all__ = [
    "AUTOMATIC",
    "Step",
    "backward_steps",
    "loss_weights",
    "with_named_losses",
    "without_gradient",
]

AUTOMATIC = "(automatic)"
"""How Caffe calls the top of a loss that is written without one."""


@dataclass(frozen=True)
class Step:
    """What of one layer gets a gradient, and the diff that each of its tops starts from."""

    layer: Layer
    bottoms: tuple[bool, ...]
    params: tuple[bool, ...]
    starts: tuple[float, ...]


def backward_steps(layers: Sequence[Layer], *, force: bool = False) -> list[Step]:
    """For each layer what Caffe's backward pass computes of it.

    Parameters
    ----------
    layers : layers of a net in order, with names for the tops of all losses.
    force : whether `force_backward` is set.

    Raises
    ------
    NetError
        When a layer has another number of `propagate_down` than of bottoms, or another number of
        `loss_weight` than of tops.
    """
    nodes = _towards_losses(layers)
    for node in reversed(nodes):
        _cut_what_no_loss_needs(node)
    for node in nodes:
        _settle(node, force)
    return [
        Step(
            node.layer,
            tuple(node.bottoms),
            tuple(node.params),
            tuple(version.start for version in node.makes),
        )
        for node in nodes
    ]


def with_named_losses(net: Net) -> Net:
    """The net with a name for each loss that is written without a top; itself if there is none."""
    unnamed = [
        layer.kind is not None and layer.kind.loss_weight != 0 and not layer.tops
        for layer in net.layers
    ]
    if not any(unnamed):
        return net
    definition = NetParameter()
    definition.CopyFrom(net.definition)
    for index, message in enumerate(definition.layer):
        if unnamed[index]:
            message.top.append(f"{AUTOMATIC} {index}")
    return Net(definition, net.params, phase=net.phase, shapes=net.inputs)


def without_gradient(layers: Sequence[Layer]) -> set[str]:
    """Blobs, such as labels, of which no reader can give a gradient."""
    able: dict[str, bool] = {}
    for layer in layers:
        for index, name in enumerate(layer.bottoms):
            able[name] = able.get(name, False) or _allows(layer, index)
    return {name for name, can in able.items() if not can}


def loss_weights(layer: Layer) -> list[float]:
    """What each top counts in the loss; 1 for the first of a loss where nothing is written."""
    written = list(layer.definition.loss_weight)
    if written and len(written) != len(layer.tops):
        raise NetError(
            f"expected one loss_weight for each of the {len(layer.tops)} tops, received"
            f" {len(written)}",
            layer.name,
        )
    default = layer.kind.loss_weight if layer.kind is not None else 0.0
    return written or [default, *[0.0] * len(layer.tops)][: len(layer.tops)]


@dataclass(eq=False)
class _Version:
    """One value of a blob; an in-place layer makes another one under the same name."""

    needed: bool
    weight: float
    weight_is_written: bool
    readers: list[tuple[_Node, int]] = field(default_factory=list)
    before_loss: bool = False

    @property
    def is_split(self) -> bool:
        """Whether Caffe copies the blob, for several readers or for a loss of its own beside."""
        return len(self.readers) + (self.weight_is_written and self.weight != 0) > 1

    @property
    def is_read_back(self) -> bool:
        """Whether any reader gives a gradient."""
        return any(node.bottoms[index] for node, index in self.readers)

    @property
    def is_skipped(self) -> bool:
        """Whether no reader gives a gradient, though there are some, nor a copy for the loss."""
        copy_for_loss = self.weight_is_written and self.weight != 0
        return bool(self.readers) and not copy_for_loss and not self.is_read_back

    @property
    def start(self) -> float:
        """The diff before any reader adds its own.

        A weight that is not written is put there without a copy, so that a reader overwrites it.
        """
        return self.weight if self.weight_is_written or not self.is_read_back else 0.0


@dataclass(eq=False)
class _Node:
    """A layer with the values that it reads and makes."""

    layer: Layer
    reads: list[_Version]
    makes: list[_Version]
    bottoms: list[bool]
    params: list[bool]
    runs: bool


def _towards_losses(layers: Sequence[Layer]) -> list[_Node]:
    """What needs a gradient because of the params before it."""
    newest: dict[str, _Version] = {}
    nodes = []
    for layer in layers:
        reads = [newest[name] for name in layer.bottoms]
        params = _learning(layer)
        runs = any(version.needed for version in reads) or any(params)
        is_written = bool(layer.definition.loss_weight)
        makes = [_Version(runs, weight, is_written) for weight in loss_weights(layer)]
        node = _Node(layer, reads, makes, _propagating(layer, reads), params, runs)
        for index, version in enumerate(reads):
            version.readers.append((node, index))
        newest.update(zip(layer.tops, makes, strict=True))
        nodes.append(node)
    return nodes


def _cut_what_no_loss_needs(node: _Node) -> None:
    """Caffe's way back through the layers; those behind this one are done."""
    skipped = all(version.is_skipped for version in node.makes)
    before_loss = any(version.weight or version.before_loss for version in node.makes)
    if (node.runs and skipped) or not before_loss:
        node.bottoms = [False] * len(node.bottoms)
        node.runs = False
    for version in node.reads:
        version.before_loss = version.before_loss or before_loss


def _settle(node: _Node, force: bool) -> None:
    for index, version in enumerate(node.reads):
        # What is split is copied by a layer that runs only if a param lies before it.
        reached = node.runs and node.bottoms[index] and (version.needed or not version.is_split)
        node.bottoms[index] = (force or reached) and _allows(node.layer, index)
    node.params = [force or (node.runs and learns) for learns in node.params]


def _allows(layer: Layer, index: int) -> bool:
    return layer.kind is None or layer.kind.differentiates(layer.definition, index)


def _learning(layer: Layer) -> list[bool]:
    """For each param whether it learns: its rate is 1 where none is written."""
    rates = [spec.lr_mult for spec in layer.definition.param]
    rates += [1.0] * (len(layer.param_shapes) - len(rates))
    return [rate != 0 for rate in rates[: len(layer.param_shapes)]]


def _propagating(layer: Layer, reads: Sequence[_Version]) -> list[bool]:
    written = list(layer.definition.propagate_down)
    if written and len(written) != len(reads):
        raise NetError(
            f"expected one propagate_down for each of the {len(reads)} bottoms, received"
            f" {len(written)}",
            layer.name,
        )
    return written or [version.needed for version in reads]
