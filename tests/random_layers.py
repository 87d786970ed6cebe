"""For every kind of Caffe's own layers, how to add one with random parameters to a growing net."""

from math import prod

import numpy as np

BLOCKS = {}


def block(*kinds):
    """Names the kinds that a function, called with the net and one of them, adds."""

    def register(function):
        BLOCKS.update(dict.fromkeys(kinds, function))
        return function

    return register


# Neurons.

NEURONS = {
    "AbsVal": {},
    "BNLL": {},
    "Clip": {"clip_param": {"min": -0.5, "max": 0.8}},
    "Dropout": {"dropout_param": {"dropout_ratio": 0.3}},
    "ELU": {"elu_param": {"alpha": 0.7}},
    "ReLU": {"relu_param": {"negative_slope": 0.1}},
    "Sigmoid": {},
    "Swish": {"swish_param": {"beta": 1.5}},
    "TanH": {},
    "Threshold": {"threshold_param": {"threshold": 0.2}},
}


@block(*NEURONS)
def neuron(net, kind):
    net.add_neuron(kind, **net.pick(NEURONS[kind], {} if kind != "Clip" else NEURONS[kind]))


@block("PReLU")
def prelu(net, kind):
    net.add_neuron(kind, 2, 3, 4, 5, prelu_param={"channel_shared": net.flag()})


@block("Power")
def power(net, kind):
    settings = {"scale": net.pick(1, -0.5, 0), "shift": net.pick(0, 0.5)}
    net.add_neuron(kind, power_param=settings)
    net.add_neuron(kind, bounded=True, power_param={"power": net.pick(0, 2, 3)})


@block("Exp", "Log")
def exponential(net, kind):
    settings = {"base": net.pick(-1, 2), "scale": 0.5, "shift": net.pick(1, 2)}
    net.add_neuron(kind, bounded=True, **{f"{kind.lower()}_param": settings})


# Weights.


def convolution_window(net, sizes, growing=False):
    """Kernel, pad, stride and dilation for these axes, in one of the ways to write them."""
    kernel = [net.number(1, min(3, size)) for size in sizes]
    dilation = [
        net.number(1, 2) if growing or 2 * (k - 1) < size else 1
        for k, size in zip(kernel, sizes, strict=True)
    ]
    pad = [0 if k == 1 else net.number(0, 1) for k in kernel]
    stride = [net.number(1, 2) for _ in sizes]
    if growing and any(size == 1 for size in sizes):
        pad = [0 for _ in sizes]
    if len(sizes) == 2 and net.flag():
        pairs = {"kernel": kernel, "pad": pad, "stride": stride}
        found = {
            f"{word}_{axis}": value
            for word, both in pairs.items()
            for axis, value in zip("hw", both, strict=True)
        }
        return {**found, "dilation": dilation}
    return {"kernel_size": kernel, "pad": pad, "stride": stride, "dilation": dilation}


@block("Convolution", "Deconvolution")
def convolution(net, kind):
    bottom = net.blob(3, 4, 5)
    shape = net.shapes[bottom]
    axis = net.pick(*range(1, len(shape) - 1))
    group = net.divisor(shape[axis])
    settings = convolution_window(net, shape[axis + 1 :], growing=kind == "Deconvolution")
    settings |= {"num_output": group * net.number(1, 3), "group": group, "axis": axis}
    settings["bias_term"] = net.flag()
    ways = net.pick(1, 1, 1, 2)
    bottoms = [bottom, *[net.like(bottom)] * (ways - 1)]
    net.add(kind, *bottoms, tops=ways, convolution_param=settings)


@block("InnerProduct")
def inner_product(net, kind):
    bottom = net.blob()
    rank = len(net.shapes[bottom])
    settings = {
        "num_output": net.number(1, 6),
        "axis": net.axis(rank, 1) if rank > 1 else 0,
        "bias_term": net.flag(),
        "transpose": net.flag(),
    }
    number = len(net.layers)
    params = [{"name": f"shared{number}_{index}"} for index in range(1 + settings["bias_term"])]
    for _ in range(net.number(1, 2)):
        net.add(kind, net.like(bottom), param=params, inner_product_param=settings)


