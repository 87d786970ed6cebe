"""Params shared by name: whole layers, single blobs, and blobs whose counts alone agree."""

import keras
import numpy as np
import pytest

from zoo.api import run
from zoo.build.model import from_keras, to_keras
from zoo.net import Net

RNG = np.random.default_rng(19)


@pytest.fixture
def read(tmp_path):
    def read(text, phase="test"):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return Net.read(path, phase=phase)

    return read


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def layer(name, type_name, bottom, params, settings=""):
    named = " ".join(
        f'param {{ name: "{param}" {mode} }}'
        for param, _, mode in (word.partition(" ") for word in params)
    )
    return (
        f'layer {{ name: "{name}" type: "{type_name}" bottom: "{bottom}" top: "{name}" {named}'
        f" {settings} }}\n"
    )


def data(*sizes, name="data"):
    dims = " ".join(f"dim: {size}" for size in sizes)
    shape = f"input_param {{ shape {{ {dims} }} }}"
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" {shape} }}\n'


def convolution(name, bottom, params, settings):
    return layer(
        name, "Convolution", bottom, params,
        f"convolution_param {{ num_output: 4 kernel_size: 3 {settings} }}",
    )  # fmt: skip


def fully_connected(name, bottom, params, settings="num_output: 3"):
    return layer(name, "InnerProduct", bottom, params, f"inner_product_param {{ {settings} }}")


def three_convolutions(*params):
    settings = ("stride: 1", "stride: 2 pad: 1", "dilation: 2")
    return data(1, 2, 9, 8) + "".join(
        convolution(name, "data", names, setting)
        for name, names, setting in zip(("one", "two", "three"), params, settings, strict=True)
    )


SHARED = three_convolutions(["w", "b1"], ["w", "b2"], ["w", "b1"])


def test_layers_of_other_settings_share_single_blobs(read):
    weight, biases = values(4, 2, 3, 3), [values(4), values(4)]
    net = read(SHARED).with_params(
        {"one": [weight, biases[0]], "two": [weight, biases[1]], "three": [weight, biases[0]]}
    )
    alone = read(three_convolutions([], [], [])).with_params(net.params)
    x = values(2, 2, 9, 8)
    for name, top in run(alone, {"data": x}).items():
        np.testing.assert_allclose(run(net, {"data": x}, [name])[name], top, atol=1e-5)
    # One weight, the bias of two layers, and the bias of the layer in between.
    assert sum(weight.shape.num_elements() for weight in to_keras(net).weights) == 72 + 4 + 4


def test_a_shared_blob_stays_one_when_the_model_is_saved_and_trained(read, tmp_path):
    net = read(SHARED).initialized()
    model = to_keras(net)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = values(2, 9, 8, 2)
    for name, top in model(x).items():
        np.testing.assert_array_equal(again(x)[name], top)
    assert len(again.weights) == len(model.weights) == 3
    model.compile("sgd", dict.fromkeys(model.output, "mse"))
    model.fit(x, {name: values(*top.shape) for name, top in model(x).items()}, verbose=0)
    params = from_keras(net, model).params
    assert not np.array_equal(params["one"][0], net.params["one"][0])
    np.testing.assert_array_equal(params["one"][0], params["two"][0])
    np.testing.assert_array_equal(params["one"][1], params["three"][1])
    trained = run(from_keras(net, model), {"data": np.moveaxis(x, -1, 1)}, ["three"])["three"]
    np.testing.assert_allclose(np.moveaxis(trained, 1, -1), model(x)["three"], atol=1e-5)


def test_counts_are_enough_where_the_definition_says_so(read):
    """A 1x1 convolution, a fully connected layer and a Parameter read the same twelve values."""
    weight = values(3, 4, 1, 1)
    net = read(
        data(1, 4, 1, 1)
        + layer("conv", "Convolution", "data", ["w"],
                "convolution_param { num_output: 3 kernel_size: 1 bias_term: false }")
        + fully_connected("fc", "data", ["w share_mode: PERMISSIVE"],
                          "num_output: 3 bias_term: false")
        + fully_connected("turned", "data", ["w share_mode: PERMISSIVE"],
                          "num_output: 3 bias_term: false transpose: true")
        + 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 12 } }'
        ' param { name: "w" share_mode: PERMISSIVE } }\n'
    )  # fmt: skip
    shapes = {name: shapes[0] for name, shapes in net.param_shapes.items()}
    net = net.with_params({name: [weight.reshape(shape)] for name, shape in shapes.items()})
    x = values(5, 4, 1, 1)
    tops = run(net, {"data": x})
    flat, matrix = x.reshape(5, 4), weight.reshape(3, 4)
    np.testing.assert_allclose(tops["conv"][..., 0, 0], flat @ matrix.T, atol=1e-5)
    np.testing.assert_allclose(tops["fc"], flat @ matrix.T, atol=1e-5)
    np.testing.assert_allclose(tops["turned"], flat @ weight.reshape(4, 3), atol=1e-5)
    np.testing.assert_array_equal(tops["p"], weight.reshape(12))
    assert len(to_keras(net).weights) == 1


