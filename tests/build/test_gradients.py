"""Which diffs a backward pass leaves where, against formulas in plain numpy."""

import keras
import numpy as np
import pytest

import zoo
from zoo.build.gradients import gradients, run_both_ways
from zoo.errors import NetError, ShapeError, UsageError

rng = np.random.default_rng(7)
DATA = 'input: "x" input_shape { dim: 4 dim: 3 }\n'
IP = 'type: "InnerProduct" inner_product_param { num_output: 3 %s}'


@pytest.fixture
def read(tmp_path):
    """A net of a definition, with weights from a normal distribution for all learned params."""

    def read(text, phase="test"):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        net = zoo.Net.read(path, phase=phase)
        fill = np.random.default_rng(3)
        params = {
            name: [fill.normal(size=blob.shape).astype(np.float32) for blob in blobs]
            for name, blobs in net.initialized().params.items()
        }
        return net.with_params(params)

    return read


def ip(name, bottom, top, more="", learning="bias_term: false "):
    return f'layer {{ name: "{name}" bottom: "{bottom}" top: "{top}" {IP % learning} {more} }}\n'


def euclidean(first, second, top="loss", more=""):
    return (
        f'layer {{ name: "{top or "loss"}" type: "EuclideanLoss" bottom: "{first}"'
        f' bottom: "{second}" {f"top: {chr(34)}{top}{chr(34)}" if top else ""} {more} }}\n'
    )


def layer(kind, bottoms, top, more=""):
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{top}/{kind}" type: "{kind}" {read} top: "{top}" {more} }}\n'


TARGET = DATA + 'input: "t" input_shape { dim: 4 dim: 3 }\n'


@pytest.fixture
def given():
    return {"x": rng.normal(size=(4, 3)), "t": rng.normal(size=(4, 3))}


def close(received, expected):
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


# Where gradients start.