@block("Embed")
def embed(net, kind):
    words = net.number(2, 6)
    indices = net.whole_numbers(words, *net.pick((3,), (2, 4), (2, 1, 1, 3)))
    settings = {"input_dim": words, "num_output": net.number(1, 4), "bias_term": net.flag()}
    net.add(kind, indices, embed_param=settings)


@block("Parameter")
def parameter(net, kind):
    net.add(kind, parameter_param={"shape": {"dim": net.some_shape()}})


@block("LSTM", "RNN")
def recurrent(net, kind):
    bottom = net.blob(2, 3, 4)
    steps, sequences = net.shapes[bottom][:2]
    settings = {"num_output": net.number(1, 4), "expose_hidden": net.flag()}
    bottoms = [bottom, net.whole_numbers(2, steps, sequences)]
    if net.flag():
        bottoms.append(net.source((sequences, net.number(1, 3))))
    states = (2 if kind == "LSTM" else 1) * settings["expose_hidden"]
    bottoms += [net.source((1, sequences, settings["num_output"])) for _ in range(states)]
    net.add(kind, *bottoms, tops=1 + states, recurrent_param=settings)


@block("LSTMUnit")
def lstm_unit(net, kind):
    sequences, outputs = net.number(1, 3), net.number(1, 4)
    cell, gates = net.source((1, sequences, outputs)), net.source((1, sequences, 4 * outputs))
    net.add(kind, cell, gates, net.whole_numbers(2, 1, sequences), tops=2)


# Normalisation.


@block("BatchNorm")
def batch_norm(net, kind):
    settings = net.pick({}, {"use_global_stats": True}, {"use_global_stats": False, "eps": 0.1})
    net.add_neuron(kind, 1, 2, 3, 4, 5, batch_norm_param=settings)


