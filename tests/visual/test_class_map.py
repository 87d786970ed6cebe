"""Grad-CAM against formulas worked out by hand."""

import numpy as np
import pytest

import zoo
from zoo.errors import NetError, UsageError
from zoo.visual import grad_cam

CONV = """\
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""
IP = """\
layer { name: "ip" type: "InnerProduct" bottom: "%s" top: "ip"
  inner_product_param { num_output: 2 } }
"""
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "%s" }\n'
POOL = """\
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE %s } }
"""
RNG = np.random.default_rng(5)
PICTURE = RNG.integers(0, 256, (8, 8), np.uint8)


def weights_of(*shapes):
    return [RNG.normal(0, 0.02, shape).astype(np.float32) for shape in shapes]


def model_of(make_model, layers, outputs=108):
    params = {"conv": weights_of((3, 1, 3, 3), 3), "ip": weights_of((2, outputs), 2)}
    return make_model(layers, params)


def values_of(model, blob):
    given = {"data": PICTURE[None, None].astype(np.float32)}
    return zoo.run(model.net, given, [blob])[blob][0].astype(np.float64)


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


@pytest.mark.parametrize("end", [SOFTMAX % "prob", SOFTMAX % "ip", ""])
@pytest.mark.parametrize("index", [0, 1])
def test_it_is_the_formula_with_the_values_behind_an_in_place_layer(make_model, end, index):
    model = model_of(make_model, CONV + IP % "conv" + end)
    maps = values_of(model, "conv")
    # The score is linear in the maps, so its gradient is a row of the weights.
    row = model.net.params["ip"][0][index].astype(np.float64).reshape(maps.shape)
    expected = np.maximum(np.tensordot(row.mean(axis=(1, 2)), maps, 1), 0)
    found = grad_cam(model, PICTURE, index)
    assert (found.blob, found.index, found.label) == ("conv", index, ["cat", "dog"][index])
    np.testing.assert_allclose(found.map, expected, rtol=1e-5, atol=1e-4)
    weights, biases = model.net.params["ip"]
    expected = softmax(weights.astype(np.float64) @ maps.ravel() + biases)[index]
    assert found.probability == pytest.approx(expected, rel=1e-4)


def test_with_global_pooling_it_is_cam_up_to_a_factor(make_model):
    model = model_of(
        make_model, CONV + POOL % "global_pooling: true" + IP % "pool" + SOFTMAX % "prob", 3
    )
    maps = values_of(model, "conv")
    for index in (0, 1):
        cam = np.tensordot(model.net.params["ip"][0][index].astype(np.float64), maps, 1)
        found = grad_cam(model, PICTURE, index)
        np.testing.assert_allclose(found.map * 36, np.maximum(cam, 0), rtol=1e-5, atol=1e-3)


def test_ways_that_part_and_meet_all_count(make_model):
    fork = """\
layer { name: "twice" type: "Power" bottom: "conv" top: "twice" power_param { scale: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "twice" top: "sum" }
"""
    model = model_of(make_model, CONV + fork + IP % "sum" + SOFTMAX % "prob")
    maps = values_of(model, "conv")
    row = 3 * model.net.params["ip"][0][1].astype(np.float64).reshape(maps.shape)
    found = grad_cam(model, PICTURE, "dog", blob="conv")
    np.testing.assert_allclose(found.weights, row.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        found.map, np.maximum(np.tensordot(row.mean(axis=(1, 2)), maps, 1), 0), rtol=1e-5, atol=1e-3
    )


def test_the_default_blob_is_the_last_that_no_pooling_made(make_model):
    model = model_of(
        make_model, CONV + POOL % "kernel_size: 2 stride: 2" + IP % "pool" + SOFTMAX % "prob", 27
    )
    assert grad_cam(model, PICTURE).blob == "conv"
    assert grad_cam(model, PICTURE, blob="pool").map.shape == (3, 3)
    assert grad_cam(model, PICTURE, blob="data").map.shape == (8, 8)


def test_the_most_important_box_is_the_region_of_the_largest_value(make_model):
    # One map that is the picture itself, and a class that it speaks for.
    layers = CONV.replace("num_output: 3 kernel_size: 3", "num_output: 1 kernel_size: 1")
    conv = [np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)]
    ip = [np.stack([np.ones(64), -np.ones(64)]).astype(np.float32), np.zeros(2, np.float32)]
    model = make_model(layers + IP % "conv" + SOFTMAX % "prob", {"conv": conv, "ip": ip})
    picture = np.zeros((8, 8), np.uint8)
    picture[1:3, 2:7] = 200
    picture[6, 0] = 190  # as bright nearly, but elsewhere
    found = grad_cam(model, picture, 0)
    assert found.place.to_dict() == {"left": 2, "top": 1, "width": 5, "height": 2}
    np.testing.assert_array_equal(found.picture[..., 0], picture)
    assert grad_cam(model, picture, 1).place is None


def test_it_comes_out_the_same_every_time(make_model):
    model = model_of(make_model, CONV + IP % "conv" + SOFTMAX % "prob")
    first, second = (grad_cam(model, PICTURE, 1).map for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_what_cannot_be_shown_says_why(make_model):
    text = CONV + IP % "conv" + SOFTMAX % "prob"
    other = 'layer { name: "aside" type: "AbsVal" bottom: "conv" top: "aside" }\n'
    model = model_of(make_model, text + other)
    with pytest.raises(NetError, match=r"blob 'ip' of shape \(1, 2\) has no rows.*such as 'conv'"):
        grad_cam(model, PICTURE, blob="ip")
    with pytest.raises(NetError, match="'prob', which has the classes, does not depend on.*aside"):
        grad_cam(model, PICTURE, blob="aside")
    with pytest.raises(UsageError, match="no blob is named 'convv'.*Did you mean conv?"):
        grad_cam(model, PICTURE, blob="convv")
    with pytest.raises(UsageError, match="there is no class 2: seeing has 2, from 0 to 1"):
        grad_cam(model, PICTURE, 2)
    with pytest.raises(UsageError, match="has no class 'dof'. Did you mean dog?"):
        grad_cam(model, PICTURE, "dof")


def test_a_net_of_vectors_has_no_place_to_show(make_model):
    model = make_model(
        'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }' + IP % "flat", {}
    )
    assert grad_cam(model, PICTURE).blob == "data"


@pytest.mark.parametrize(
    ("wanted", "index"), [("1", 1), (0, 0), ("TABBY, tabby cat", 0), ("tabby cat", 0), ("fox", 1)]
)
def test_a_class_has_a_number_and_names(make_model, wanted, index):
    text = CONV + IP % "conv" + SOFTMAX % "prob"
    model = model_of(make_model, text)
    model.labels = ["tabby, tabby cat", "kit fox, fox"]
    assert grad_cam(model, PICTURE, wanted).index == index
    model.labels = ["fox, cat", "fox, dog"]
    if wanted == "fox":
        with pytest.raises(UsageError, match="the name of the classes 0, 1"):
            grad_cam(model, PICTURE, wanted)
    model.labels = None
    if wanted == "fox":
        with pytest.raises(UsageError, match="has no labels; give the class as a number"):
            grad_cam(model, PICTURE, wanted)
