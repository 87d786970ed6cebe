"""Kinds that forks of Caffe added, in ONNX: turning axes, norms, interpolation, channels, SegNet.

Formulas: zoo/layers/common_forks.py, block_extras.py, compact.py, segnet.py and what they name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.exports.onnx_graph import INT64, OnnxSite, register_onnx
from zoo.layers.detection import picture_size, prior_step, prior_variance
from zoo.layers.kind import axis_of

__all__: list[str] = []

# What SegNet adds to a variance, whatever is written.
SEGNET_EPSILON = 1e-9


@register_onnx("Permute")
def permute(site: OnnxSite) -> list[str]:
    return [site.add("Transpose", site.bottom, perm=_kind(site).order(site.message, site.rank()))]


@register_onnx("Normalize")
def normalize(site: OnnxSite) -> list[str]:
    param = site.message.norm_param
    axes = list(range(1, site.rank())) if param.across_spatial else [1]
    normed = _over_norm(site, axes, param.eps)
    if not site.blobs:
        return [normed]
    scale = site.blobs[0]
    return [site.add("Mul", normed, scale if not scale.ndim else _by_channel(site, scale))]


@register_onnx("L2Norm", "L2Normalization", "L2Normalize")
def l2_norm(site: OnnxSite) -> list[str]:
    return [_over_norm(site, list(range(1, site.rank())), 1e-30)]


def _over_norm(site: OnnxSite, axes: list[int], eps: float) -> str:
    square = site.add("Mul", site.bottom, site.bottom)
    total = site.add("Add", site.add("ReduceSum", square, axes, keepdims=1), eps)
    return site.add("Div", site.bottom, site.add("Sqrt", total))


@register_onnx("Interp")
def interp(site: OnnxSite) -> list[str]:
    """Resize with corners kept; sizes come as a tensor, since they may be free."""
    param = site.message.interp_param
    stated, shrink, zoom = _kind(site).plan(site.message)
    tensor = site.bottom
    if param.pad_beg or param.pad_end:
        ends = site.add("Add", site.sizes(tensor, [2, 3]), [param.pad_end] * 2)
        tensor = site.add("Slice", tensor, [-param.pad_beg] * 2, ends, [2, 3])
    if len(site.bottoms) == 2:
        wanted: Any = site.sizes(site.bottoms[1], [2, 3])
    elif stated is not None:
        wanted = list(stated)
    else:
        steps = site.add("Div", site.add("Sub", site.sizes(tensor, [2, 3]), [1, 1]), [shrink] * 2)
        wanted = site.add("Add", site.add("Mul", steps, [zoom] * 2), [1, 1])
    sizes = site.add("Concat", site.sizes(tensor, [0, 1]), wanted, axis=0)
    return [
        site.add(
            "Resize",
            tensor,
            "",
            "",
            sizes,
            mode="linear",
            coordinate_transformation_mode="align_corners",
        )
    ]


@register_onnx("SeLu", "SELU")
def selu(site: OnnxSite) -> list[str]:
    return [site.add("Selu", site.bottom)]


@register_onnx("Sparsify")
def sparsify(site: OnnxSite) -> list[str]:
    return [site.bottom]


@register_onnx("ReLU6")
def relu6(site: OnnxSite) -> list[str]:
    slope = site.message.relu_param.negative_slope
    if slope == 0:
        return [site.add("Clip", site.bottom, 0.0, 6.0)]
    return [site.add("Min", site.add("LeakyRelu", site.bottom, alpha=slope), 6.0)]


@register_onnx("Axpy")
def axpy(site: OnnxSite) -> list[str]:
    factors, first, second = site.bottoms
    target = [0, 0, *(1,) * (site.rank(1) - 2)]
    product = site.add("Mul", site.add("Reshape", factors, target), first)
    return [site.add("Add", product, second)]


@register_onnx("CReLU")
def crelu(site: OnnxSite) -> list[str]:
    param = site.message.crelu_param
    axis = axis_of(site.message, param.concat_axis, site.rank())
    both = site.add("Concat", site.bottom, site.add("Neg", site.bottom), axis=axis)
    if param.negative_slope:
        return [site.add("LeakyRelu", both, alpha=param.negative_slope)]
    return [site.add("Relu", both)]


@register_onnx("ShuffleChannel")
def shuffle_channel(site: OnnxSite) -> list[str]:
    group, channels = site.message.shuffle_channel_param.group, site.shape()[1]
    behind = site.sizes(site.bottom, range(2, site.rank()))
    split = site.add("Reshape", site.bottom, _sizes(site, [group, channels // group], behind))
    rank = site.rank() + 1
    turned = site.add("Transpose", split, perm=[0, 2, 1, *range(3, rank)])
    return [site.add("Reshape", turned, _sizes(site, [channels], behind))]


def _sizes(site: OnnxSite, channels: list[int], behind: str) -> str:
    """A shape of a free batch, some axes in place of the channels, and what lies behind."""
    return site.add("Concat", [0, *channels], behind, axis=0)


@register_onnx("Reorg")
def reorg(site: OnnxSite) -> list[str]:
    param = site.message.reorg_param
    _, channels, height, width = site.fixed_shape()
    stride = param.stride
    few = channels // stride**2
    if param.reverse:
        split, order = [-1, stride, stride, few, height, width], [0, 3, 4, 1, 5, 2]
    else:
        split, order = [-1, few, height, stride, width, stride], [0, 3, 5, 1, 2, 4]
    moved = site.add("Transpose", site.add("Reshape", site.bottom, split), perm=order)
    return [site.add("Reshape", moved, [-1, *site.top_shape()[1:]])]


@register_onnx("BN", "SyncBN")
def bn(site: OnnxSite) -> list[str]:
    param, kind = site.message.bn_param, _kind(site)
    scale, shift, *statistics = (blob.reshape(-1) for blob in site.blobs)
    if not kind.is_segnet(site.message):
        return [_batch_normalization(site, scale, shift, *statistics, param.eps)]
    if kind.inference(site.message):
        zeros = np.zeros_like(scale)
        return [_batch_normalization(site, scale, shift, zeros, zeros + 1, 0.0)]
    axes = [axis for axis in range(site.rank()) if axis != 1]
    mean = site.add("ReduceMean", site.bottom, axes)
    centred = site.add("Sub", site.bottom, mean)
    variance = site.add("ReduceMean", site.add("Mul", centred, centred), axes)
    deviation = site.add("Sqrt", site.add("Add", variance, SEGNET_EPSILON))
    product = site.add("Mul", site.add("Div", centred, deviation), _by_channel(site, scale))
    tops = [site.add("Add", product, _by_channel(site, shift))]
    tops += [site.add("Reshape", each, [1, -1, 1, 1]) for each in (mean, variance)]
    return tops[: len(site.layer.tops)]


def _batch_normalization(site: OnnxSite, *values: Any) -> str:
    """The operator, from scale, shift, mean, variance and epsilon."""
    *arrays, epsilon = values
    return site.add("BatchNormalization", site.bottom, *arrays, epsilon=epsilon)


@register_onnx("Upsample")
def upsample(site: OnnxSite) -> list[str]:
    kind = _kind(site)
    if len(site.bottoms) == 1:
        scales = np.array([1, 1, *kind.scale(site.message)], np.float32)
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
        return [site.add("Resize", site.bottom, "", scales, nearest_mode="floor", **nearest)]
    site.fix_sizes()
    height, width = kind.sizes(site.message, site.shape())
    values, mask = (site.add("Reshape", bottom, [0, 0, -1]) for bottom in site.bottoms)
    places = site.add("Cast", mask, to=INT64)
    plane = site.add("Concat", site.sizes(values, [0, 1]), [height * width], axis=0)
    scattered = site.add("ScatterElements", site.add("Expand", 0.0, plane), places, values, axis=2)
    return [site.add("Reshape", scattered, [0, 0, height, width])]


@register_onnx("ROIPooling")
def roi_pooling(site: OnnxSite) -> list[str]:
    param = site.message.roi_pooling_param
    if param.pad_ratio:
        site.refuse("pad_ratio")
    regions = site.add("Reshape", site.bottoms[1], [-1, 5])
    return [
        site.add(
            "MaxRoiPool",
            site.bottom,
            regions,
            pooled_shape=[param.pooled_h, param.pooled_w],
            spatial_scale=param.spatial_scale,
        )
    ]


@register_onnx("PriorBox", "PriorBoxClustered")
def prior_box(site: OnnxSite) -> list[str]:
    """The boxes hang on sizes alone, so they are a constant."""
    kind, param = _kind(site), site.message.prior_box_param
    rows, columns = site.fixed_shape(0)[2:]
    widths, heights = np.array(kind.boxes(site.message), np.float32).T
    picture = picture_size(site.message) or site.fixed_shape(1)[2:]
    steps = prior_step(site.message) or (picture[0] / rows, picture[1] / columns)
    down = (np.arange(rows, dtype=np.float32)[:, None, None] + param.offset) * steps[0]
    along = (np.arange(columns, dtype=np.float32)[None, :, None] + param.offset) * steps[1]
    sides = [
        (along - widths / 2) / picture[1],
        (down - heights / 2) / picture[0],
        (along + widths / 2) / picture[1],
        (down + heights / 2) / picture[0],
    ]
    boxes = np.stack([np.broadcast_to(side, (rows, columns, len(widths))) for side in sides], -1)
    if param.clip:
        boxes = boxes.clip(0, 1)
    variance = np.broadcast_to(prior_variance(site.message), boxes.shape)
    both = np.stack([boxes, variance]).astype(np.float32).reshape(1, 2, -1)
    return [site.add("Identity", both)]


def _by_channel(site: OnnxSite, values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *(1,) * (site.rank() - 2))


def _kind(site: OnnxSite) -> Any:
    return site.layer.kind
