"""Which fork of Caffe a network was written for, told from the types of its layers.

A fork added layer types, and a field for their parameters to the layer message. The names of these
fields agree mostly; their numbers do not: 137 is `embed_param` in Caffe and `upsample_param` in
SegNet's fork, 143 is `input_param` in Caffe and `interp_param` in DeepLab's. In a text file the
name says what is meant. In a binary file only the number is left, so name, type and blobs of a
fork's layer are read from it, never its parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.errors import ParseError

__all__ = ["FIRST_OWN_NUMBER", "dialects", "keep_to_caffe"]

FIRST_OWN_NUMBER = 70001
"""Where the numbers begin that our schema gives to fields of forks in messages of Caffe's."""

_TYPES = {
    "SSD": ("Permute", "Normalize", "PriorBox", "DetectionOutput", "MultiBoxLoss", "AnnotatedData",
            "DetectionEvaluate"),
    "OpenVINO": ("PriorBoxClustered",),
    "Fast R-CNN": ("ROIPooling", "SmoothL1Loss"),
    "Faster R-CNN": ("Proposal",),
    "R-FCN": ("PSROIPooling", "BoxAnnotatorOHEM", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM"),
    "SegNet": ("Upsample", "DenseImageData"),
    "DeepLab": ("Interp", "DenseCRF", "ImageSegData", "SegAccuracy"),
    "BN": ("BN", "SyncBN"),
    "CRF-RNN": ("MultiStageMeanfield",),
    "FlowNet": ("Resample", "Correlation", "FlowWarp", "Downsample"),
    "YOLO": ("Reorg", "Region"),
    "PVANet": ("CReLU",),
    "ShuffleNet": ("ShuffleChannel",),
    "SENet": ("Axpy",),
    "MobileNet": ("DepthwiseConvolution", "ConvolutionDepthwise", "ReLU6"),
}  # fmt: skip
_DIALECTS = {type_name: name for name, types in _TYPES.items() for type_name in types}

# Types of forks whose parameters, if they have any, are in a message of Caffe's.
_READ_FROM_BINARY = {
    "Axpy", "ConvolutionDepthwise", "DepthwiseConvolution", "ReLU6", "SmoothL1LossOHEM",
    "SoftmaxWithLossOHEM",
}  # fmt: skip


def dialects(layers: Iterable[LayerParameter]) -> dict[str, list[str]]:
    """The forks whose layer types a network has: dialect -> those types, each in order of layers.

    `BN` is in two families of forks: with SegNet's Upsample it is SegNet's, with Interp PSPNet's.
    An Upsample that reads one blob is that of the ports of YOLO.

    >>> bn = LayerParameter(type="BN", bottom=["conv1_1"])
    >>> dialects([bn, LayerParameter(type="Upsample", bottom=["pool1", "pool1_mask"])])
    {'SegNet': ['BN', 'Upsample']}
    """
    found: dict[str, list[str]] = {}
    for layer in layers:
        name = _DIALECTS.get(layer.type)
        if name is None:
            continue
        if layer.type == "Upsample" and len(layer.bottom) == 1:
            name = "YOLO"
        types = found.setdefault(name, [])
        if layer.type not in types:
            types.append(layer.type)
    return _with_owner_of_bn(found)


def _with_owner_of_bn(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """BN counted to the fork that the other types tell; yjxiong's where none does."""
    if "BN" not in found:
        return found
    owner = "SegNet" if "SegNet" in found else "PSPNet" if "DeepLab" in found else "yjxiong"
    merged: dict[str, list[str]] = {}
    for name, types in found.items():
        of_owner = name in ("BN", owner) or (owner, name) == ("PSPNet", "DeepLab")
        merged.setdefault(owner if of_owner else name, []).extend(types)
    return merged


def keep_to_caffe(net: NetParameter, path: str | Path) -> None:
    """Refuse a binary definition whose parameters only a fork can read; drop what is no Caffe's.

    Parameters
    ----------
    net : as it was parsed from a binary file; changed in place.
    path : that file.

    Raises
    ------
    ParseError
        When a layer is of a type whose parameters only a fork's schema has.
    """
    found = dialects(layer for layer in net.layer if layer.type not in _READ_FROM_BINARY)
    if found:
        types = ", ".join(sorted(sum(found.values(), [])))
        raise ParseError(
            f"this binary definition is in the {' and '.join(found)} dialect of Caffe, as its"
            f" layers of type {types} show. Forks gave one field number different meanings, so what"
            " these layers are set to cannot be read from it: give the .prototxt that belongs to"
            " it, and this file as its weights.",
            path,
        )
    for layer in net.layer:
        _drop(layer)
        for field, value in layer.ListFields():
            if field.message_type is not None and not field.is_repeated:
                _drop(value)


def _drop(message: Any) -> None:
    for field, _ in message.ListFields():
        if field.number >= FIRST_OWN_NUMBER:
            message.ClearField(field.name)
