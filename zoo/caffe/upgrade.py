"""Definitions and weights in any of Caffe's three formats, rewritten in the current one.

`upgrade` runs small passes over the message, each named after its effect, in the order of Caffe's
UpgradeNetAsNeeded (src/caffe/util/upgrade_proto.cpp): V0 to V1, the transformation fields of data
layers, V1 to the current format, `input` fields, batch-norm params; one for what forks wrote
otherwise comes last. A pass returns the message it was given when it has nothing to do, and never
changes it; weights in the message come along.
"""

from __future__ import annotations

from zoo.caffe.message_copy import copy_without, put_field
from zoo.caffe.schema.caffe_pb2 import (
    InputParameter,
    LayerParameter,
    NetParameter,
    V1LayerParameter,
)
from zoo.caffe.upgrade_v0 import fold_padding_layers, v0_layers_to_v1
from zoo.errors import NetError

__all__ = ["upgrade"]

_V1_TYPES = {
    V1LayerParameter.ABSVAL: "AbsVal",
    V1LayerParameter.ACCURACY: "Accuracy",
    V1LayerParameter.ARGMAX: "ArgMax",
    V1LayerParameter.BNLL: "BNLL",
    V1LayerParameter.CONCAT: "Concat",
    V1LayerParameter.CONTRASTIVE_LOSS: "ContrastiveLoss",
    V1LayerParameter.CONVOLUTION: "Convolution",
    V1LayerParameter.DATA: "Data",
    V1LayerParameter.DECONVOLUTION: "Deconvolution",
    V1LayerParameter.DROPOUT: "Dropout",
    V1LayerParameter.DUMMY_DATA: "DummyData",
    V1LayerParameter.ELTWISE: "Eltwise",
    V1LayerParameter.EUCLIDEAN_LOSS: "EuclideanLoss",
    V1LayerParameter.EXP: "Exp",
    V1LayerParameter.FLATTEN: "Flatten",
    V1LayerParameter.HDF5_DATA: "HDF5Data",
    V1LayerParameter.HDF5_OUTPUT: "HDF5Output",
    V1LayerParameter.HINGE_LOSS: "HingeLoss",
    V1LayerParameter.IM2COL: "Im2col",
    V1LayerParameter.IMAGE_DATA: "ImageData",
    V1LayerParameter.INFOGAIN_LOSS: "InfogainLoss",
    V1LayerParameter.INNER_PRODUCT: "InnerProduct",
    V1LayerParameter.LRN: "LRN",
    V1LayerParameter.MEMORY_DATA: "MemoryData",
    V1LayerParameter.MULTINOMIAL_LOGISTIC_LOSS: "MultinomialLogisticLoss",
    V1LayerParameter.MVN: "MVN",
    V1LayerParameter.POOLING: "Pooling",
    V1LayerParameter.POWER: "Power",
    V1LayerParameter.RELU: "ReLU",
    V1LayerParameter.SIGMOID: "Sigmoid",
    V1LayerParameter.SIGMOID_CROSS_ENTROPY_LOSS: "SigmoidCrossEntropyLoss",
    V1LayerParameter.SILENCE: "Silence",
    V1LayerParameter.SLICE: "Slice",
    V1LayerParameter.SOFTMAX: "Softmax",
    V1LayerParameter.SOFTMAX_LOSS: "SoftmaxWithLoss",
    V1LayerParameter.SPLIT: "Split",
    V1LayerParameter.TANH: "TanH",
    V1LayerParameter.THRESHOLD: "Threshold",
    V1LayerParameter.WINDOW_DATA: "WindowData",
}

# V1 fields that hold one value per param: where each goes in that param's ParamSpec.
_PARAM_SPEC_FIELDS = {
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}

# Where data layers held what is now in transform_param.
_DATA_PARAMS = {
    V1LayerParameter.DATA: "data_param",
    V1LayerParameter.IMAGE_DATA: "image_data_param",
    V1LayerParameter.WINDOW_DATA: "window_data_param",
}
_TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")