def test_a_loss_starts_from_its_weight_and_reaches_the_params(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t", more="loss_weight: 3"))
    blobs, params = gradients(net, given)
    difference = given["x"] @ net.params["ip"][0].T - given["t"]
    close(blobs["loss"], 3.0)
    close(blobs["y"], 3 * difference / 4)
    close(params["ip"][0], (3 * difference / 4).T @ given["x"])


def test_a_loss_without_a_top_counts(read, given):
    named = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    unnamed = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t", top=""))
    blobs, params = gradients(unnamed, given)
    assert list(blobs) == ["x", "t", "y"]
    close(params["ip"][0], gradients(named, given)[1]["ip"][0])


def test_losses_add_up(read, given):
    text = TARGET + ip("ip", "x", "y") + euclidean("y", "t") + euclidean("y", "x", "other")
    net = read(text)
    blobs, _ = gradients(net, given)
    y = given["x"] @ net.params["ip"][0].T
    close(blobs["y"], (2 * y - given["t"] - given["x"]) / 4)


def test_any_top_with_a_loss_weight_is_a_loss(read, given):
    net = read(DATA + ip("ip", "x", "y", "loss_weight: 0.5"))
    _, params = gradients(net, {"x": given["x"]})
    close(params["ip"][0], 0.5 * np.ones((3, 4)) @ given["x"])


def test_a_diff_takes_the_place_of_a_loss_weight(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    once, twice = gradients(net, given), gradients(net, given, {"loss": 2.0})
    close(twice[0]["loss"], 2.0)
    close(twice[1]["ip"][0], 2 * once[1]["ip"][0])


def test_the_diff_of_a_blob_that_is_read_is_added(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    extra = rng.normal(size=(4, 3))
    close(gradients(net, given, {"y": extra})[0]["y"], gradients(net, given)[0]["y"] + extra)


def test_a_loss_weight_that_is_not_written_is_overwritten_by_a_reader(read, given):
    doubled = layer("Power", "loss", "twice", "power_param { scale: 2 } loss_weight: 1")
    text = TARGET + ip("ip", "x", "y") + euclidean("y", "t") + doubled
    close(gradients(read(text), given)[0]["loss"], 2.0)
    written = text.replace('top: "loss"', 'top: "loss" loss_weight: 1')
    close(gradients(read(written), given)[0]["loss"], 3.0)


def test_without_anything_to_start_from_the_outputs_are_named(read, given):
    net = read(DATA + ip("ip", "x", "y"))
    with pytest.raises(UsageError, match="no loss in phase TEST.*outputs are y"):
        gradients(net, {"x": given["x"]})


def test_diffs_that_do_not_fit_are_refused(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    with pytest.raises(ShapeError, match=r"'y'.*\(4, 3\); received \(4, 2\)"):
        gradients(net, given, {"y": np.ones((4, 2))})
    with pytest.raises(UsageError, match="no blob is named 'lost'.*Did you mean loss"):
        gradients(net, given, {"lost": 1.0})


def test_loss_weights_and_tops_must_be_as_many(read, given):
    net = read(TARGET + euclidean("x", "t", more="loss_weight: 1 loss_weight: 2"))
    with pytest.raises(NetError, match="'loss'.*each of the 1 tops, received 2"):
        gradients(net, given)


# Where they go.


def test_inputs_have_no_gradient_unless_it_is_forced(read, given):
    text = TARGET + ip("ip", "x", "y") + euclidean("y", "t")
    net = read(text)
    assert not gradients(net, given)[0]["x"].any()
    expected = gradients(net, given)[0]["y"] @ net.params["ip"][0]
    close(gradients(net, given, force_backward=True)[0]["x"], expected)
    close(gradients(read("force_backward: true " + text), given)[0]["x"], expected)


def test_a_net_without_losses_has_zeros_unless_it_is_forced(read, given):
    net, start = read(DATA + ip("ip", "x", "y")), {"y": np.ones((4, 3))}
    blobs, params = gradients(net, {"x": given["x"]}, start)
    close(blobs["y"], 1.0)
    assert not params["ip"][0].any()
    _, forced = gradients(net, {"x": given["x"]}, start, force_backward=True)
    close(forced["ip"][0], np.ones((3, 4)) @ given["x"])


def test_params_that_do_not_learn_have_zeros(read, given):
    frozen = "param { lr_mult: 0 } param { lr_mult: 1 }"
    net = read(TARGET + ip("ip", "x", "y", frozen, "") + euclidean("y", "t"))
    blobs, params = gradients(net, given)
    assert not params["ip"][0].any()
    close(params["ip"][1], blobs["y"].sum(0))
    assert gradients(net, given, force_backward=True)[1]["ip"][0].any()


def test_nothing_goes_behind_layers_that_do_not_learn(read, given):
    frozen = "param { lr_mult: 0 }"
    text = TARGET + ip("a", "x", "a", frozen) + ip("b", "a", "b") + euclidean("b", "t")
    blobs, params = gradients(read(text), given)
    assert not blobs["a"].any()
    assert blobs["b"].any()
    assert params["b"][0].any()


def test_propagate_down_false_stops_at_that_bottom(read, given):
    text = TARGET + ip("a", "x", "a") + ip("b", "x", "b")
    text += layer("Eltwise", "a b", "sum", "propagate_down: true propagate_down: false")
    blobs, params = gradients(read(text + euclidean("sum", "t")), given)
    close(blobs["a"], blobs["sum"])
    assert not blobs["b"].any()
    assert not params["b"][0].any()
    assert params["a"][0].any()


def test_propagate_down_true_reaches_an_input(read, given):
    net = read(TARGET + ip("ip", "x", "y", "propagate_down: true") + euclidean("y", "t"))
    blobs, _ = gradients(net, given)
    close(blobs["x"], blobs["y"] @ net.params["ip"][0])


def test_propagate_down_is_stated_for_every_bottom(read, given):
    net = read(TARGET + euclidean("x", "t", more="propagate_down: true"))
    with pytest.raises(NetError, match="each of the 2 bottoms, received 1"):
        gradients(net, given)


def test_force_backward_overrules_propagate_down(read, given):
    text = TARGET + ip("ip", "x", "y", "propagate_down: false") + euclidean("y", "t")
    assert gradients(read(text), given, force_backward=True)[0]["x"].any()


def test_labels_have_no_diff_at_all(read):
    text = DATA + 'input: "label" input_shape { dim: 4 }\n' + ip("ip", "x", "y")
    text += layer("SoftmaxWithLoss", "y label", "loss") + layer("Accuracy", "y label", "acc")
    inputs = {"x": rng.normal(size=(4, 3)), "label": [0, 1, 2, 0]}
    blobs, _ = gradients(read(text), inputs, force_backward=True)
    assert "label" not in blobs
    assert set(blobs) == {"x", "y", "loss"}


def test_only_the_inputs_that_losses_need_must_be_given(read):
    text = DATA + 'input: "label" input_shape { dim: 4 }\n' + ip("ip", "x", "y", "loss_weight: 1")
    text += layer("Accuracy", "y label", "acc")
    assert gradients(read(text), {"x": rng.normal(size=(4, 3))})[1]["ip"][0].any()


# How they add up.


def test_a_blob_read_twice_has_the_sum(read, given):
    text = "force_backward: true " + DATA
    text += layer("TanH", "x", "a") + layer("Power", "x", "b", "power_param { scale: 3 }")
    starts = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 3))}
    blobs, _ = gradients(read(text), {"x": given["x"]}, starts)
    close(blobs["x"], starts["a"] * (1 - np.tanh(given["x"]) ** 2) + 3 * starts["b"])


def test_copies_of_a_blob_have_diffs_of_their_own(read, given):
    text = "force_backward: true " + DATA
    text += 'layer { name: "s" type: "Split" bottom: "x" top: "a" top: "b" }\n'
    text += layer("Power", "a", "twice", "power_param { scale: 2 }")
    starts = {"twice": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 3))}
    blobs, _ = gradients(read(text), {"x": given["x"]}, starts)
    close(blobs["a"], 2 * starts["twice"])
    close(blobs["b"], starts["b"])
    close(blobs["x"], 2 * starts["twice"] + starts["b"])


