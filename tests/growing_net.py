"""A net that grows layer by layer, each of them valid, and inputs that its layers can use."""

from dataclasses import dataclass, field
from math import prod

import numpy as np
from hypothesis import strategies as st

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.net import Net

LARGEST = 3000  # values of a blob that further layers read
# These pass values on as they are, or compare them: what comes out has not been rounded again.
UNROUNDED = {
    "AbsVal", "ArgMax", "BatchReindex", "CReLU", "Clip", "Concat", "Crop", "Dropout", "Filter",
    "Flatten", "Im2col", "Input", "Permute", "ReLU", "ReLU6", "Reorg", "Reshape", "ShuffleChannel",
    "Slice", "Sparsify", "Split", "Threshold", "Tile",
}  # fmt: skip


BLOCKS = {}


def block(*kinds):
    """Names the kinds that a function, called with the net and one of them, adds."""

    def register(function):
        BLOCKS.update(dict.fromkeys(kinds, function))
        return function

    return register


@dataclass
class Growing:
    """Layers so far and the blobs that may be read.

    Attributes
    ----------
    draw : hypothesis's, from which every choice comes.
    shapes : the blobs of real numbers, which any layer may read, with their shapes.
    unrounded : those of them that are the same numbers however the net is computed. Layers that
        choose, such as ArgMax, read only these: what is nearly equal may come in any order.
    values : how to make each input, from a numpy generator and a shape.
    sizes_from_data : the blobs with an axis as long as the data say, and that axis.
    """

    draw: st.DrawFn
    layers: list = field(default_factory=list)
    shapes: dict = field(default_factory=dict)
    unrounded: set = field(default_factory=set)
    values: dict = field(default_factory=dict)
    sizes_from_data: dict = field(default_factory=dict)

    # Choices.

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def number(self, least, most):
        return self.draw(st.integers(least, most))

    def flag(self):
        return self.draw(st.booleans())

    def divisor(self, number):
        return self.pick(*(each for each in range(1, number + 1) if number % each == 0))

    def axis(self, rank, first=0):
        """Some axis, counted from the front or from the end."""
        axis = self.number(first, rank - 1)
        return axis - rank if self.flag() else axis

    # Blobs.

    def source(self, shape, values=None):
        """A new input: normally distributed numbers that any layer may read, or special ones."""
        name = f"in{len(self.values)}"
        message = LayerParameter(name=name, type="Input", top=[name])
        message.input_param.shape.add(dim=shape)
        self.layers.append(message)
        self.values[name] = values or (lambda rng, shape: rng.normal(size=shape))
        if values is None:
            self.shapes[name] = tuple(shape)
            self.unrounded.add(name)
        return name

    def whole_numbers(self, below, *shape):
        """A new input of numbers from 0 to below `below`: labels, indices, flags."""
        return self.source(shape, lambda rng, shape: rng.integers(0, below, shape))

    def blob(self, *ranks, unrounded=False, fits=lambda shape: True, otherwise=None):
        """One of the blobs so far that has a rank of these (or any) and fits, or a new input."""
        found = [
            name
            for name, shape in self.shapes.items()
            if (len(shape) in ranks if ranks else shape)
            and prod(shape) <= LARGEST
            and fits(shape)
            and (name in self.unrounded or not unrounded)
        ]
        if found:
            # Mostly the newest, which makes the chains that folding shortens.
            return self.pick(found[-1], found[-1], *found)
        return self.source(otherwise or self.some_shape(*ranks))

    def some_shape(self, *ranks):
        rank = self.pick(*(rank for rank in ranks or (4, 2, 3, 5, 1) if rank))
        channels = self.pick(4, 8, 6)
        spatial = [self.number(4, 7 if rank < 5 else 5) for _ in range(rank - 2)]
        return (self.number(1, 3), channels, *spatial)[:rank]

    def like(self, name):
        """A blob of the same shape: maybe the same one."""
        same = [each for each, shape in self.shapes.items() if shape == self.shapes[name]]
        return self.pick(*same) if self.flag() else self.source(self.shapes[name])

    # Layers.

    def add(self, kind, *bottoms, tops=1, in_place=False, **params):
        """Add a layer; gives the names of its tops, which later layers may read."""
        number = len(self.layers)
        names = list(bottoms[:1]) if in_place else [f"b{number}_{index}" for index in range(tops)]
        message = LayerParameter(name=f"l{number}", type=kind, bottom=bottoms, top=names, **params)
        known = Net(NetParameter(layer=[*self.layers, message])).blobs
        self.layers.append(message)
        unrounded = kind in UNROUNDED and self.unrounded.issuperset(bottoms)
        self.unrounded.difference_update(names)
        self.unrounded.update(names if unrounded else [])
        self.shapes.update({name: known[name] for name in names})
        return names

    def add_neuron(self, kind, *ranks, bounded=False, **params):
        """A layer with one bottom, half the time in place; `bounded` puts it behind a TanH."""
        bottom = self.blob(*(ranks or range(6)), unrounded=kind == "Threshold")
        if bounded:
            bottom = self.add("TanH", bottom)[0]
        return self.add(kind, bottom, in_place=self.flag(), **params)

    def add_chosen(self, kind, *bottoms, axis=None, **options):
        """A layer whose tops nobody reads, with an axis as long as the data say."""
        for name in self.add(kind, *bottoms, **options):
            del self.shapes[name]
            if axis is not None:
                self.sizes_from_data[name] = axis


def random_params(net, rng):
    """Weights of all layers that keep values about as large as they are."""
    params = {}
    for layer in net.layers:
        blobs = [
            rng.normal(size=shape) / np.sqrt(max(1, prod(shape[1:])))
            for shape in layer.param_shapes
        ]
        statistics = {"BatchNorm": 1, "BN": 3, "SyncBN": 3}.get(layer.type, len(blobs))
        for index in range(statistics, len(blobs)):
            blobs[index] = rng.uniform(1, 3, layer.param_shapes[index])
        if blobs:
            params[layer.name] = [np.asarray(blob, np.float32) for blob in blobs]
    return params
