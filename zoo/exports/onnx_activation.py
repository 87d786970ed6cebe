"""Kinds that change each value by itself, and PReLU, in ONNX.

Formulas: zoo/layers/activation.py and the Caffe files named there.
"""

from __future__ import annotations

import math

from zoo.exports.onnx_graph import FLOAT, OnnxSite, register_onnx

__all__: list[str] = []


@register_onnx("ReLU")
def relu(site: OnnxSite) -> list[str]:
    slope = site.message.relu_param.negative_slope
    if slope == 0:
        return [site.add("Relu", site.bottom)]
    return [site.add("LeakyRelu", site.bottom, alpha=slope)]


@register_onnx("PReLU")
def prelu(site: OnnxSite) -> list[str]:
    (slope,) = site.blobs
    if slope.ndim:
        slope = slope.reshape(-1, *(1,) * (site.rank() - 2))
    return [site.add("PRelu", site.bottom, slope)]


@register_onnx("ELU")
def elu(site: OnnxSite) -> list[str]:
    return [site.add("Elu", site.bottom, alpha=site.message.elu_param.alpha)]


@register_onnx("Sigmoid")
def sigmoid(site: OnnxSite) -> list[str]:
    return [site.add("Sigmoid", site.bottom)]


@register_onnx("TanH")
def tanh(site: OnnxSite) -> list[str]:
    return [site.add("Tanh", site.bottom)]


@register_onnx("BNLL")
def bnll(site: OnnxSite) -> list[str]:
    return [site.add("Softplus", site.bottom)]


@register_onnx("AbsVal")
def absolute(site: OnnxSite) -> list[str]:
    return [site.add("Abs", site.bottom)]


@register_onnx("Exp")
def exp(site: OnnxSite) -> list[str]:
    param = site.message.exp_param
    factor = 1.0 if param.base == -1 else math.log(param.base)
    return [site.add("Exp", site.affine(site.bottom, param.scale * factor, param.shift * factor))]


@register_onnx("Log")
def log(site: OnnxSite) -> list[str]:
    param = site.message.log_param
    logarithm = site.add("Log", site.affine(site.bottom, param.scale, param.shift))
    return [logarithm if param.base == -1 else site.add("Div", logarithm, math.log(param.base))]


@register_onnx("Power")
def power(site: OnnxSite) -> list[str]:
    param = site.message.power_param
    if param.power == 0 or param.scale == 0:
        # Caffe does not look at the input where the result does not depend on it.
        value = 1.0 if param.power == 0 else float(param.shift**param.power)
        return [site.add("Expand", value, site.add("Shape", site.bottom))]
    base = site.affine(site.bottom, param.scale, param.shift)
    return [base if param.power == 1 else site.add("Pow", base, param.power)]


@register_onnx("Clip")
def clip(site: OnnxSite) -> list[str]:
    param = site.message.clip_param
    return [site.add("Clip", site.bottom, param.min, param.max)]


@register_onnx("Swish")
def swish(site: OnnxSite) -> list[str]:
    inner = site.affine(site.bottom, site.message.swish_param.beta, 0)
    return [site.add("Mul", site.bottom, site.add("Sigmoid", inner))]


@register_onnx("Threshold")
def threshold(site: OnnxSite) -> list[str]:
    above = site.add("Greater", site.bottom, site.message.threshold_param.threshold)
    return [site.add("Cast", above, to=FLOAT)]


@register_onnx("Dropout")
def dropout(site: OnnxSite) -> list[str]:
    return [site.bottom]
