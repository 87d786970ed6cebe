"""Layers that only scale and shift, and how layers with weights take that over.

BatchNorm with stored statistics, Scale, Bias, Power with power 1 and the forks' BN compute
scale * x + shift with one number for each channel. A layer whose weights are linear can do that to
what it makes, and mostly also to what it reads. Computed in float64 and rounded once.

Caffe: batch_norm_layer.cpp, scale_layer.cpp, bias_layer.cpp, power_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.layers.kind import axis_of
from zoo.layers.window import Window
from zoo.surgery.graph import Node

__all__ = [
    "AFFINE_TYPES",
    "Affine",
    "affine_of",
    "become_scale",
    "output_axis",
    "take_over_inputs",
    "take_over_outputs",
]

_CONVOLUTIONS = ("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")


@dataclass(frozen=True)
class Affine:
    """scale * x + shift, with a number for each channel on `axis`, or one for all if it is None."""

    axis: int | None
    scale: np.ndarray
    shift: np.ndarray

    def behind(self, first: Affine) -> Affine | None:
        """Both in one, `first` first; None where they go along different axes, or leave float32."""
        if None not in (self.axis, first.axis) and self.axis != first.axis:
            return None
        axis = self.axis if first.axis is None else first.axis
        with np.errstate(over="ignore", invalid="ignore"):
            both = Affine(axis, self.scale * first.scale, self.scale * first.shift + self.shift)
            numbers = np.concatenate([both.scale.ravel(), both.shift.ravel()])
            return both if np.isfinite(numbers.astype(np.float32)).all() else None


def affine_of(node: Node) -> Affine | None:
    """What a node computes in the TEST phase, if it only scales and shifts whole channels."""
    one_to_one = len(node.bottoms) == len(node.tops) == 1
    bottom = node.bottoms[0].shape if one_to_one else None
    read = _READERS.get(node.type)
    if read is None or bottom is None or (node.layer.param_shapes and not node.params):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        found = read(
            node.definition, [blob.astype(np.float64) for blob in node.params], len(bottom)
        )
    return found and found.behind(Affine(None, np.ones(()), np.zeros(())))


def _batch_norm(layer: LayerParameter, blobs: list[np.ndarray], rank: int) -> Affine | None:
    param = layer.batch_norm_param
    of_the_batch = param.HasField("use_global_stats") and not param.use_global_stats
    if rank < 2 or of_the_batch:
        return None
    factor = blobs[2].item()
    mean, variance = (total / factor if factor else 0 * total for total in blobs[:2])
    scale = 1 / np.sqrt(variance + param.eps)
    return Affine(1, scale, -mean * scale)


def _scale(layer: LayerParameter, blobs: list[np.ndarray], rank: int) -> Affine | None:
    shift = blobs[1] if layer.scale_param.bias_term else np.zeros_like(blobs[0])
    return _along(layer, layer.scale_param.axis, rank, blobs[0], shift)


def _bias(layer: LayerParameter, blobs: list[np.ndarray], rank: int) -> Affine | None:
    return _along(layer, layer.bias_param.axis, rank, np.ones_like(blobs[0]), blobs[0])


def _along(
    layer: LayerParameter, axis: int, rank: int, scale: np.ndarray, shift: np.ndarray
) -> Affine | None:
    if scale.ndim > 1:
        return None
    return Affine(axis_of(layer, axis, rank) if scale.ndim else None, scale, shift)


def _power(layer: LayerParameter, blobs: list[np.ndarray], rank: int) -> Affine | None:
    param = layer.power_param
    if param.power != 1:
        return None
    return Affine(None, np.asarray(param.scale), np.asarray(param.shift))


def _fork_norm(layer: LayerParameter, blobs: list[np.ndarray], rank: int) -> Affine | None:
    """The BN of forks: slope, bias, mean and variance, or SegNet's slope and bias alone."""
    param, numbers = layer.bn_param, [blob.reshape(-1) for blob in blobs]
    if len(blobs) == 2:
        return Affine(1, *numbers) if param.bn_mode == param.INFERENCE else None
    slope, bias, mean, variance = numbers
    scale = slope / np.sqrt(variance + param.eps)
    return Affine(1, scale, bias - mean * scale)


_Reader = Callable[[LayerParameter, list[np.ndarray], int], Affine | None]
_READERS: dict[str, _Reader] = {
    "BN": _fork_norm,
    "BatchNorm": _batch_norm,
    "Bias": _bias,
    "Power": _power,
    "Scale": _scale,
    "SyncBN": _fork_norm,
}
# The kinds that may turn out to do no more than scale and shift.
AFFINE_TYPES = frozenset(_READERS)


