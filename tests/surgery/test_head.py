"""A new classifier in the place of the old one."""

import numpy as np
import pytest
from google.protobuf import text_format

import zoo
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import UsageError
from zoo.surgery.head import before_head, replace_head

SQUEEZED = """
name: "squeezed"
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "last" type: "Convolution" bottom: "conv" top: "last"
        convolution_param { num_output: 7 kernel_size: 1 pad: 1 } }
layer { name: "relu" type: "ReLU" bottom: "last" top: "last" }
layer { name: "pool" type: "Pooling" bottom: "last" top: "pool"
        pooling_param { pool: AVE global_pooling: true } }
"""


def net_of(text):
    return zoo.Net(text_format.Parse(text, NetParameter())).initialized(1)


def test_only_the_new_layer_has_other_weights():
    old = zoo.load("lenet_digits").net
    new, head = replace_head(old, classes=20, seed=3)
    assert (head.layer, head.replaced, head.features, head.scores) == (
        "ip2_20",
        "ip2",
        "ip1",
        "ip2",
    )
    assert new.params["ip2_20"][0].shape == (20, 64)
    assert not new.params["ip2_20"][1].any()
    for name in set(old.params) - {"ip2"}:
        for one, other in zip(old.params[name], new.params[name], strict=True):
            np.testing.assert_array_equal(one, other)
    rates = [spec.lr_mult for spec in new.layer("ip2_20").definition.param]
    assert rates == [10, 20]
    assert "ip2" in old.params


def test_a_relu_behind_the_classifier_is_removed_and_reported():
    new, head = replace_head(net_of(SQUEEZED), classes=3)
    assert head.averaged
    assert "relu" not in [layer.name for layer in new.layers]
    assert any("relu" in change and "ReLU" in change for change in head.changes)
    assert new.blobs["pool"] == (1, 3, 1, 1)


def test_the_classifier_of_a_squeezed_net_is_linear_in_averaged_features():
    new, head = replace_head(net_of(SQUEEZED), classes=3)
    picture = np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype(np.float32)
    features = zoo.run(before_head(new, head), {"data": picture})[head.features].mean(axis=(2, 3))
    weights, biases = new.params[head.layer]
    scores = features @ weights[:, :, 0, 0].T + biases
    found = zoo.run(new, {"data": picture})["pool"][:, :, 0, 0]
    np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-5)


def test_ends_that_do_not_lead_to_the_scores_are_left_out():
    aside = """layer { name: "aside" type: "InnerProduct" bottom: "conv" top: "aside"
        inner_product_param { num_output: 7 } }"""
    text = SQUEEZED.replace('layer { name: "last"', aside + '\nlayer { name: "last"')
    new, head = replace_head(net_of(text), classes=3)
    assert "aside" not in new.params
    assert any("aside" in change for change in head.changes)


def test_a_sigmoid_becomes_a_softmax():
    text = SQUEEZED + 'layer { name: "out" type: "Sigmoid" bottom: "pool" top: "out" }'
    new, head = replace_head(net_of(text), classes=3)
    assert new.layer("out").type == "Softmax"
    assert head.scores == "pool"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 1}, "2 or more"),
        ({"classes": 2**31}, "at most 2147483647"),
        ({"classes": 3, "name": ""}, "expected a name"),
        ({"classes": 3, "seed": -1}, "seed: expected 0 or more, received -1"),
        ({"classes": 3, "name": "conv"}, "already"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        replace_head(net_of(SQUEEZED), **settings)


def test_a_net_without_a_classifier_is_refused():
    text = SQUEEZED + """layer { name: "scaled" type: "Power" bottom: "pool" top: "scaled" }"""
    with pytest.raises(UsageError, match="no classifier"):
        replace_head(net_of(text), classes=3)


def test_scores_that_are_not_simply_averaged_are_refused():
    with pytest.raises(UsageError, match="averaged"):
        replace_head(net_of(SQUEEZED.replace("pool: AVE", "pool: MAX")), classes=3)
