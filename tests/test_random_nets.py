"""Random small nets: inferred shapes are those of the arrays, folding and files change nothing."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from growing_net import BLOCKS
from hypothesis import HealthCheck, Phase, given, settings
from numpy_shapes import SHAPES
from random_nets import random_nets
from reference import excess

from zoo.api import run
from zoo.build.predict import Predictor
from zoo.caffe.read import parse_definition
from zoo.errors import UsageError
from zoo.layers.kind import kind_name, known_types, lookup
from zoo.net import Net

# Keras finds a softmax over one value odd.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
TOLERANCE = 1e-5
FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
WITHOUT_BLOCK = {"MultiBoxLoss"}  # which has no forward pass here


def check(sample):
    """One plain build gives all blobs; the folded one and the one from files must agree with it."""
    net, inputs = sample.net, sample.inputs
    keras.backend.clear_session()
    plain = Predictor(net, list(net.blobs))(inputs)
    check_shapes(sample, plain)
    some = [str(sample.rng.choice(list(net.blobs)))]
    outputs = net.outputs or list(net.blobs)[-1:]
    check_values(run(net, inputs, sorted({*outputs, *some})), plain)
    again = reread(net)
    assert again.definition == net.definition
    assert again.blobs == net.blobs
    for name, blobs in net.params.items():
        for received, expected in zip(again.params[name], blobs, strict=True):
            np.testing.assert_array_equal(received, expected)
    check_values(run(again, inputs, outputs), plain)


def check_shapes(sample, arrays):
    """Shapes that the Net states are those of the arrays, and those that numpy gives."""
    assert list(arrays) == list(sample.net.blobs)
    for name, shape in sample.net.blobs.items():
        received = list(arrays[name].shape)
        if name in sample.sizes_from_data:
            axis = sample.sizes_from_data[name]
            received[axis] = shape[axis]
        assert tuple(received) == shape, name
    for layer in sample.net.layers:
        if kind_name(layer.definition) in SHAPES:
            bottoms = [np.zeros(shape, np.float32) for shape in layer.bottom_shapes]
            expected = SHAPES[kind_name(layer.definition)](layer, *bottoms)
            assert list(layer.top_shapes) == [tuple(map(int, each)) for each in expected], layer


def check_values(received, expected):
    for name, value in received.items():
        assert excess(value, expected[name], TOLERANCE) <= 1, name


def reread(net):
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "net.prototxt"), Path(folder, "net.caffemodel")
        net.save(*files)
        return Net.read(*files)


@settings(FIXED, max_examples=12)
@given(random_nets())
def test_random_nets_compute_the_same_plain_folded_and_from_files(sample):
    check(sample)


@pytest.mark.slow
@settings(FIXED, max_examples=500)
@given(random_nets())
def test_many_random_nets_compute_the_same_plain_folded_and_from_files(sample):
    check(sample)


def test_random_nets_are_of_all_kinds_that_arrays_can_run():
    """Whoever adds a kind adds how to draw it."""
    sources = {name for name in known_types() if lookup(name).is_source}
    assert set(BLOCKS) == set(known_types()) - sources - WITHOUT_BLOCK
    for kind in BLOCKS:
        drawn = set()

        @settings(FIXED, max_examples=4)
        @given(random_nets([kind]))
        def draw(sample):
            drawn.update(kind_name(layer.definition) for layer in sample.net.layers)  # noqa: B023

        draw()
        assert kind in drawn


def test_a_net_of_which_nothing_is_left_to_give_out_says_so():
    net = Net(
        parse_definition("""
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }
        layer { name: "silence" type: "Silence" bottom: "data" }""")
    )
    with pytest.raises(UsageError, match="no blobs to give out.*some layer reads every blob"):
        run(net, {"data": np.zeros(1)})
