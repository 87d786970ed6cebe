"""What a built model offers: any batch, any size where that is possible, any blob, training."""

import keras
import numpy as np
import pytest

from zoo.api import run
from zoo.build.conventions import keras_name
from zoo.build.model import from_keras, to_keras
from zoo.errors import ShapeError, UnavailableError, UnsupportedLayersError, UsageError
from zoo.net import Net

FULLY_CONVOLUTIONAL = """
input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "fire/conv" type: "Convolution" bottom: "data" top: "fire/conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "fire/conv" top: "fire/conv" }
layer { name: "max" type: "Pooling" bottom: "fire/conv" top: "max"
        pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "ave" type: "Pooling" bottom: "fire/conv" top: "ave"
        pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "max" top: "up"
        convolution_param { num_output: 4 group: 4 kernel_size: 4 stride: 2 bias_term: false
                            weight_filler { type: "bilinear" } } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "ave" top: "score" crop_param { axis: 2 } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""
CLASSIFIER = """
input: "data" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 group: 2
                            weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "fc" type: "InnerProduct" bottom: "bn" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return Net.read(path).initialized(seed=7)

    return read


@pytest.fixture
def classifier(read):
    net = read(CLASSIFIER)
    rng = np.random.default_rng(0)
    mean, variance = rng.normal(size=4), rng.uniform(0.5, 1.5, 4)
    blobs = [np.float32(3 * mean), np.float32(3 * variance), np.float32([3])]
    return net.with_params({"bn": blobs})


def picture(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 17), (16, 31), (40, 9)])
def test_a_fully_convolutional_net_takes_any_size_as_caffe_would(read, height, width):
    net = read(FULLY_CONVOLUTIONAL)
    data = picture(2, 3, height, width)
    names = ["max", "ave", "prob"]
    free = run(net, {"data": data}, names)
    shaped = net.reshape({"data": data.shape})
    fixed = run(shaped, {"data": data}, names)
    for name in names:
        assert free[name].shape == shaped.blobs[name]
        assert np.array_equal(free[name], fixed[name])


def test_one_model_serves_sizes_that_are_not_known_when_it_is_compiled(read):
    net = read(FULLY_CONVOLUTIONAL)
    model = to_keras(net)
    for size in [(12, 12), (15, 18), (20, 11), (31, 31)]:
        data = picture(1, *size, 3)
        predicted = model.predict(data, verbose=0)
        direct = run(net, {"data": data.transpose(0, 3, 1, 2)})["prob"]
        np.testing.assert_allclose(predicted.transpose(0, 3, 1, 2), direct, atol=1e-6)


def test_a_net_with_a_classifier_keeps_its_size_and_takes_any_batch(classifier):
    assert to_keras(classifier).input_shape == (None, 6, 6, 2)
    assert run(classifier, {"data": picture(5, 2, 6, 6)})["fc"].shape == (5, 3)
    with pytest.raises(
        ShapeError, match=r"expected an array of shape \(1, 2, 6, 6\) with any batch"
    ):
        run(classifier, {"data": picture(1, 2, 7, 6)})
    with pytest.raises(ShapeError, match=r"received \(2, 6, 6\)"):
        run(classifier, {"data": picture(2, 6, 6)})


def test_the_part_before_the_classifier_takes_any_size(classifier):
    assert run(classifier, {"data": picture(1, 2, 9, 8)}, ["bn"])["bn"].shape == (1, 4, 7, 6)


def test_several_blobs_come_as_a_dict_and_one_alone(read):
    net = read(FULLY_CONVOLUTIONAL)
    model = to_keras(net, ["max", "fire/conv"])
    assert set(model(picture(1, 12, 12, 3))) == {"max", "fire/conv"}
    assert to_keras(net, ["max"]).output_shape == (None, None, None, 4)


def test_layers_are_found_by_their_names(read):
    model = to_keras(read(FULLY_CONVOLUTIONAL))
    assert model.get_layer(keras_name("fire/conv")).kernel.shape == (3, 3, 3, 4)


def test_an_in_place_layer_has_the_last_word(read):
    net = read(FULLY_CONVOLUTIONAL)
    assert run(net, {"data": picture(1, 3, 12, 12)}, ["fire/conv"])["fire/conv"].min() == 0


