"""A hypothesis strategy for small valid nets of all kinds of layers that arrays can run."""

from dataclasses import dataclass

import numpy as np
import random_fork_layers  # noqa: F401  (each registers its blocks)
import random_layers  # noqa: F401
import random_losses  # noqa: F401
import random_shape_layers  # noqa: F401
from growing_net import BLOCKS, Growing, random_params
from hypothesis import strategies as st

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.net import Net

LINEAR = ["Convolution", "Deconvolution", "InnerProduct", "DepthwiseConvolution"]
AFFINE = {
    "BN": {},
    "BatchNorm": {},
    "Bias": {},
    "Dropout": {},
    "Power": {"power_param": {"scale": -0.5, "shift": 0.3}},
    "Scale": {"scale_param": {"bias_term": True}},
}


def chain(net, _kind):
    """What folding shortens: a layer with weights, and some behind it that scale and shift."""
    kind = net.pick(*LINEAR)
    BLOCKS[kind](net, kind)
    newest = list(net.shapes)[-1]
    for _ in range(net.number(1, 3)):
        if len(net.shapes[newest]) > 1:
            kind = net.pick(*AFFINE)
            newest = net.add(kind, newest, in_place=net.flag(), **AFFINE[kind])[0]


KINDS = [*sorted(BLOCKS), *["chain"] * len(BLOCKS)]


@dataclass(frozen=True)
class Sample:
    """A net with weights, arrays for its inputs, and which axes of blobs only these decide."""

    net: Net
    inputs: dict
    sizes_from_data: dict
    rng: np.random.Generator


@st.composite
def random_nets(draw, kinds=KINDS):
    """Nets of 2 to 12 layers of these kinds, and inputs; they branch and write in place."""
    growing = Growing(draw)
    growing.source(growing.some_shape())
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=5)):
        BLOCKS.get(kind, chain)(growing, kind)
    net = Net(NetParameter(name="random", layer=growing.layers))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    net = net.with_params(random_params(net, rng)).initialized()
    inputs = {
        name: np.asarray(growing.values[name](rng, shape), np.float32)
        for name, shape in net.inputs.items()
    }
    return Sample(net, inputs, growing.sizes_from_data, rng)