@block("Scale", "Bias")
def affine(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    axis = net.number(0, len(shape) - 1)
    axes = net.number(0, len(shape) - axis)
    settings = {"axis": axis - len(shape) if net.flag() else axis}
    bottoms = [bottom]
    if net.flag():
        bottoms.append(net.source(shape[axis : axis + max(1, axes)]))
    else:
        settings["num_axes"] = net.pick(axes, -1)
    if kind == "Scale":
        settings["bias_term"] = net.flag()
    net.add(kind, *bottoms, in_place=net.flag(), **{f"{kind.lower()}_param": settings})


@block("LRN")
def lrn(net, kind):
    settings = {
        "local_size": net.pick(1, 3, 5),
        "alpha": 0.3,
        "beta": net.pick(0.75, 0.5),
        "k": net.pick(1, 2),
        "norm_region": net.number(0, 1),
    }
    net.add(kind, net.blob(4), lrn_param=settings)


@block("MVN")
def mvn(net, kind):
    settings = {"across_channels": net.flag(), "normalize_variance": net.flag(), "eps": 0.5}
    net.add(kind, net.blob(2, 3, 4), mvn_param=settings)


@block("Softmax")
def softmax(net, kind):
    bottom = net.blob()
    axis = net.axis(len(net.shapes[bottom]))
    net.add(kind, bottom, in_place=net.flag(), softmax_param={"axis": axis})


# Windows.


@block("Pooling")
def pooling(net, kind):
    method = net.number(0, 2)
    masked = method == 0 and net.flag()
    bottom = net.blob(4, unrounded=masked)
    if method == 2:
        bottom = net.add("Sigmoid", bottom)[0]
    if net.pick(False, False, False, True):
        settings = {"global_pooling": True}
    else:
        kernel = [net.number(1, min(3, size)) for size in net.shapes[bottom][2:]]
        settings = {
            "kernel_h": kernel[0],
            "kernel_w": kernel[1],
            "stride": net.number(1, 3),
            "pad": 0 if method == 2 else net.number(0, min(kernel) - 1),
            "round_mode": net.number(0, 1),
        }
    net.add(kind, bottom, tops=1 + masked, pooling_param={"pool": method, **settings})


@block("SPP")
def spp(net, kind):
    bottom = net.blob(4, fits=lambda shape: min(shape[2:]) >= 4, otherwise=(2, 4, 6, 5))
    levels = net.number(1, 2)
    net.add(kind, bottom, spp_param={"pyramid_height": levels, "pool": net.number(0, 1)})


@block("Im2col")
def im2col(net, kind):
    bottom = net.blob(3, 4, 5)
    shape = net.shapes[bottom]
    axis = net.pick(*range(1, len(shape) - 1))
    settings = convolution_window(net, shape[axis + 1 :])
    net.add(kind, bottom, convolution_param={**settings, "axis": axis})


# Joining, parting, other axes.


@block("Eltwise")
def eltwise(net, kind):
    operation = net.number(0, 2)
    first = net.blob()
    if operation == 0:
        first = net.add("TanH", first)[0]
    bottoms = [first, *(net.like(first) for _ in range(net.number(1, 2)))]
    settings = {"operation": operation}
    if operation == 1 and net.flag():
        settings["coeff"] = [net.pick(1, -1, 0.5) for _ in bottoms]
    net.add(kind, *bottoms, eltwise_param=settings)


@block("Concat")
def concat(net, kind):
    first = net.blob()
    bottoms = [first, *(net.like(first) for _ in range(net.number(0, 2)))]
    rank = len(net.shapes[first])
    axis = net.axis(rank)
    settings = net.pick({"axis": axis}, {"concat_dim": axis % rank})
    net.add(kind, *bottoms, concat_param=settings)


@block("Slice")
def cut(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    axis = net.axis(len(shape))
    size = shape[axis]
    if size > 1 and net.flag():
        points = sorted({net.number(1, size - 1) for _ in range(2)})
        net.add(
            kind, bottom, tops=len(points) + 1, slice_param={"axis": axis, "slice_point": points}
        )
    else:
        net.add(kind, bottom, tops=net.divisor(size), slice_param={"axis": axis})


@block("Split")
def split(net, kind):
    net.add(kind, net.blob(), tops=net.number(1, 3))


@block("Silence")
def silence(net, kind):
    net.add(kind, net.blob(), tops=0)


@block("HDF5Output")
def hdf5_output(net, kind):
    net.add(kind, net.blob(), net.blob(), tops=0, hdf5_output_param={"file_name": "unwritten.h5"})


@block("Flatten")
def flatten(net, kind):
    bottom = net.blob()
    rank = len(net.shapes[bottom])
    first = net.number(0, rank - 1)
    last = net.number(first, rank - 1)
    net.add(kind, bottom, flatten_param={"axis": first, "end_axis": net.pick(last, last - rank)})


@block("Reshape")
def reshape(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    first = net.number(0, len(shape) - 1)
    axes = net.number(1, len(shape) - first)
    inner = prod(shape[first : first + axes])
    part = net.divisor(inner)
    dims = net.pick([part, inner // part], [part, -1], [1, part, -1, 1], [-1])
    if axes > 1:
        dims = net.pick(dims, [0, -1])
    settings = {"axis": net.pick(first, first - len(shape) - 1), "num_axes": axes}
    net.add(kind, bottom, reshape_param={"shape": {"dim": dims}, **settings})


@block("Crop")
def crop(net, kind):
    bottom = net.blob()
    shape = net.shapes[bottom]
    axis = net.axis(len(shape))
    sizes = [net.number(1, size) for size in shape]
    offset = [net.number(0, shape[i] - sizes[i]) for i in range(axis % len(shape), len(shape))]
    reference = net.source(sizes)
    settings = {"axis": axis, "offset": net.pick(offset, [] if len(shape) > 1 else offset)}
    net.add(kind, bottom, reference, crop_param=settings)


@block("Tile")
def tile(net, kind):
    bottom = net.blob()
    axis = net.axis(len(net.shapes[bottom]))
    net.add(kind, bottom, tile_param={"axis": axis, "tiles": net.number(1, 3)})


@block("Reduction")
def reduction(net, kind):
    bottom = net.blob()
    settings = {"axis": net.axis(len(net.shapes[bottom])), "operation": net.number(1, 4)}
    net.add(kind, bottom, reduction_param={**settings, "coeff": net.pick(1, -0.5)})


@block("ArgMax")
def arg_max(net, kind):
    bottom = net.blob(2, 3, 4, 5, unrounded=True)
    shape = net.shapes[bottom]
    axis = net.axis(len(shape))
    settings = {"out_max_val": net.flag()}
    if net.flag():
        settings |= {"axis": axis, "top_k": net.number(1, shape[axis])}
    else:
        settings["top_k"] = net.number(1, prod(shape[1:]))
    net.add(kind, bottom, argmax_param=settings)


@block("BatchReindex")
def batch_reindex(net, kind):
    bottom = net.blob()
    net.add(kind, bottom, net.whole_numbers(net.shapes[bottom][0], net.number(1, 4)))


@block("Filter")
def choose(net, kind):
    bottoms = [net.blob()]
    batch = net.shapes[bottoms[0]][0]
    bottoms += [net.like(bottoms[0]) for _ in range(net.number(0, 1))]
    selector = net.whole_numbers(2, batch)
    net.add_chosen(kind, *bottoms, selector, tops=len(bottoms), axis=0)


# Losses.

NORMALIZED = {"SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "InfogainLoss"}


def loss_settings(net, kind):
    settings = {"loss_weight": [net.pick(1, 0.5)]} if net.flag() else {}
    if kind in NORMALIZED and net.flag():
        settings["loss_param"] = {"normalization": net.number(0, 3)}
        if net.flag():
            settings["loss_param"]["ignore_label"] = 1
    return settings


@block("SoftmaxWithLoss", "InfogainLoss", "Accuracy")
def labelled(net, kind):
    bottom = net.blob(2, 3, 4, unrounded=kind == "Accuracy")
    shape = net.shapes[bottom]
    axis = net.number(1, len(shape) - 1)
    classes = shape[axis]
    labels = net.whole_numbers(
        classes, shape[0], *(size for index, size in enumerate(shape) if index not in (0, axis))
    )
    word = {"SoftmaxWithLoss": "softmax", "InfogainLoss": "infogain_loss"}.get(kind, "accuracy")
    settings = {f"{word}_param": {"axis": net.pick(axis, axis - len(shape))}}
    bottoms = [bottom, labels]
    if kind == "Accuracy":
        settings["accuracy_param"]["top_k"] = net.number(1, classes)
    else:
        settings |= {
            key: value for key, value in loss_settings(net, kind).items() if key != "loss_weight"
        }
    if kind == "InfogainLoss":
        matrix = (1, 1, classes, classes)
        bottoms.append(net.source(matrix, lambda rng, shape: rng.uniform(0, 1, shape)))
    net.add(kind, *bottoms, tops=net.number(1, 2), **settings)


@block("EuclideanLoss", "SigmoidCrossEntropyLoss")
def against_a_blob(net, kind):
    bottom = net.blob()
    if kind == "EuclideanLoss":
        other = net.like(bottom)
    else:
        other = net.whole_numbers(2, *net.shapes[bottom])
    net.add(kind, bottom, other, **loss_settings(net, kind))


@block("HingeLoss", "MultinomialLogisticLoss")
def one_label(net, kind):
    bottom = net.blob(2, 4, fits=lambda shape: prod(shape[2:]) == 1, otherwise=(3, 5))
    if kind == "MultinomialLogisticLoss":
        bottom = net.add("Softmax", bottom)[0]
    labels = net.whole_numbers(net.shapes[bottom][1], net.shapes[bottom][0])
    norm = {"hinge_loss_param": {"norm": net.number(1, 2)}} if kind == "HingeLoss" else {}
    net.add(kind, bottom, labels, **norm, **loss_settings(net, kind))


@block("ContrastiveLoss")
def contrastive(net, kind):
    bottom = net.blob(2)
    settings = {"margin": net.pick(1, 2.5), "legacy_version": net.flag()}
    similar = net.whole_numbers(2, net.shapes[bottom][0])
    net.add(kind, bottom, net.source(net.shapes[bottom]), similar, contrastive_loss_param=settings)