def output_axis(node: Node) -> int | None:
    """The axis on which a layer with linear weights has its outputs; None for all others."""
    if not (len(node.bottoms) == len(node.tops) == 1 and node.params):
        return None
    bottom = node.bottoms[0].shape or ()
    if node.type in (*_CONVOLUTIONS, "Deconvolution"):
        return axis_of(node.definition, node.definition.convolution_param.axis, len(bottom))
    if node.type == "InnerProduct":
        return axis_of(node.definition, node.definition.inner_product_param.axis, len(bottom))
    return None


def take_over_outputs(node: Node, affine: Affine) -> None:
    """Give a layer with linear weights those that make scale * x + shift of each output x."""
    weight, *bias = node.params
    outputs = node.tops[0].shape[output_axis(node)]  # type: ignore[index]
    scale, shift = (np.broadcast_to(each, outputs) for each in (affine.scale, affine.shift))
    _set_weights(
        node,
        weight * _over_outputs(node, scale.astype(np.float32)),
        scale * bias[0] + shift if bias else shift,
    )


def _over_outputs(node: Node, scale: np.ndarray) -> np.ndarray:
    """A number for each output in the shape in which it multiplies the weight."""
    weight = node.params[0]
    if node.type == "Deconvolution":
        # (in, out / group, k...): the rows of a group make its own outputs.
        each, rows = weight.shape[1], weight.shape[0]
        groups = len(scale) // each
        spread = np.repeat(scale.reshape(groups, each), rows // groups, axis=0)
        return spread.reshape(rows, each, *(1,) * (weight.ndim - 2))
    if node.type == "InnerProduct" and node.definition.inner_product_param.transpose:
        return scale
    return scale.reshape(-1, *(1,) * (weight.ndim - 1))


def take_over_inputs(node: Node, affine: Affine) -> bool:
    """Let a layer do scale * x + shift to its bottom by itself; False if that is not exact."""
    found = _for_each_input(node, affine)
    if found is None:
        return False
    weight, *bias = node.params
    turned = node.type == "InnerProduct" and node.definition.inner_product_param.transpose
    rows = weight.T if turned else weight
    # (groups, outputs of one, its inputs, places of the kernel)
    groups = len(found[0]) // rows.shape[1]
    split = rows.reshape(groups, len(rows) // groups, rows.shape[1], -1)
    scale, shift = (each.reshape(groups, 1, -1, 1) for each in found)
    added = (split * shift).sum(axis=(2, 3)).ravel()
    scaled = (split * scale.astype(np.float32)).reshape(rows.shape)
    _set_weights(node, scaled.T if turned else scaled, added + bias[0] if bias else added)
    return True


def _for_each_input(node: Node, affine: Affine) -> tuple[np.ndarray, np.ndarray] | None:
    """A scale and a shift for each input that a weight multiplies; None where that is not exact.

    Padding comes in as 0 and is not shifted, so with padding only a scale can be taken over.
    """
    axis, bottom = output_axis(node), node.bottoms[0].shape
    if axis is None or bottom is None or node.type == "Deconvolution":
        return None
    # An InnerProduct flattens all axes from its own on, a convolution sums over one.
    axes = range(axis, len(bottom) if node.type == "InnerProduct" else axis + 1)
    if affine.axis is not None and affine.axis not in axes:
        return None
    if affine.shift.any() and node.type in _CONVOLUTIONS and _is_padded(node):
        return None
    shape = [-1 if own == affine.axis else 1 for own in axes]
    sizes = [bottom[own] for own in axes]
    scale, shift = (
        np.broadcast_to(each.reshape(shape), sizes).ravel() for each in (affine.scale, affine.shift)
    )
    return scale, shift


def _is_padded(node: Node) -> bool:
    axis, rank = output_axis(node) or 0, len(node.bottoms[0].shape or ())
    return any(Window(node.definition, rank - axis - 1).pad)


def _set_weights(node: Node, weight: np.ndarray, bias: np.ndarray) -> None:
    """New weights; a bias is added to a layer without one where it is not all zeros."""
    inner = node.type == "InnerProduct"
    param = node.definition.inner_product_param if inner else node.definition.convolution_param
    param.bias_term = bool(param.bias_term or bias.any())
    blobs = [weight, bias] if param.bias_term else [weight]
    node.params = [np.ascontiguousarray(blob, np.float32) for blob in blobs]


def become_scale(node: Node, affine: Affine) -> None:
    """Make a node the Scale layer that computes this."""
    node.definition = LayerParameter(name=node.name, type="Scale")
    param = node.definition.scale_param
    if affine.axis is None:
        param.num_axes = 0
    else:
        param.axis = affine.axis
    param.bias_term = bool(affine.shift.any())
    shift = np.broadcast_to(affine.shift, affine.scale.shape)
    blobs = [affine.scale, shift] if param.bias_term else [affine.scale]
    node.params = [np.array(blob, np.float32) for blob in blobs]
