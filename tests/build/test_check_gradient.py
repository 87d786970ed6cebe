"""The gradient checker: right gradients pass, wrong ones are found, whatever the layer is."""

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from zoo.build.check_gradient import check_gradients
from zoo.errors import ShapeError, UnsupportedLayersError, UsageError
from zoo.layers.kind import Kind

DATA = 'input: "x" input_shape { dim: 2 dim: 3 dim: 6 dim: 6 }\n'


@pytest.fixture
def read(tmp_path):
    def read(text, phase="test"):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return zoo.Net.read(path, phase=phase)

    return read


def layer(name, kind, bottoms, top, more=""):
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top}" {more} }}\n'


WHOLE = (
    DATA
    + 'input: "label" input_shape { dim: 2 }\n'
    + layer("conv", "Convolution", "x", "c", "convolution_param { num_output: 4 kernel_size: 3 }")
    + layer("norm", "BatchNorm", "c", "c")
    + layer("relu", "ReLU", "c", "c")
    + layer("pool", "Pooling", "c", "p", "pooling_param { kernel_size: 3 stride: 1 }")
    + layer("drop", "Dropout", "p", "p")
    + layer("ip", "InnerProduct", "p", "ip", "inner_product_param { num_output: 5 }")
    + layer("loss", "SoftmaxWithLoss", "ip label", "loss")
    + layer("accuracy", "Accuracy", "ip label", "accuracy")
)


