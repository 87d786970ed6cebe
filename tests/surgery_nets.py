"""Small nets for operations, written layer by layer, and inputs for them."""

import numpy as np
from google.protobuf import text_format
from growing_net import random_params

import zoo
from zoo.caffe.schema.caffe_pb2 import NetParameter


def net_of(text, seed=3, phase="TEST"):
    """A net of a definition with random weights, biases and statistics."""
    net = zoo.Net(text_format.Parse(text, NetParameter()), phase=phase)
    return net.with_params(random_params(net, np.random.default_rng(seed)))


def data(shape="1 3 9 9", name="data"):
    dims = " ".join(f"dim: {size}" for size in shape.split())
    return (
        f'layer {{ name: "{name}" type: "Input" top: "{name}"'
        f" input_param {{ shape {{ {dims} }} }} }}\n"
    )


PICTURE = data("2 3 11 11")


def read(text, seed=0, phase="TEST"):
    """A net of its layers behind an input (2, 6, 9, 9)."""
    return net_of(data("2 6 9 9") + text, seed, phase)


def layer(kind, name, bottom, settings="", top=None):
    bottoms = " ".join(f'bottom: "{each}"' for each in bottom.split())
    tops = " ".join(f'top: "{each}"' for each in (top or name).split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {settings} }}\n'


def conv(name, bottom, outputs=4, settings="kernel_size: 3", kind="Convolution", param=""):
    settings = f"convolution_param {{ num_output: {outputs} {settings} }} {param}"
    return layer(kind, name, bottom, settings)


def product(name, bottom, outputs=5, settings="", param=""):
    settings = f"inner_product_param {{ num_output: {outputs} {settings} }} {param}"
    return layer("InnerProduct", name, bottom, settings)


def random_inputs(net, seed=0, **shapes):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=shapes.get(name, shape)).astype(np.float32)
        for name, shape in net.inputs.items()
    }


def picture(net, blob="data", seed=0):
    """One input alone."""
    rng = np.random.default_rng(seed)
    return {blob: rng.normal(size=net.inputs[blob]).astype(np.float32)}
