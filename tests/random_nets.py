"""A hypothesis strategy for small valid nets of all kinds of layers that arrays can run."""

from dataclasses import dataclass

import numpy as np
import random_fork_layers  # noqa: F401  (registers its blocks)
from growing_net import Growing, random_params
from hypothesis import strategies as st
from random_layers import BLOCKS

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.net import Net

# What folding is about comes more often.
FOLDED = ["BatchNorm", "Bias", "Convolution", "Deconvolution", "Dropout", "InnerProduct", "Power"]
KINDS = [*sorted(BLOCKS), *(FOLDED + ["Scale", "Split"]) * 3]


@dataclass(frozen=True)
class Sample:
    """A net with weights, arrays for its inputs, and which axes of blobs only these decide."""

    net: Net
    inputs: dict
    sizes_from_data: dict
    rng: np.random.Generator


@st.composite
def random_nets(draw, kinds=KINDS):
    """Nets of 2 to 8 layers of these kinds, and inputs; they branch and write in place."""
    growing = Growing(draw)
    growing.source(growing.some_shape())
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=6)):
        BLOCKS[kind](growing, kind)
    net = Net(NetParameter(name="random", layer=growing.layers))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    net = net.with_params(random_params(net, rng)).initialized()
    inputs = {
        name: np.asarray(growing.values[name](rng, shape), np.float32)
        for name, shape in net.inputs.items()
    }
    return Sample(net, inputs, growing.sizes_from_data, rng)