def test_a_blob_read_before_an_in_place_layer_has_its_old_value(read):
    net = read(
        'input: "data" input_shape { dim: 1 dim: 3 }\n'
        'layer { name: "copy" type: "Power" bottom: "data" top: "copy" }\n'
        'layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }\n'
    )
    values = np.float32([[-1, 2, -3]])
    outputs = run(net, {"data": values}, ["copy", "data"])
    assert outputs["copy"].tolist() == [[-1, 2, -3]]
    assert outputs["data"].tolist() == [[0, 2, 0]]


def test_an_input_may_be_a_single_number(read):
    net = read(
        'input: "data" input_shape { dim: 1 dim: 3 } input: "factor" input_shape { }\n'
        'layer { name: "s" type: "Scale" bottom: "data" bottom: "factor" top: "s"'
        " scale_param { axis: 0 } }\n"
    )
    data = picture(4, 3)
    np.testing.assert_allclose(run(net, {"data": data, "factor": 2.5})["s"], 2.5 * data)


def test_an_input_can_be_asked_for(read):
    net = read(CLASSIFIER)
    data = picture(1, 2, 6, 6)
    assert np.array_equal(run(net, {"data": data}, ["data"])["data"], data)


def test_a_saved_model_gives_the_same_numbers(read, tmp_path):
    net = read(FULLY_CONVOLUTIONAL)
    model = to_keras(net)
    model.save(tmp_path / "model.keras")
    data = picture(1, 12, 12, 3)
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(data), model(data))


def test_a_model_trains_and_its_weights_come_back(classifier):
    model = to_keras(classifier)
    data = picture(8, 6, 6, 2)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data, np.arange(8) % 3, verbose=0)
    trained = from_keras(classifier, model)
    assert not np.array_equal(trained.params["conv"][0], classifier.params["conv"][0])
    received = run(trained, {"data": data.transpose(0, 3, 1, 2)})["fc"]
    np.testing.assert_allclose(received, model(data), atol=1e-5)


def test_untrained_weights_come_back_as_they_went(classifier):
    again = from_keras(classifier, to_keras(classifier))
    for name, blobs in classifier.params.items():
        for index, blob in enumerate(blobs):
            np.testing.assert_array_equal(again.params[name][index], blob)


def test_weights_come_back_only_from_models_built_here(classifier):
    with pytest.raises(UsageError, match="not built by zoo"):
        from_keras(classifier, keras.Sequential())


def test_two_branches_share_their_weights(read):
    shared = 'param { name: "w" } param { name: "b" }'
    net = read(
        'input: "data" input_shape { dim: 1 dim: 2 } input: "pair" input_shape { dim: 1 dim: 2 }\n'
        f'layer {{ name: "a" type: "InnerProduct" bottom: "data" top: "a" {shared}'
        ' inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }\n'
        f'layer {{ name: "b" type: "InnerProduct" bottom: "pair" top: "b" {shared}'
        ' inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }\n'
    )
    model = to_keras(net)
    assert len(model.weights) == 2
    values = picture(4, 2)
    outputs = run(net, {"data": values, "pair": values})
    assert np.array_equal(outputs["a"], outputs["b"])


def test_all_unknown_kinds_are_named_at_once_before_anything_is_built(read):
    net = read(
        'input: "data" input_shape { dim: 1 dim: 2 }\n'
        'layer { name: "p1" type: "FlowWarp" bottom: "data" top: "p1" }\n'
        'layer { name: "p2" type: "FlowWarp" bottom: "p1" top: "p2" }\n'
        'layer { name: "r" type: "ReLUU" bottom: "p2" top: "r" }\n'
    )
    with pytest.raises(UnsupportedLayersError) as caught:
        to_keras(net)
    assert caught.value.kinds == {"FlowWarp": ["p1", "p2"], "ReLUU": ["r"]}
    assert "FlowWarp (2): 'p1', 'p2'" in str(caught.value)
    assert "ReLUU (1): 'r'; nearest: ReLU" in str(caught.value)


def test_a_blob_before_an_unknown_kind_can_still_be_had(read):
    net = read(
        'input: "data" input_shape { dim: 1 dim: 2 }\n'
        'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n'
        'layer { name: "p1" type: "FlowWarp" bottom: "relu" top: "p1" }\n'
    )
    assert run(net, {"data": [[-1, 1]]}, ["relu"])["relu"].tolist() == [[0, 1]]


