"""Shapes of the tops of layers by numpy's own operations, for kinds where one line says it."""

import numpy as np


def places(size, kernel, stride, pad):
    """How many windows lie wholly within a padded axis."""
    return len(range(0, size + 2 * pad - kernel + 1, stride))


def written(param, word, axes, default):
    """A value for each axis, as `word` or with _h and _w behind it."""
    base = word.removesuffix("_size")
    if param.HasField(f"{base}_h") or param.HasField(f"{base}_w"):
        return [getattr(param, f"{base}_{axis}") or default for axis in "hw"]
    listed = list(getattr(param, word)) or [default]
    return listed * axes if len(listed) == 1 else listed


def windows(layer, bottom):
    """(size, extent, stride, pad) of each axis behind the channels, and the axis of these."""
    param = layer.definition.convolution_param
    axis = param.axis % bottom.ndim
    sizes = bottom.shape[axis + 1 :]
    kernel, stride, pad = (
        written(param, word, len(sizes), default)
        for word, default in (("kernel_size", 1), ("stride", 1), ("pad", 0))
    )
    holes = list(param.dilation) or [1]
    holes = holes * len(sizes) if len(holes) == 1 else holes
    extent = [hole * (k - 1) + 1 for hole, k in zip(holes, kernel, strict=True)]
    return axis, list(zip(sizes, extent, stride, pad, strict=True))


def convolution(layer, *bottoms):
    outputs = layer.definition.convolution_param.num_output
    for bottom in bottoms:
        axis, axes = windows(layer, bottom)
        yield *bottom.shape[:axis], outputs, *(places(s, k, by, p) for s, k, by, p in axes)


def deconvolution(layer, *bottoms):
    outputs = layer.definition.convolution_param.num_output
    for bottom in bottoms:
        axis, axes = windows(layer, bottom)
        sizes = [(size - 1) * stride + extent - 2 * pad for size, extent, stride, pad in axes]
        yield *bottom.shape[:axis], outputs, *sizes


def im2col(layer, bottom):
    axis, axes = windows(layer, bottom)
    kernel = written(layer.definition.convolution_param, "kernel_size", len(axes), 1)
    rows = bottom.shape[axis] * np.prod(kernel, dtype=int)
    return [(*bottom.shape[:axis], rows, *(places(s, k, by, p) for s, k, by, p in axes))]


def pooling(layer, bottom):
    """Windows begin before the padded end; if padded, not in the padding behind."""
    param = layer.definition.pooling_param
    sizes = []
    kernels = (param.kernel_h or param.kernel_size, param.kernel_w or param.kernel_size)
    for size, kernel in zip(bottom.shape[2:], kernels, strict=True):
        pad, ceil = param.pad, param.round_mode == param.CEIL
        last = size + 2 * pad - kernel + (param.stride - 1) * ceil
        starts = range(-pad, last - pad + 1, param.stride)
        sizes.append(sum(start < size or not pad for start in starts))
    one = (*bottom.shape[:2], *((1, 1) if param.global_pooling else sizes))
    return [one] * len(layer.tops)


def concat(layer, *bottoms):
    param = layer.definition.concat_param
    axis = param.concat_dim if param.HasField("concat_dim") else param.axis
    return [np.concatenate(bottoms, axis).shape]


def cut(layer, bottom):
    param = layer.definition.slice_param
    parts = list(param.slice_point) or len(layer.tops)
    return [part.shape for part in np.split(bottom, parts, param.axis)]


def reshape(layer, bottom):
    param = layer.definition.reshape_param
    first = param.axis % (bottom.ndim + 1)
    middle = bottom.reshape(*bottom.shape[:first], -1, *bottom.shape[first + param.num_axes :])
    dims = [dim or bottom.shape[first + index] for index, dim in enumerate(param.shape.dim)]
    return [middle.reshape(*bottom.shape[:first], *dims, *middle.shape[first + 1 :]).shape]


def flatten(layer, bottom):
    param = layer.definition.flatten_param
    first, last = param.axis % bottom.ndim, param.end_axis % bottom.ndim
    return [bottom.reshape(*bottom.shape[:first], -1, *bottom.shape[last + 1 :]).shape]


def crop(layer, bottom, reference):
    axis = layer.definition.crop_param.axis % bottom.ndim
    return [(*bottom.shape[:axis], *reference.shape[axis:])]


def inner_product(layer, bottom):
    param = layer.definition.inner_product_param
    rows = bottom.reshape(*bottom.shape[: param.axis % bottom.ndim], -1)
    return [(rows @ np.zeros((rows.shape[-1], param.num_output))).shape]


def reduction(layer, bottom):
    axis = layer.definition.reduction_param.axis % bottom.ndim
    return [np.sum(bottom, tuple(range(axis, bottom.ndim))).shape]


def arg_max(layer, bottom):
    param = layer.definition.argmax_param
    if param.HasField("axis"):
        return [np.take(bottom, range(param.top_k), param.axis).shape]
    return [(len(bottom), 1 + param.out_max_val, param.top_k, *[1] * (bottom.ndim - 3))]


def tile(layer, bottom):
    param = layer.definition.tile_param
    return [np.concatenate([bottom] * param.tiles, param.axis).shape]


def permute(layer, bottom):
    order = list(layer.definition.permute_param.order)
    rest = [axis for axis in range(bottom.ndim) if axis not in order]
    return [bottom.transpose(order + rest).shape]


def embed(layer, bottom):
    param = layer.definition.embed_param
    return [np.zeros((param.input_dim, param.num_output))[bottom.astype(int)].shape]


def recurrent(layer, bottom, *others):
    outputs = layer.definition.recurrent_param.num_output
    return [(*bottom.shape[:2], outputs), *[(1, bottom.shape[1], outputs)] * (len(layer.tops) - 1)]


def batch_reindex(layer, bottom, indices):
    return [bottom[indices.astype(int)].shape]


def crelu(layer, bottom):
    axis = layer.definition.crelu_param.concat_axis
    return [np.concatenate([bottom, -bottom], axis).shape]


def same(layer, *bottoms):
    return [bottoms[0].shape] * len(layer.tops)


_SAME = [
    "AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Dropout", "ELU", "Eltwise", "Exp", "L2Norm",
    "LRN", "Log", "MVN", "Normalize", "PReLU", "Power", "ReLU", "ReLU6", "SELU", "Scale",
    "ShuffleChannel", "Sigmoid", "Softmax", "Split", "Swish", "TanH", "Threshold",
]  # fmt: skip
SHAPES = {
    "ArgMax": arg_max,
    "BatchReindex": batch_reindex,
    "CReLU": crelu,
    "Concat": concat,
    "Convolution": convolution,
    "Crop": crop,
    "Deconvolution": deconvolution,
    "Embed": embed,
    "Flatten": flatten,
    "Im2col": im2col,
    "InnerProduct": inner_product,
    "LSTM": recurrent,
    "Permute": permute,
    "Pooling": pooling,
    "RNN": recurrent,
    "Reduction": reduction,
    "Reshape": reshape,
    "Slice": cut,
    "Tile": tile,
    **dict.fromkeys(_SAME, same),
}