def test_what_the_owner_computes_need_not_be_wanted(read):
    net = read(
        data(1, 2)
        + fully_connected("a", "data", ["w", "b"])
        + fully_connected("b", "data", ["w", "b"])
        + fully_connected("c", "b", ["", "b"])
    ).initialized(seed=3)
    x = values(4, 2)
    weight, bias = net.params["a"]
    expected = (x @ weight.T + bias) @ net.params["c"][0].T + bias
    np.testing.assert_allclose(run(net, {"data": x}, ["c"])["c"], expected, atol=1e-5)


def test_one_layer_may_use_a_blob_twice(read):
    net = read(
        data(1, 3)
        + layer("s", "Scale", "data", ["both", "both"], "scale_param { bias_term: true }")
    ).with_params({"s": [np.float32([1, 2, 3])] * 2})
    x = values(4, 3)
    np.testing.assert_allclose(run(net, {"data": x})["s"], (x + 1) * [1, 2, 3], atol=1e-5)
    assert len(to_keras(net).weights) == 1


@pytest.mark.parametrize(
    ("kind", "settings", "params"),
    [
        ("Scale", "", [values(2)]),
        ("PReLU", "", [values(2)]),
        ("BatchNorm", "", [values(2), np.abs(values(2)), np.ones(1, np.float32)]),
        ("InnerProduct", "inner_product_param { num_output: 5 bias_term: false }", [values(5, 24)]),
    ],
)
def test_twins_may_read_blobs_that_lie_in_other_orders(read, kind, settings, params):
    """The branches hold the same values, one in the order that a Reshape leaves."""
    names = [f"p{index}" for index in range(len(params))]
    net = read(
        data(1, 24, name="flat")
        + data(1, 2, 3, 4, name="map")
        + layer("turned", "Reshape", "flat", [],
                "reshape_param { shape { dim: 0 dim: 2 dim: 3 dim: 4 } }")
        + layer("one", kind, "map", names, settings)
        + layer("two", kind, "turned", names, settings)
    ).with_params({"one": params, "two": params})  # fmt: skip
    x = values(3, 2, 3, 4)
    tops = run(net, {"flat": x.reshape(3, 24), "map": x})
    np.testing.assert_allclose(tops["one"], tops["two"], atol=1e-5)
    model = to_keras(net)
    assert sum(type(made).__name__ == type(model.get_layer("one")).__name__
               for made in model.layers) == 1  # fmt: skip


def test_an_inner_product_of_a_flat_and_of_a_spatial_blob_share_a_weight(read):
    net = read(
        data(1, 2, 3, 4)
        + layer("flat", "Flatten", "data", [])
        + fully_connected("one", "data", ["w", "b"])
        + fully_connected("two", "flat", ["w", "b"])
    ).initialized(seed=1)
    net = net.with_params(dict.fromkeys(["one", "two"], [values(3, 24), values(3)]))
    tops = run(net, {"data": values(3, 2, 3, 4)}, ["one", "two"])
    np.testing.assert_allclose(tops["one"], tops["two"], atol=1e-5)


def test_twins_that_normalise_keep_one_set_of_averages(read):
    shared = ["m", "v", "f"]
    net = read(
        data(1, 2, name="a") + data(1, 2, name="b")
        + layer("one", "BatchNorm", "a", shared) + layer("two", "BatchNorm", "b", shared),
        phase="train",
    ).initialized()  # fmt: skip
    model = to_keras(net)
    first, second = values(4, 2), values(4, 2)
    model({"a": first, "b": second}, training=True)
    means, _, factor = from_keras(net, model).params["two"]
    # Which of two branches is computed first is the backend's choice.
    orders = [0.999 * a.mean(0) + b.mean(0) for a, b in ((first, second), (second, first))]
    assert any(np.allclose(means, order, rtol=1e-4) for order in orders)
    np.testing.assert_allclose(factor, [1.999], rtol=1e-6)


def test_averages_shared_with_other_settings_are_not_trained(read):
    shared = ["m", "v", "f"]
    net = read(
        data(1, 2)
        + layer("one", "BatchNorm", "data", shared)
        + layer("two", "BatchNorm", "data", shared, "batch_norm_param { eps: 0.1 }")
    )
    params = [np.float32([1, 2]), np.float32([3, 4]), np.float32([1])]
    net = net.with_params({"one": params, "two": params})
    x = values(4, 2)
    tops = run(net, {"data": x})
    np.testing.assert_allclose(tops["two"], (x - [1, 2]) / np.sqrt(np.float32([3.1, 4.1])), 1e-5)
    with pytest.raises(ValueError, match="shares running averages with a layer of other settings"):
        to_keras(net)(x, training=True)
