"""The layers that an FCN has behind its classifier, as its authors wrote them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import FillerParameter, LayerParameter, ParamSpec
from zoo.layers.fillers import fill

__all__ = ["bilinear_weight", "crop_layer", "fuse_layer", "score_layer", "upscore_layer"]

_RATES = ((1, 1), (2, 0))


def score_layer(
    name: str, bottom: str, classes: int, old: LayerParameter | None = None, pad: int = 0
) -> LayerParameter:
    """A Convolution with a score for each class, of the window of the `old` one or of 1 x 1.

    Without fillers its weights are 0, so that at first it adds nothing.
    """
    layer = LayerParameter() if old is None else copy_without(old, "bottom", "top", "param")
    layer.name, layer.type = name, "Convolution"
    layer.bottom.append(bottom)
    layer.top.append(name)
    layer.param.extend(ParamSpec(lr_mult=lr, decay_mult=decay) for lr, decay in _RATES)
    param = layer.convolution_param
    # Zeros around what is scored would be scores beside the picture.
    for field in ("weight_filler", "bias_filler", "bias_term", "pad", "pad_h", "pad_w"):
        param.ClearField(field)
    param.num_output = classes
    if old is None:
        param.kernel_size.append(1)
    if pad:
        param.pad.append(pad)
    return layer


def upscore_layer(name: str, bottom: str, classes: int, kernel: int, factor: int) -> LayerParameter:
    """A Deconvolution that does not learn."""
    layer = LayerParameter(name=name, type="Deconvolution", bottom=[bottom], top=[name])
    layer.param.add(lr_mult=0)
    param = layer.convolution_param
    param.num_output, param.bias_term = classes, False
    param.kernel_size.append(kernel)
    param.stride.append(factor)
    return layer


def bilinear_weight(classes: int, kernel: int) -> np.ndarray:
    """Bilinear interpolation of each class by itself, (classes, classes, kernel, kernel)."""
    weight = np.zeros((classes, classes, kernel, kernel), np.float32)
    line = fill(FillerParameter(type="bilinear"), (1, 1, kernel, kernel), np.random.default_rng(0))
    weight[range(classes), range(classes)] = line[0, 0]
    return weight


def crop_layer(name: str, bottom: str, reference: str, offsets: Sequence[int]) -> LayerParameter:
    """The rows and columns of a blob that lie over those of a reference."""
    layer = LayerParameter(name=name, type="Crop", bottom=[bottom, reference], top=[name])
    layer.crop_param.axis = 2
    layer.crop_param.offset.extend(offsets)
    return layer


def fuse_layer(name: str, coarse: str, fine: str) -> LayerParameter:
    """The sum of the scores of two strides."""
    layer = LayerParameter(name=name, type="Eltwise", bottom=[coarse, fine], top=[name])
    layer.eltwise_param.operation = layer.eltwise_param.SUM
    return layer