def upgrade(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Rewrite a net in the current format, as Caffe does when it reads one.

    Parameters
    ----------
    net : a definition or a caffemodel in any of the three formats; it is not changed.

    Returns
    -------
    upgraded : a new message in the current format, weights included.
    notes : what was upgraded, one plain sentence each; empty for a current definition.

    Raises
    ------
    NetError
        Old and new layers in one net, a layer of no or of an unknown type, a padding layer that
        cannot be folded, or input dimensions that do not fit the inputs.

    Examples
    --------
    >>> from zoo.caffe.schema.caffe_pb2 import NetParameter
    >>> old = NetParameter(input=["data"], input_dim=[1, 3, 227, 227])
    >>> upgraded, notes = upgrade(old)
    >>> upgraded.layer[0].type, list(upgraded.layer[0].input_param.shape[0].dim)
    ('Input', [1, 3, 227, 227])
    """
    if net.layer and net.layers:
        raise NetError(
            f"the net has {len(net.layer)} `layer` (current format) and {len(net.layers)} `layers`"
            " (old format); Caffe reads only one of the two. Write all of them one way."
        )
    passes = (
        fold_padding_layers,
        v0_layers_to_v1,
        move_transform_fields,
        v1_layers_to_current,
        inputs_to_input_layer,
        stop_batch_norm_learning,
        round_as_forks_say,
    )
    result, notes = net, []
    for one_pass in passes:
        result, said = one_pass(result)
        notes += said
    return (copy_without(net) if result is net else result), notes


def move_transform_fields(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Move scale, mean_file, crop_size and mirror of V1 data layers into transform_param."""

    def old_fields(layer: V1LayerParameter) -> list[str]:
        source = getattr(layer, _DATA_PARAMS.get(layer.type, ""), None)
        return [name for name in _TRANSFORM_FIELDS if source is not None and source.HasField(name)]

    if not any(old_fields(layer) for layer in net.layers):
        return net, []
    moved = copy_without(net)
    notes = []
    for layer in moved.layers:
        names = old_fields(layer)
        if layer.type in _DATA_PARAMS:
            # Caffe touches both messages of every such layer once any of them needs the change.
            source = getattr(layer, _DATA_PARAMS[layer.type])
            source.SetInParent()
            layer.transform_param.SetInParent()
            for name in names:
                setattr(layer.transform_param, name, getattr(source, name))
                source.ClearField(name)
        if names:
            notes.append(f"Layer {layer.name!r}: {', '.join(names)} moved into transform_param.")
    return moved, notes


def v1_layers_to_current(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Rewrite V1 layers, `layers { type: CONVOLUTION }`, in the current format."""
    if not net.layers:
        return net, []
    upgraded = copy_without(net, "layers")
    for layer in net.layers:
        _rewrite_v1(layer, upgraded.layer.add())
    notes = [f"{len(net.layers)} V1 layer(s) were rewritten in the current format."]
    notes += [
        f"{old} of {count} V1 layer(s) became {new} of their param."
        for old, new in _PARAM_SPEC_FIELDS.items()
        if (count := sum(bool(getattr(layer, old)) for layer in net.layers))
    ]
    return upgraded, notes


def _rewrite_v1(old: V1LayerParameter, new: LayerParameter) -> None:
    """Fill `new` from `old`: all but the type and what is said per param keeps its name."""
    if old.type not in _V1_TYPES:
        raise NetError(
            "the layer has no type, or one that V1 did not have. Expected one of V1's, as in"
            " `type: CONVOLUTION`; write a layer of a newer kind as `layer`, with the type in"
            " quotes.",
            old.name or "(no name)",
        )
    new.type = _V1_TYPES[old.type]
    for field, value in old.ListFields():
        if field.name in _PARAM_SPEC_FIELDS:
            for position, item in enumerate(value):
                while len(new.param) <= position:
                    new.param.add()
                setattr(new.param[position], _PARAM_SPEC_FIELDS[field.name], item)
        elif field.name != "type":
            put_field(new, field.name, value)


def inputs_to_input_layer(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Turn `input` with `input_shape` or `input_dim` into one Input layer in front.

    A caffemodel of old Caffe names its inputs and gives no shapes; there the names are dropped, as
    Caffe does. In a definition they become an Input layer without shapes, which Net then asks for.
    """
    if not net.input:
        return net, []
    upgraded = copy_without(net, "input", "input_shape", "input_dim", "layer")
    named = ", ".join(repr(name) for name in net.input)
    shapes = _input_shapes(net)
    if not shapes.shape and any(layer.blobs for layer in net.layer):
        upgraded.layer.extend(net.layer)
        return upgraded, [f"Input(s) {named} without shape were dropped from the weights."]
    front = upgraded.layer.add(name="input", type="Input", top=net.input)
    if shapes.shape:
        front.input_param.CopyFrom(shapes)
    upgraded.layer.extend(net.layer)
    return upgraded, [f"Input(s) {named} became the Input layer 'input'."]


def _input_shapes(net: NetParameter) -> InputParameter:
    """One shape for each input, from `input_shape` or else four of `input_dim`; or none at all."""
    shapes, inputs, dims = InputParameter(), len(net.input), net.input_dim
    if net.input_shape:
        if len(net.input_shape) != inputs:
            raise NetError(
                f"expected an input_shape for each of {list(net.input)}, received"
                f" {len(net.input_shape)}."
            )
        shapes.shape.extend(net.input_shape)
    elif dims:
        if len(dims) != 4 * inputs:
            raise NetError(
                f"expected four input_dim (N, C, H, W) for each of {list(net.input)}, received"
                f" {len(dims)}: {list(dims)}. Use input_shape for blobs of other ranks."
            )
        for first in range(0, len(dims), 4):
            shapes.shape.add(dim=dims[first : first + 4])
    return shapes


def stop_batch_norm_learning(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Set the rates of BatchNorm layers with three params to 0: statistics are not learned."""

    def learns(layer: LayerParameter) -> bool:
        return (
            layer.type == "BatchNorm"
            and len(layer.param) == 3
            and any(
                not spec.HasField(rate) or getattr(spec, rate) != 0
                for spec in layer.param
                for rate in ("lr_mult", "decay_mult")
            )
        )

    names = [layer.name for layer in net.layer if learns(layer)]
    if not names:
        return net, []
    stopped = copy_without(net)
    for layer in stopped.layer:
        if learns(layer):
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return stopped, [
        "lr_mult and decay_mult of BatchNorm statistics were set to 0 in"
        f" {', '.join(repr(name) for name in names[:3])}{more}."
    ]


def round_as_forks_say(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Write `ceil_mode`, which forks had before Caffe had `round_mode`, as that."""
    names = [layer.name for layer in net.layer if layer.pooling_param.HasField("ceil_mode")]
    if not names:
        return net, []
    rounded = copy_without(net)
    for layer in rounded.layer:
        pooling = layer.pooling_param
        if pooling.HasField("ceil_mode"):
            pooling.round_mode = pooling.CEIL if pooling.ceil_mode else pooling.FLOOR
            pooling.ClearField("ceil_mode")
    return rounded, [f"ceil_mode of {len(names)} Pooling layer(s) became round_mode."]