def test_a_blob_written_in_place_has_the_diff_of_its_first_value(read, given):
    text = "force_backward: true " + DATA + ip("ip", "x", "y")
    text += layer("ReLU", "y", "y") + layer("Power", "y", "y", "power_param { scale: 5 }")
    net, start = read(text), rng.normal(size=(4, 3))
    blobs, params = gradients(net, {"x": given["x"]}, {"y": start})
    expected = 5 * start * (given["x"] @ net.params["ip"][0].T > 0)
    close(blobs["y"], expected)
    close(params["ip"][0], expected.T @ given["x"])


def test_an_input_written_in_place_keeps_the_first_diff_that_is_computed(read, given):
    scale = layer("Scale", "x", "x", "scale_param { axis: 1 }")
    net = read(TARGET + scale + ip("ip", "x", "y") + euclidean("y", "t"))
    blobs, params = gradients(net, given)
    close(blobs["x"], blobs["y"] @ net.params["ip"][0])
    close(params["x/Scale"][0], (blobs["x"] * given["x"]).sum(0))


def test_layers_that_share_params_all_have_the_sum(read, given):
    shared = 'param { name: "w" }'
    text = "force_backward: true " + TARGET + ip("a", "x", "a", shared) + ip("b", "t", "b", shared)
    starts = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 3))}
    _, params = gradients(read(text), given, starts)
    expected = starts["a"].T @ given["x"] + starts["b"].T @ given["t"]
    close(params["a"][0], expected)
    close(params["b"][0], expected)


def test_of_params_that_are_shared_in_part_only_those_have_the_sum(read, given):
    text = "force_backward: true " + TARGET
    text += ip("a", "x", "a", 'param { name: "w" }', "")
    text += ip("b", "t", "b", 'param { name: "w" }', "")
    starts = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 3))}
    _, params = gradients(read(text), given, starts)
    close(params["a"][0], starts["a"].T @ given["x"] + starts["b"].T @ given["t"])
    close(params["b"][0], params["a"][0])
    close(params["a"][1], starts["a"].sum(0))
    close(params["b"][1], starts["b"].sum(0))


