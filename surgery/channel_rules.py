"""What a layer makes of channels when some of those that it reads are gone.

One function for each kind of layer: it changes the layer, and says which channels of its tops stay
and whether those that go were zeros. `zoo.surgery.channels` leads through the net.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import NetError
from zoo.layers.combine import Concat
from zoo.layers.kind import axis_of, count
from zoo.surgery.affine import affine_of
from zoo.surgery.graph import Node
from zoo.surgery.groups import groups_of

if TYPE_CHECKING:
    from zoo.surgery.channels import Narrowing

__all__ = ["RULES", "Channels", "pass_on", "take"]


@dataclass(frozen=True)
class Channels:
    """Which of the numbers on axis 1 stay, and whether those that go were zeros."""

    kept: np.ndarray
    zeros: bool


def take(node: Node, index: int, kept: np.ndarray, axis: int) -> None:
    """Only these numbers of a param on an axis, where the node has it."""
    if index < len(node.params):
        node.params[index] = np.ascontiguousarray(node.params[index].take(kept, axis))


def pass_on(narrowing: Narrowing, node: Node, zeros: bool = True) -> None:
    """The first bottom's channels are those of all tops; `zeros` of zeros."""
    found = narrowing.channels.get(node.bottoms[0])
    if found is not None:
        for top in node.tops:
            narrowing.channels[top] = Channels(found.kept, found.zeros and zeros)


def _same(narrowing: Narrowing, node: Node) -> None:
    """Each channel by itself, and zeros of zeros."""
    pass_on(narrowing, node)


def _other(narrowing: Narrowing, node: Node) -> None:
    """Each channel by itself, but mostly something else of zeros."""
    layer, zeros = node.definition, False
    if node.type == "Power":
        zeros = layer.power_param.shift == 0 and layer.power_param.power > 0
    elif node.type == "Clip":
        zeros = layer.clip_param.min <= 0 <= layer.clip_param.max
    pass_on(narrowing, node, zeros)


def _gone(node: Node, kept: np.ndarray) -> np.ndarray:
    """The numbers of the channels of its bottom that go."""
    return np.delete(np.arange((node.bottoms[0].shape or ())[1]), kept)


def _blocks(kept: np.ndarray, size: int) -> np.ndarray:
    """The numbers of all values where each channel has a block of them."""
    return (kept[:, None] * size + np.arange(size)).ravel()


def _normalised(narrowing: Narrowing, node: Node) -> None:
    """LRN: across channels the neighbours of a channel are others now."""
    param = node.definition.lrn_param
    if param.norm_region == param.ACROSS_CHANNELS:
        narrowing.changes(f"{node.name} normalises across channels, whose neighbours are others")
    pass_on(narrowing, node)


def _slopes(narrowing: Narrowing, node: Node) -> None:
    if not node.definition.prelu_param.channel_shared:
        take(node, 0, narrowing.channels[node.bottoms[0]].kept, 0)
    pass_on(narrowing, node)


def _statistics(narrowing: Narrowing, node: Node) -> None:
    """BatchNorm and the forks' BN: all blobs with a number for each channel."""
    kept, channels = narrowing.channels[node.bottoms[0]].kept, (node.bottoms[0].shape or ())[1]
    affine = affine_of(node)
    zeros = (
        affine is not None and not np.broadcast_to(affine.shift, channels)[_gone(node, kept)].any()
    )
    for index, shape in enumerate(node.layer.param_shapes):
        if count(shape) == channels:
            take(node, index, kept, shape.index(channels))
    pass_on(narrowing, node, zeros)


def _scaled(narrowing: Narrowing, node: Node) -> None:
    """Scale and Bias: blobs that begin at an axis."""
    if len(node.bottoms) > 1:
        raise NetError("multiplies or adds a second bottom, which is not followed", node.name)
    is_scale = node.type == "Scale"
    param: Any = node.definition.scale_param if is_scale else node.definition.bias_param
    kept, shapes = narrowing.channels[node.bottoms[0]].kept, node.layer.param_shapes
    place = 1 - axis_of(node.definition, param.axis, len(node.bottoms[0].shape or ()))
    shifts = node.params[1 if is_scale else 0 :]
    if all(0 <= place < len(shape) for shape in shapes):
        shifts = [shift.take(_gone(node, kept), place) for shift in shifts]
        for index in range(len(shapes)):
            take(node, index, kept, place)
    pass_on(narrowing, node, not any(shift.any() for shift in shifts))


def _joined(narrowing: Narrowing, node: Node) -> None:
    """Concat along the channels: each bottom's numbers behind those before it."""
    if Concat().axis(node.definition, len(node.bottoms[0].shape or ())) != 1:
        raise NetError("joins blobs along another axis than that of the channels", node.name)
    kept, zeros, start = [], True, 0
    for bottom in node.bottoms:
        size = (bottom.shape or ())[1]
        found = narrowing.channels.get(bottom, Channels(np.arange(size), True))
        kept.append(found.kept + start)
        zeros, start = zeros and found.zeros, start + size
    narrowing.channels[node.tops[0]] = Channels(np.concatenate(kept), zeros)


def _added(narrowing: Narrowing, node: Node) -> None:
    """Eltwise: all bottoms have to lose the same channels."""
    found = [narrowing.channels.get(bottom) for bottom in node.bottoms]
    first = next(each for each in found if each is not None)
    for bottom, channels in zip(node.bottoms, found, strict=True):
        if channels is None or not np.array_equal(channels.kept, first.kept):
            raise NetError(
                f"joins blobs channel by channel, and {bottom.blob!r}, made by"
                f" {narrowing.graph.maker(bottom).name!r}, keeps others. Prune all the layers whose"
                " filters make these channels together: layer=[...]",
                node.name,
            )
    zeros = all(channels.zeros for channels in found if channels is not None)
    narrowing.channels[node.tops[0]] = Channels(first.kept, zeros)


