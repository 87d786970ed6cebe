"""Another layer in the place of one, and other settings of a layer.

What a layer reads and makes stays; whether the layers behind it still fit is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError, did_you_mean
from zoo.layers.fillers import fill, generator
from zoo.layers.kind import known_types, lookup
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import changed_shapes, finished, node_named
from zoo.surgery.graph import Graph, Node
from zoo.surgery.layer_fields import own_param, put_field_at, put_fields
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["first_values", "set_parameter", "swap_layer"]

# These hold the same numbers in the same places.
_CONVOLUTIONS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
_ASK_FOR = {
    "blobs": "give weights with Net.with_params",
    "bottom": "move the layer with remove_layer and insert_layer",
    "name": "use rename_layer",
    "top": "use rename_blob",
    "type": "use swap_layer",
}
# What these say has to do with training alone.
_TRAINING_ONLY = ("loss_weight", "param", "propagate_down")


def swap_layer(
    net: Net,
    layer: str,
    type: str,
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
) -> tuple[Net, SurgeryReport]:
    """Put another kind of layer in the place of one, or the same kind with other settings.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : the name of the layer, which it keeps, as well as its bottoms and tops.
    type : of the new layer, one that takes as many bottoms and tops.
    params : its settings as in prototxt, such as ``{"pool": "AVE"}`` or ``{"prelu_param":
        {"filler": {"value": 0}}}``, on top of those of the old layer where both have the same.
    seed : what weights of a shape that the old layer did not have are drawn with, by the fillers.

    Returns
    -------
    The new net and the report. Weights stay where both layers mean the same by them.

    Raises
    ------
    UsageError
        For a layer, a type or a setting that does not exist.
    NetError
        When a layer does not fit any more; it is named.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> softer, report = swap_layer(net, "pool1", "Pooling", {"pool": "AVE"})
    >>> softer.blobs == net.blobs, report.counts()["kept"] == net.param_count
    (True, True)
    """
    operation = call_text("swap_layer", layer=layer, type=type, params=params)
    graph = Graph(net, net.outputs)
    node = node_named(graph, layer)
    if node.layer.is_source:
        raise NetError("it brings the data in; use change_input for another size", layer)
    before, slope = node.definition, _slope(node)
    node.definition = _new_definition(node, type, params or {})
    old_count = len(node.params)
    kept = _refit(node, net, seed, like=before)
    swapped = finished(graph, operation)
    notes = changed_shapes(net, swapped)
    report = surgery_report(
        operation,
        net,
        swapped,
        initialised=() if kept or not old_count else (layer,),
        preserving=node.definition == before or (slope is not None and slope == _slope(node)),
        notes=notes,
    )
    return swapped, report


def set_parameter(net: Net, layer: str, field: str, value: Any) -> tuple[Net, SurgeryReport]:
    """Change one setting of a layer: the rate of a Dropout, a stride, a dilation, a filler.

    Parameters
    ----------
    net : the network; it is not changed.
    layer : its name.
    field : the setting as in prototxt, "dropout_ratio" or "dropout_param.dropout_ratio"; one of
        several messages by its place, "param.0.lr_mult".
    value : what it is from now on; a list for a repeated field, None to clear it.

    Raises
    ------
    UsageError
        For a layer or a field that does not exist, or a value of another type.
    NetError
        When a layer does not fit any more, this one for its own weights.

    Examples
    --------
    >>> import zoo
    >>> net, _ = set_parameter(zoo.load("lenet_digits").net, "conv1", "param.0.lr_mult", 0.5)
    >>> net.layer("conv1").definition.param[0].lr_mult
    0.5
    """
    operation = call_text("set_parameter", layer=layer, field=field)
    operation = f"{operation[:-1]}, value={value!r})"
    graph = Graph(net, net.outputs)
    node = node_named(graph, layer)
    before = copy_without(node.definition)
    root = field.partition(".")[0]
    if root in _ASK_FOR:
        raise UsageError(f"set_parameter does not change {root!r}; {_ASK_FOR[root]}")
    if node.layer.is_source and root not in ("transform_param", "data_param", "include"):
        raise NetError("it brings the data in; use change_input for its shape", layer)
    path = put_field_at(node.definition, field, value)
    if _names(before) != _names(node.definition):
        raise UsageError("the names of shared params are changed with share_params and unshare")
    _keep_params(node, field, net)
    changed = finished(graph, operation)
    return changed, surgery_report(
        operation,
        net,
        changed,
        preserving=_says_nothing(node, path, net.phase) or before == node.definition,
        notes=changed_shapes(net, changed),
    )


def first_values(definition: LayerParameter, shapes: Any, seed: int) -> list[np.ndarray]:
    """Values by the fillers of a layer for its learned blobs of these shapes."""
    kind, rng = lookup(definition.type), generator(seed)
    fillers = kind.fillers(definition) if kind is not None else []
    fillers = [*fillers, *[None] * (len(shapes) - len(fillers))]
    return [
        np.zeros(shape, np.float32) if filler is None else fill(filler, shape, rng)
        for filler, shape in zip(fillers, shapes, strict=False)
    ]


def _new_definition(node: Node, layer_type: str, params: Mapping[str, Any]) -> LayerParameter:
    """The old definition as far as it means something to the new type, with the new settings."""
    if lookup(layer_type) is None:
        raise UsageError(
            f"no kind of layer is called {layer_type!r}.{did_you_mean(layer_type, known_types())}"
        )
    old, own = node.definition, own_param(layer_type)
    if layer_type == old.type:
        new = copy_without(old)
    else:
        new = LayerParameter(name=old.name, type=layer_type)
        same = () if own is None or own != own_param(old.type) else (own,)
        for field in ("include", "exclude", "phase", "loss_weight", *same):
            if field == "phase" and not old.HasField("phase"):
                continue
            _copy(old, new, field)
        if _alike(old, new):
            _copy(old, new, "param")
        elif node.shares:
            raise NetError(
                f"it shares its params with another layer, which a {layer_type} cannot; unshare"
                " them first",
                node.name,
            )
    reserved = next((name for name in params if name.partition(".")[0] in _ASK_FOR), None)
    if reserved is not None:
        raise UsageError(f"params: {reserved!r} does not belong here; {_ASK_FOR[reserved]}")
    put_fields(new, params)
    return new


def _copy(old: Any, new: Any, field: str) -> None:
    if old.DESCRIPTOR.fields_by_name[field].is_repeated:
        getattr(new, field).extend(getattr(old, field))
    elif old.DESCRIPTOR.fields_by_name[field].message_type is None:
        setattr(new, field, getattr(old, field))
    elif old.HasField(field):
        getattr(new, field).CopyFrom(getattr(old, field))


def _alike(one: LayerParameter, other: LayerParameter) -> bool:
    """Whether both types mean the same by their learned blobs."""
    return one.type == other.type or (one.type in _CONVOLUTIONS and other.type in _CONVOLUTIONS)


def _shapes_of(node: Node) -> list[tuple[int, ...]]:
    kind = lookup(node.type)
    bottoms = [value.shape for value in node.bottoms]
    if kind is None or None in bottoms:
        return []
    full = copy_without(node.definition)
    full.bottom.extend(value.blob for value in node.bottoms)
    full.top.extend(value.blob for value in node.tops)
    kind.check_counts(full)
    kind.tops(full, bottoms)  # type: ignore[arg-type]
    return kind.params(full, bottoms)  # type: ignore[arg-type]


def _refit(node: Node, net: Net, seed: int, like: LayerParameter) -> bool:
    """Give a node weights of the shapes that it needs now; whether the old ones stayed."""
    shapes = _shapes_of(node)
    had = node.layer.param_shapes
    alike = _alike(like, node.definition)
    stay = 0
    while alike and stay < min(len(shapes), len(had)) and shapes[stay] == had[stay]:
        stay += 1
    stay = stay if stay == min(len(shapes), len(had)) else 0
    if node.shares and stay < len(shapes):
        raise NetError("it shares its params with another layer; unshare them first", node.name)
    if net.params and shapes:
        node.params = [
            *node.params[:stay],
            *first_values(node.definition, shapes, seed)[stay:],
        ]
    else:
        node.params = []
    del node.definition.param[len(shapes) :]
    return stay > 0


def _keep_params(node: Node, field: str, net: Net) -> None:
    """Let a layer have the blobs that it needs now, as long as those it has stay as they are."""
    shapes, had = _shapes_of(node), node.layer.param_shapes
    stay = min(len(shapes), len(had))
    if tuple(shapes[:stay]) != tuple(had[:stay]) and node.params:
        raise NetError(
            f"with this {field} it needs params of shapes {list(map(tuple, shapes))}, it has"
            f" {list(had)}; use swap_layer to start it afresh, or replace_head for a classifier",
            node.name,
        )
    if node.params:
        node.params = [*node.params[:stay], *first_values(node.definition, shapes, 0)[stay:]]
        del node.definition.param[len(shapes) :]


def _slope(node: Node) -> float | None:
    """By what a ReLU or a PReLU multiplies what is below 0; None for others."""
    if node.type == "ReLU":
        return float(node.definition.relu_param.negative_slope)
    if node.type == "PReLU" and node.params and np.ptp(node.params[0]) == 0:
        return float(node.params[0].flat[0])
    return None


def _names(layer: LayerParameter) -> list[str]:
    return [spec.name for spec in layer.param]


def _says_nothing(node: Node, path: str, phase: str) -> bool:
    """Whether a setting has no say in what a net with weights computes."""
    root, *inner = path.split(".")
    if root in _TRAINING_ONLY:
        return True
    if any(name == "filler" or name.endswith("_filler") for name in inner) and node.params:
        return True
    return node.type == "Dropout" and phase == "TEST"