class Cube(keras.layers.Layer):
    """x * x * x, with a gradient that a factor can spoil."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        @ops.custom_gradient
        def cube(x):
            return x * x * x, lambda upstream: self.factor * 3 * x * x * upstream

        return cube(inputs)


@pytest.fixture
def cubes(kinds_restored):
    """Kinds Cube and SpoiledCube, the second with a gradient that is 2 % too large."""

    @zoo.layer("Cube")
    class _Right(Kind):
        factor = 1.0

        def build(self, site):
            return site.elementwise(Cube(self.factor, name=site.name))

    @zoo.layer("SpoiledCube")
    class _Wrong(_Right):
        factor = 1.02


@pytest.mark.parametrize("phase", ["test", "train"])
def test_all_layers_of_a_network_pass(read, phase):
    checks = check_gradients(read(WHOLE, phase), points=10)
    assert all(check.passed for check in checks), checks
    parts = [(check.layer, check.part, check.index) for check in checks]
    assert parts == [
        ("conv", "bottom", 0),
        ("conv", "param", 0),
        ("conv", "param", 1),
        ("norm", "bottom", 0),
        ("relu", "bottom", 0),
        ("pool", "bottom", 0),
        ("drop", "bottom", 0),
        ("ip", "bottom", 0),
        ("ip", "param", 0),
        ("ip", "param", 1),
        ("loss", "bottom", 0),
    ]
    assert {check.checked for check in checks} == {10, 4, 5}


def test_a_wrong_gradient_is_found_and_a_right_one_is_not(read, cubes):
    net = read(DATA + layer("good", "Cube", "x", "a") + layer("bad", "SpoiledCube", "a", "b"))
    good, bad = check_gradients(net)
    assert good.passed
    assert not bad.passed
    assert (bad.layer, bad.type, bad.blob) == ("bad", "SpoiledCube", "a")
    assert bad.difference == pytest.approx(0.02 / 1.02, abs=2e-3)
    assert bad.computed == pytest.approx(1.02 * bad.estimated, rel=2e-2)
    assert len(bad.place) == 4


def test_a_gradient_of_zero_is_found(read, kinds_restored):
    @zoo.layer("Stopped")
    class _Stopped(Kind):
        def build(self, site):
            return site.elementwise(keras.layers.Lambda(ops.stop_gradient, name=site.name))

    assert not check_gradients(read(DATA + layer("s", "Stopped", "x", "y")))[0].passed


def test_a_wrong_gradient_of_a_param_is_found(read, kinds_restored):
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(name="factor", shape=(1,))

        def call(self, inputs):
            return inputs * (2 * ops.stop_gradient(self.factor) - self.factor)

    @zoo.layer("Wrong")
    class _Wrong(Kind):
        def params(self, layer, bottoms):
            return [(1,)]

        def build(self, site):
            return site.elementwise(site.weighted(lambda: Scaled(name=site.name), list, list))

    bottom, param = check_gradients(read(DATA + layer("w", "Wrong", "x", "y")))
    assert bottom.passed
    assert (param.part, param.index, param.passed) == ("param", 0, False)


@pytest.mark.parametrize(
    "text",
    [
        layer("l", "Log", "x", "y", "log_param { base: 10 scale: 2 shift: 3 }"),
        layer("l", "Power", "x", "y", "power_param { power: -1.5 scale: -2 shift: 1 }"),
        layer("l", "Eltwise", "x x", "y", "eltwise_param { operation: MAX }"),
        layer("l", "Pooling", "x", "y", "pooling_param { kernel_size: 4 stride: 1 }"),
        layer("l", "Pooling", "x", "y", "pooling_param { kernel_size: 2 }")
        .replace('top: "y"', 'top: "y" top: "mask"'),
        layer("l", "PReLU", "x", "x"),
        layer("l", "LRN", "x", "y", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }"),
        layer("l", "MVN", "x", "y"),
        layer("l", "Reduction", "x", "y", "reduction_param { operation: ASUM axis: 1 }"),
        layer("l", "Scale", "x", "y", "param { lr_mult: 0 } propagate_down: false"),
    ],
)  # fmt: skip
def test_layers_with_kinks_or_of_limited_range_pass(read, text):
    checks = check_gradients(read(DATA + text))
    assert checks
    assert all(check.passed for check in checks), checks


def test_values_near_a_named_kink_are_left_out(read):
    text = DATA.replace("dim: 6", "dim: 1") + layer("r", "ReLU", "x", "y")
    values = np.array([[0.001, 0.5, -0.009], [-0.3, 0.0, 2.0]]).reshape(2, 3, 1, 1)
    (near,) = check_gradients(read(text), inputs={"x": values}, kink=0.0)
    assert near.checked == 3
    assert check_gradients(read(text), inputs={"x": values})[0].checked == 6


def test_given_values_are_used_and_must_fit(read):
    net = read(DATA + layer("a", "Power", "x", "y", "power_param { power: 0.5 }"))
    positive = np.full((2, 3, 6, 6), 4.0)
    (check,) = check_gradients(net, inputs={"x": positive})
    assert abs(check.estimated) <= 0.26
    assert check.passed
    with pytest.raises(ShapeError, match="'x' needs an array of shape"):
        check_gradients(net, inputs={"x": positive[:1]})
    with pytest.raises(UsageError, match="no such blob"):
        check_gradients(net, inputs={"z": positive})


def test_layers_can_be_chosen_and_give_the_same_as_among_others(read):
    net = read(WHOLE)
    among = [check for check in check_gradients(net, points=5) if check.layer == "ip"]
    assert check_gradients(net, ["ip"], points=5) == among
    with pytest.raises(UsageError, match="'accuracy' .Accuracy. has no gradient to check"):
        check_gradients(net, ["accuracy"])


def test_unknown_kinds_are_named(read):
    net = read(DATA + layer("u", "FlowWarp", "x", "y") + layer("r", "ReLU", "x", "z"))
    assert check_gradients(net, ["r"])[0].passed
    with pytest.raises(UnsupportedLayersError, match="FlowWarp"):
        check_gradients(net)


def test_the_net_keeps_its_weights(read):
    net = read(WHOLE).initialized()
    before = {name: [blob.copy() for blob in blobs] for name, blobs in net.params.items()}
    check_gradients(net, ["conv", "norm"], points=3)
    for name, blobs in before.items():
        for blob, kept in zip(blobs, net.params[name], strict=True):
            np.testing.assert_array_equal(blob, kept)