def test_wrong_names_are_answered_with_the_nearest(classifier):
    with pytest.raises(UsageError, match="no blob is named 'convv'.*Did you mean conv"):
        run(classifier, {"data": picture(1, 2, 6, 6)}, ["convv"])
    with pytest.raises(UsageError, match="no input 'dta'.*Did you mean data"):
        run(classifier, {"dta": picture(1, 2, 6, 6)})
    with pytest.raises(UsageError, match="input 'data' of shape .* is missing"):
        run(classifier, {})


def test_a_device_that_is_not_there_is_said_with_what_was_looked_for(classifier):
    data = {"data": picture(1, 2, 6, 6)}
    on_cpu = run(classifier, data, device="cpu")["fc"]
    np.testing.assert_allclose(on_cpu, run(classifier, data)["fc"], atol=1e-6)
    with pytest.raises(UnavailableError, match="no device 'gpu:7': TensorFlow sees"):
        run(classifier, data, device="gpu:7")
    with pytest.raises(UsageError, match="device must be"):
        run(classifier, data, device="tpu")


def test_flattening_before_a_classifier_keeps_the_order_of_caffe(read):
    """A Flatten, a Reshape and a bare InnerProduct of one blob see its values as C, H, W."""
    fc = 'inner_product_param { num_output: 3 weight_filler { type: "gaussian" } }'
    net = read(
        'input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }\n'
        f'layer {{ name: "bare" type: "InnerProduct" bottom: "data" top: "bare" {fc} }}\n'
        'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }\n'
        f'layer {{ name: "flattened" type: "InnerProduct" bottom: "flat" top: "flattened" {fc} }}\n'
        'layer { name: "shaped" type: "Reshape" bottom: "data" top: "shaped"'
        " reshape_param { shape { dim: 0 dim: 6 dim: 4 } } }\n"
        f'layer {{ name: "reshaped" type: "InnerProduct" bottom: "shaped" top: "reshaped" {fc} }}\n'
    )
    names = ["bare", "flattened", "reshaped"]
    net = net.with_params(dict.fromkeys(names, net.params["bare"]))
    data = picture(2, 2, 3, 4)
    outputs = run(net, {"data": data}, names)
    expected = data.reshape(2, -1) @ net.params["bare"][0].T
    for name in names:
        np.testing.assert_allclose(outputs[name], expected, atol=1e-5)


def test_an_inner_product_over_later_axes_keeps_the_first(read):
    net = read(
        'input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"'
        ' inner_product_param { num_output: 5 axis: 2 weight_filler { type: "xavier" } } }\n'
    )
    data = picture(2, 2, 3, 4)
    expected = data.reshape(2, 2, 12) @ net.params["fc"][0].T
    np.testing.assert_allclose(run(net, {"data": data})["fc"], expected, atol=1e-5)


def test_a_picture_too_small_for_a_layer_is_refused_by_the_layers_name(read):
    net = read(FULLY_CONVOLUTIONAL)
    with pytest.raises(ShapeError, match="layer 'fire/conv': a kernel of"):
        run(net, {"data": picture(1, 3, 2, 12)})
    with pytest.raises(ShapeError, match="layer 'max'"):
        run(net, {"data": picture(1, 3, 3, 3)}, ["max"])
    assert run(net, {"data": picture(1, 3, 4, 4)}, ["fire/conv"])["fire/conv"].shape[2:] == (2, 2)


@pytest.mark.parametrize("name", ["", "_small", "<b>", "七", "-x", "a b"])
def test_a_network_and_its_layers_and_blobs_may_be_called_anything(read, name):
    net = read(f'name: "{name}"' + CLASSIFIER).initialized(0)
    assert run(net, {"data": np.zeros((1, 2, 6, 6), np.float32)})
    called = name or "x"
    layers = f"""
        input: "{called}" input_shape {{ dim: 1 dim: 2 }}
        layer {{ name: "{called}" type: "InnerProduct" bottom: "{called}" top: "{called} 2"
                inner_product_param {{ num_output: 3 }} }}
        layer {{ name: "{called}." type: "ReLU" bottom: "{called} 2" top: "{called} 2" }}"""
    net = read(layers).initialized(0)
    assert run(net, {called: np.zeros((1, 2), np.float32)})[f"{called} 2"].shape == (1, 3)
