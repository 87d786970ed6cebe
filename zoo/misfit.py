"""Why weights of one layer do not fit another, and what to do.

Caffe stops with "Cannot copy param 0 weights from layer ...; shape mismatch" whatever the reason.
There are three: the layer is a head for other classes; the numbers are the right ones, for the
other of InnerProduct and Convolution; or they are the weights of another network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.layers.kind import Shape, count

if TYPE_CHECKING:
    from zoo.net import Net

__all__ = ["last_layers", "why_misfit"]

_CASTABLE = (
    "the counts agree, so these are InnerProduct weights for a Convolution, or the other way round:"
    " cast the net that they come from, with fully_convolutional(net) or classifier(net)"
)
_HEAD = (
    "only the number of outputs differs, and this is a last layer, so it is a new head: give it a"
    " name of its own, as replace_head(net, classes) does, and it starts afresh"
)
_FOREIGN = "these are the weights of another network: look for the file that belongs to this one"


def why_misfit(wanted: Sequence[Shape], received: Sequence[Shape], last: bool) -> str:
    """Which of the three it is, and what to do.

    Parameters
    ----------
    wanted, received : the shapes of the learned blobs of one layer and of another.
    last : whether no layer with weights stands behind the one that wants them.

    Examples
    --------
    >>> why_misfit([(20, 4096), (20,)], [(1000, 4096), (1000,)], last=True)[:34]
    'only the number of outputs differs'
    >>> why_misfit([(8, 4, 6, 6), (8,)], [(8, 144), (8,)], last=False)[:16]
    'the counts agree'
    """
    pairs = list(zip(wanted, received, strict=False))
    if len(wanted) != len(received) or not wanted:
        return _FOREIGN
    if all(count(one) == count(other) for one, other in pairs):
        return _CASTABLE
    return _HEAD if last and _other_outputs(pairs) else _FOREIGN


def last_layers(net: Net) -> set[str]:
    """The layers with learned blobs that no other layer with learned blobs depends on."""
    last: set[str] = set()
    behind: dict[str, set[str]] = {}
    for layer in net.layers:
        before = {name for bottom in layer.bottoms for name in behind.get(bottom, ())}
        if layer.param_shapes:
            last = (last - before) | {layer.name}
            before = {layer.name}
        behind.update(dict.fromkeys(layer.tops, before))
    return last


def _other_outputs(pairs: Sequence[tuple[Shape, Shape]]) -> bool:
    """Whether shapes differ on one axis each, everywhere by the same two numbers."""
    differing = set()
    for one, other in pairs:
        sizes = [each for each in zip(one, other, strict=False) if each[0] != each[1]]
        if len(one) != len(other) or len(sizes) != 1:
            return False
        differing.update(sizes)
    return len(differing) == 1