def test_weights_are_shared_between_layers_of_other_layouts(read):
    text = 'force_backward: true input: "x" input_shape { dim: 2 dim: 3 dim: 1 dim: 1 }\n'
    text += (
        'layer { name: "c" type: "Convolution" bottom: "x" top: "c" param { name: "w"'
        " share_mode: PERMISSIVE } convolution_param { num_output: 3 kernel_size: 1"
        " bias_term: false } }\n"
    )
    text += ip("i", "x", "i", 'param { name: "w" share_mode: PERMISSIVE }')
    data = rng.normal(size=(2, 3, 1, 1))
    starts = {"c": rng.normal(size=(2, 3, 1, 1)), "i": rng.normal(size=(2, 3))}
    _, params = gradients(read(text), {"x": data}, starts)
    expected = (starts["c"][:, :, 0, 0] + starts["i"]).T @ data[:, :, 0, 0]
    close(params["i"][0], expected)
    close(params["c"][0], expected.reshape(3, 3, 1, 1))


# What the phase does, and the rest.


def test_dropout_in_training_has_the_gradient_of_its_own_forward_pass(read):
    text = "force_backward: true " + DATA.replace("dim: 4", "dim: 400") + layer("Dropout", "x", "y")
    net, data = read(text, "train"), np.ones((400, 3))
    found = run_both_ways(net, {"x": data}, {"y": data})
    close(found.blobs["x"], found.values["y"])
    assert 0.4 < (found.values["y"] == 0).mean() < 0.6
    close(gradients(read(text), {"x": data}, {"y": data})[0]["x"], data)


def test_batch_norm_in_training_goes_back_through_the_statistics(read, given):
    text = "force_backward: true " + DATA + layer("BatchNorm", "x", "y")
    start = {"y": rng.normal(size=(4, 3))}
    blobs, params = gradients(read(text, "train"), {"x": given["x"]}, start)
    close(blobs["x"].sum(0), np.zeros(3))
    assert not any(diff.any() for diff in params["y/BatchNorm"])


def test_any_batch_can_be_run(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    whole = gradients(net, given)[1]["ip"][0]
    halves = [
        gradients(net, {name: array[rows] for name, array in given.items()})[1]["ip"][0]
        for rows in (slice(0, 2), slice(2, 4))
    ]
    close(whole, (halves[0] + halves[1]) / 2)


def test_diffs_of_pictures_are_in_caffes_order(read):
    text = 'force_backward: true input: "x" input_shape { dim: 2 dim: 3 dim: 4 dim: 5 }\n'
    text += layer("Power", "x", "y", "power_param { scale: 2 }")
    start = rng.normal(size=(2, 3, 4, 5))
    close(gradients(read(text), {"x": start}, {"y": start})[0]["x"], 2 * start)


def test_a_second_run_changes_nothing(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"), "train")
    before = [blob.copy() for blob in net.params["ip"]]
    first, second = gradients(net, given), gradients(net, given)
    np.testing.assert_array_equal(first[1]["ip"][0], second[1]["ip"][0])
    np.testing.assert_array_equal(net.params["ip"][0], before[0])


def test_values_come_from_the_same_pass(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    found = run_both_ways(net, given, values=["y", "loss"])
    expected = zoo.run(net, given, ["y", "loss"])
    assert list(found.values) == ["y", "loss"]
    close(found.values["y"], expected["y"])
    close(found.values["loss"], expected["loss"])


def test_the_weights_of_a_keras_model_have_the_same_gradient(read, given):
    net = read(TARGET + ip("ip", "x", "y") + euclidean("y", "t"))
    import tensorflow as tf

    model = zoo.to_keras(net)
    with tf.GradientTape() as tape:
        loss = model({name: keras.ops.convert_to_tensor(a) for name, a in given.items()})
    (expected,) = tape.gradient(loss, [model.trainable_variables[0].value])
    close(gradients(net, given)[1]["ip"][0], np.asarray(expected).T)
