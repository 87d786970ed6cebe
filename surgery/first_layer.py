"""What is done to a picture before it is read, taken into the first layer.

The first layer is linear in each channel of the picture, so that another order of the channels, a
mean and a scale can go into its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zoo.caffe.message_copy import copy_without
from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.surgery.affine import Affine, become_scale, take_over_inputs
from zoo.surgery.blob_names import free_name
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import finished
from zoo.surgery.first_readers import (
    first_readers,
    picture_input,
    reads_values,
    rewrite_channels,
)
from zoo.surgery.graph import Graph, Node, Value
from zoo.surgery.input_report import InputReport, input_report
from zoo.surgery.layer_fields import layer_of
from zoo.surgery.report import surgery_report
from zoo.surgery.rewire import put_behind
from zoo.surgery.source_shape import forget_preprocessing, reverse_means

__all__ = ["fold_preprocessing", "swap_channels"]

Array = np.ndarray


def swap_channels(net: Net, *, blob: str | None = None) -> tuple[Net, InputReport]:
    """Turn the order of the three channels of the picture round, BGR to RGB or RGB to BGR.

    The same picture in the other order gives the same values.

    Parameters
    ----------
    net : the network; it is not changed.
    blob : the input, where there are several.

    Raises
    ------
    NetError
        When a picture has not three channels, or the first layers cannot take it over.
    """
    operation = call_text("swap_channels", blob=blob)
    graph = Graph(net, net.outputs)
    source, value = picture_input(graph, blob)
    if (value.shape or ())[1:2] != (3,):
        raise NetError(
            f"the order of blue, green and red is that of 3 channels; {value.blob!r} has the shape"
            f" {value.shape}",
            source.name,
        )
    for node in first_readers(graph, value):
        rewrite_channels(node, 3, lambda blocks: blocks[:, ::-1])
    notes = [
        f"the order of the channels of {value.blob!r} is turned round: what read BGR reads RGB now",
        *reverse_means(source),
    ]
    swapped = finished(graph, operation)
    report = surgery_report(operation, net, swapped, preserving=True, notes=notes)
    return swapped, input_report(report, value.blob, lambda picture: picture[:, ::-1])


def fold_preprocessing(
    net: Net,
    mean: float | Sequence[float] = 0.0,
    scale: float = 1.0,
    *,
    blob: str | None = None,
) -> tuple[Net, InputReport]:
    """Let a net take pictures from which no mean was subtracted and that were not scaled.

    Goes into the weights and biases of the first layers. Where such a layer pads the picture, a
    mean cannot: its zeros stand for pixels of the mean. A Scale layer in front does it then, which
    is exact too.

    Parameters
    ----------
    net : the network; it is not changed.
    mean : what was subtracted, one number or one for each channel in the order of the input.
    scale : what was multiplied after that.
    blob : the input, where there are several.

    Raises
    ------
    UsageError
        For other than one mean a channel, a scale of 0, or a net without weights.

    Examples
    --------
    >>> import zoo
    >>> net, report = fold_preprocessing(zoo.load("lenet_digits").net, mean=33.3, scale=1 / 255)
    >>> report.preserving, [layer.name for layer in net.layers][:2]
    (True, ['data', 'conv1'])
    """
    operation = call_text("fold_preprocessing", mean=mean, scale=scale, blob=blob)
    graph = Graph(net, net.outputs)
    source, value = picture_input(graph, blob)
    means = _means(mean, (value.shape or (1, 1))[1])
    _check_scale(scale)
    if not net.params:
        raise UsageError("there are no weights to fold into; load a .caffemodel first")
    affine = Affine(1, np.full(len(means), float(scale)), -means * float(scale))
    notes = []
    if means.any() or scale != 1:
        notes += _take_over(graph, source, value, affine)
    notes += forget_preprocessing(source)
    notes.append(f"{value.blob!r} takes pixels as they are: nothing subtracted, nothing scaled")
    folded = finished(graph, operation)
    report = surgery_report(operation, net, folded, preserving=True, notes=notes)
    shape = (1, -1, *(1,) * (len(value.shape or ()) - 2))
    return folded, input_report(
        report, value.blob, lambda picture: (picture - means.reshape(shape)) * scale
    )


def _take_over(graph: Graph, source: Node, value: Value, affine: Affine) -> list[str]:
    """Let the readers of a value scale and shift it, by themselves or with a layer in front."""
    left = []
    for node in [node for node in graph.nodes if value in node.bottoms]:
        before = copy_without(node.definition), list(node.params)
        # One message for several bottoms, or shared weights, would change the other too.
        alone = len(node.bottoms) == 1 and not node.shares
        if not (alone and take_over_inputs(node, affine)):
            node.definition, node.params = before
            left.append(node)
    left = [node for node in left if reads_values(node, value)]
    if not left:
        return []
    name = free_name(f"{value.blob}_scaled", {node.name for node in graph.nodes})
    others = {node: list(node.bottoms) for node in graph.nodes if node not in left}
    scaled = put_behind(graph, source, layer_of({"name": name, "type": "Scale"}), value)
    for node, bottoms in others.items():
        node.bottoms = bottoms
    become_scale(scaled, affine)
    why = "pads the picture with zeros, which stand for pixels of the mean"
    reasons = [
        f"{node.name} {why if 'onvolution' in node.type else 'cannot take it over'}"
        for node in left
    ]
    return [f"{scaled.name}: a Scale layer in front, since {'; '.join(reasons)}"]


def _means(mean: object, channels: int) -> Array:
    values = list(mean) if isinstance(mean, list | tuple | np.ndarray) else [mean]
    good = all(
        isinstance(value, int | float | np.number) and np.isfinite(value) for value in values
    )
    if not good or len(values) not in (1, channels):
        raise UsageError(
            f"mean: expected one number, or {channels} in the order of the channels, received"
            f" {mean!r}"
        )
    return np.broadcast_to(np.asarray(values, np.float64), channels)


def _check_scale(scale: object) -> None:
    number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if not number or not scale or not math.isfinite(scale):  # type: ignore[arg-type]
        raise UsageError(f"scale: expected a number other than 0, received {scale!r}")
