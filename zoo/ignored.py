"""What a definition says that has no effect here, so that nobody tunes it in vain."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from zoo.caffe.data_source import is_data_source
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.report import named_layers

__all__ = ["ignored"]

# Fields that choose among implementations of one and the same result.
_IMPLEMENTATION = ("engine", "force_nd_im2col")

# The `*_param` of a type is named after it (inner_product_param), except where this says otherwise.
_PARAMS = {
    "AbsVal": (),
    "BNLL": (),
    "BatchReindex": (),
    "ContrastiveLoss": ("contrastive_loss_param", "loss_param"),
    "Data": ("data_param", "transform_param"),
    "Deconvolution": ("convolution_param",),
    "DepthwiseConvolution": ("convolution_param",),
    "EuclideanLoss": ("loss_param",),
    "Filter": (),
    "HingeLoss": ("hinge_loss_param", "loss_param"),
    "Im2col": ("convolution_param",),
    "ImageData": ("image_data_param", "transform_param"),
    "InfogainLoss": ("infogain_loss_param", "loss_param", "softmax_param"),
    "LSTM": ("recurrent_param",),
    "MemoryData": ("memory_data_param", "transform_param"),
    "MultinomialLogisticLoss": ("loss_param",),
    "RNN": ("recurrent_param",),
    "SigmoidCrossEntropyLoss": ("loss_param", "sigmoid_param"),
    "Silence": (),
    "SoftmaxWithLoss": ("loss_param", "softmax_param"),
    "Split": (),
    "WindowData": ("transform_param", "window_data_param"),
}


def ignored(
    definition: NetParameter, phase: str, loaded: Container[str], lines: Mapping[str, int]
) -> list[str]:
    """One sentence for each thing that has no effect, with the layers that say it.

    Parameters
    ----------
    definition : in the current format, filtered for `phase`, "TRAIN" or "TEST".
    loaded : names of the layers that have weights.
    lines : layer name to its line, where known.

    Examples
    --------
    >>> from zoo.caffe.schema.caffe_pb2 import NetParameter
    >>> net = NetParameter(layer=[LayerParameter(name="drop6", type="Dropout")])
    >>> ignored(net, "TEST", (), {"drop6": 12})
    ['Dropout passes everything on in the TEST phase: drop6 (line 12).']
    """
    remarks: dict[str, list[str]] = {}
    for layer in definition.layer:
        for remark in _remarks(layer, phase, layer.name in loaded):
            remarks.setdefault(remark, []).append(layer.name)
    said = [f"{remark}: {named_layers(names, lines)}." for remark, names in remarks.items()]
    if definition.debug_info:
        said.append("debug_info prints nothing here; zoo compare shows the blobs that differ.")
    return said


def _remarks(layer: Any, phase: str, has_weights: bool) -> Iterator[str]:
    for name, message in _params(layer):
        for field, value in message.ListFields():
            if field.name in _IMPLEMENTATION and value:
                text = field.enum_type.values_by_number[value].name if field.enum_type else "true"
                yield f"{field.name}: {text} changes no result, and zoo chooses for itself"
            elif has_weights and field.name.endswith("_filler"):
                yield f"{field.name} gives way to the weights"
        if not _means_something(layer.type, name):
            yield f"{name} means nothing to {layer.type}"
    if layer.type == "Dropout" and phase == "TEST":
        yield "Dropout passes everything on in the TEST phase"
    if layer.type == "Silence":
        yield "Silence computes nothing"
    if is_data_source(layer):
        yield f"the {layer.type} source is not opened; its arrays are given, ready transformed"


def _params(layer: Any) -> list[tuple[str, Any]]:
    return [
        (field.name, value)
        for field, value in layer.ListFields()
        if field.name.endswith("_param") and field.message_type and not field.is_repeated
    ]


def _means_something(type_name: str, param: str) -> bool:
    """Whether a type reads this field; True where that is not known."""
    own = f"{type_name}Param".lower()
    if type_name in _PARAMS:
        return param in _PARAMS[type_name]
    if param.replace("_", "") == own:
        return True
    fields = LayerParameter.DESCRIPTOR.fields
    return all(field.name.replace("_", "") != own for field in fields)
