"""For Caffe's own kinds that compute: how to add one with random parameters to a growing net."""

from growing_net import block

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