def _flattened(narrowing: Narrowing, node: Node) -> None:
    """Flatten, and Reshape where it does the same: a block of numbers for each channel."""
    bottom, top = node.bottoms[0].shape or (), node.tops[0].shape or ()
    sizes = list(node.definition.reshape_param.shape.dim)
    if top != (bottom[0], count(bottom[1:])) or sizes[-1:] not in ([], [-1]):
        raise NetError(
            f"makes {top} of {bottom}; only all of a picture on one axis is followed", node.name
        )
    found = narrowing.channels[node.bottoms[0]]
    kept = _blocks(found.kept, count(bottom[2:]))
    narrowing.channels[node.tops[0]] = Channels(kept, found.zeros)


def _cropped(narrowing: Narrowing, node: Node) -> None:
    """Crop: only the sizes of its second bottom count, and not that of the channels."""
    rank = len(node.bottoms[0].shape or ())
    if axis_of(node.definition, node.definition.crop_param.axis, rank) < 2:
        raise NetError("cuts the channels", node.name)
    pass_on(narrowing, node)


def _silenced(narrowing: Narrowing, node: Node) -> None:
    """Silence: nothing comes of it."""


def _multiplied(narrowing: Narrowing, node: Node) -> None:
    """InnerProduct: all numbers of a channel that goes leave the weight."""
    param, shape = node.definition.inner_product_param, node.bottoms[0].shape or ()
    if axis_of(node.definition, param.axis, len(shape)) != 1:
        raise NetError("is no product over whole pictures (axis 1)", node.name)
    columns = _blocks(_read_up(narrowing, node), count(shape[2:]))
    take(node, 0, columns, 0 if param.transpose else 1)


def _convolved(narrowing: Narrowing, node: Node) -> None:
    """Convolution and Deconvolution, in groups where each loses as many channels."""
    param, shape = node.definition.convolution_param, node.bottoms[0].shape or ()
    if axis_of(node.definition, param.axis, len(shape)) != 1:
        raise NetError("has its channels on another axis than 1", node.name)
    groups = groups_of(node)
    if groups == shape[1] > 1:
        _depthwise(narrowing, node)
        return
    kept, size = _read_up(narrowing, node), shape[1] // groups
    parts = [kept[kept // size == group] for group in range(groups)]
    if len({len(part) for part in parts}) > 1:
        raise NetError(
            f"is in {groups} groups, which would read different numbers of channels; make it dense"
            " first with join_groups",
            node.name,
        )
    if node.type == "Deconvolution":
        take(node, 0, kept, 0)
    elif node.params:
        rows = np.split(node.params[0], groups)
        taken = [each.take(part % size, 1) for each, part in zip(rows, parts, strict=True)]
        node.params[0] = np.concatenate(taken)


def _depthwise(narrowing: Narrowing, node: Node) -> None:
    """A filter or more for every channel: they go with it."""
    if len(node.bottoms) > 1:
        raise NetError("reads several bottoms channel by channel", node.name)
    found, param = narrowing.channels[node.bottoms[0]], node.definition.convolution_param
    kept = _blocks(found.kept, param.num_output // (node.bottoms[0].shape or ())[1])
    gone = np.delete(np.arange(param.num_output), kept)
    zeros = not any(bias[gone].any() for bias in node.params[1:])
    take(node, 0, found.kept if node.type == "Deconvolution" else kept, 0)
    take(node, 1, kept, 0)
    param.num_output = len(kept)
    if param.HasField("group"):
        param.group = len(found.kept)
    for top in node.tops:
        narrowing.channels[top] = Channels(kept, found.zeros and zeros)


def _read_up(narrowing: Narrowing, node: Node) -> np.ndarray:
    """The channels that stay of what a layer with weights reads, which ends them."""
    found = [narrowing.channels.get(bottom) for bottom in node.bottoms]
    known = [channels for channels in found if channels is not None]
    kept = known[0].kept
    if len(known) < len(found) or any(not np.array_equal(kept, each.kept) for each in known):
        raise NetError("reads bottoms of which different channels stay", node.name)
    if not all(channels.zeros for channels in known):
        narrowing.changes(f"{node.name} read channels that were not zeros and are gone")
    return kept


_Rule = Callable[["Narrowing", Node], None]
RULES: dict[str, _Rule] = {
    **dict.fromkeys(("AbsVal", "Dropout", "ELU", "Interp", "Pooling", "ReLU", "ReLU6"), _same),
    **dict.fromkeys(("SELU", "SeLu", "Sparsify", "Split", "Swish", "TanH"), _same),
    **dict.fromkeys(("BNLL", "Clip", "Exp", "Log", "Power", "Sigmoid", "Threshold"), _other),
    **dict.fromkeys(("BN", "BatchNorm", "SyncBN"), _statistics),
    **dict.fromkeys(("Convolution", "Deconvolution", "DepthwiseConvolution"), _convolved),
    "ConvolutionDepthwise": _convolved,
    "Bias": _scaled,
    "Concat": _joined,
    "Crop": _cropped,
    "Eltwise": _added,
    "Flatten": _flattened,
    "InnerProduct": _multiplied,
    "LRN": _normalised,
    "PReLU": _slopes,
    "Reshape": _flattened,
    "Scale": _scaled,
    "Silence": _silenced,
}
