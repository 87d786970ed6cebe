"""Convolutions in groups made dense, and back."""

import numpy as np
import pytest
from opencv_reference import opencv_values
from surgery_check import check_counts, check_round_trip, check_same, unchanged
from surgery_nets import conv, layer, random_inputs, read

import zoo
from zoo.caffe.read import parse_definition
from zoo.errors import NetError, UsageError
from zoo.surgery.groups import join_groups, split_groups

KINDS = {
    "two": conv("conv", "data", 4, "kernel_size: 3 group: 2 pad: 1"),
    "no bias": conv("conv", "data", 9, "kernel_size: 3 group: 3 bias_term: false stride: 2"),
    "depthwise": conv("conv", "data", 12, "kernel_size: 3 group: 6 dilation: 2"),
    "depthwise kind": conv("conv", "data", 6, "kernel_size: 3", kind="DepthwiseConvolution"),
    "deconvolution": conv(
        "conv", "data", 4, "kernel_size: 4 stride: 2 group: 2", kind="Deconvolution"
    ),
}


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_joined_groups_compute_the_same_and_split_again_are_the_same(text, tmp_path):
    net = read(text)
    same = unchanged(net)
    joined, report = join_groups(net, "conv")
    assert joined.layer("conv").definition.convolution_param.group == 1
    assert report.preserving
    check_counts(net, joined, report)
    check_same(net, joined)
    check_round_trip(joined, tmp_path)
    groups = {"two": 2, "no bias": 3, "deconvolution": 2}.get(
        next(name for name, each in KINDS.items() if each == text), 6
    )
    split, report = split_groups(joined, "conv", groups)
    check_counts(joined, split, report)
    for received, expected in zip(split.params["conv"], net.params["conv"], strict=True):
        np.testing.assert_array_equal(received, expected)
    check_same(net, split)
    same()


def test_opencv_computes_the_same_with_the_dense_one(tmp_path):
    net = read(KINDS["two"] + layer("ReLU", "relu", "conv", top="conv"))
    joined, _ = join_groups(net, "conv")
    inputs = random_inputs(net)
    (theirs,) = opencv_values(joined, inputs, ["conv"], tmp_path).values()
    np.testing.assert_allclose(theirs, zoo.run(net, inputs)["conv"], atol=1e-5)


def test_a_definition_alone_can_be_joined():
    net = zoo.Net(parse_definition(read(KINDS["two"]).to_prototxt()))
    joined, report = join_groups(net, "conv")
    assert joined.param_shapes["conv"][0] == (4, 6, 3, 3)
    check_counts(net, joined, report)
    with pytest.raises(NetError, match="'conv': has no weights"):
        split_groups(joined, "conv", 2)


def test_weights_between_the_groups_are_named_not_lost():
    net = read(conv("conv", "data", 4, "kernel_size: 1"))
    weight = np.zeros((4, 6, 1, 1), np.float32)
    weight[0, 4], weight[3, 1] = 0.25, -0.5
    net = net.with_params({"conv": [weight, net.params["conv"][1]]})
    with pytest.raises(NetError, match=r"2 of 12 weights.*-0\.5 at \(3, 1, 0, 0\)"):
        split_groups(net, "conv", 2)


@pytest.mark.parametrize("groups", [-2, 0, 1, 4, 7])
def test_groups_that_do_not_divide_are_refused(groups):
    net = read(conv("conv", "data", 4, "kernel_size: 1"))
    with pytest.raises(UsageError, match=f"divide 4 and 6.*received {groups}"):
        split_groups(net, "conv", groups)


def test_what_has_no_groups_is_refused():
    shared = 'param { name: "w" } param { name: "b" }'
    net = read(
        conv("conv", "data", 4, "kernel_size: 1")
        + conv("a", "data", 4, "kernel_size: 1 group: 2", param=shared)
        + conv("b", "data", 4, "kernel_size: 1 group: 2", param=shared)
        + layer("ReLU", "relu", "conv")
    )
    with pytest.raises(NetError, match="'conv': has no groups"):
        join_groups(net, "conv")
    with pytest.raises(NetError, match="'relu': is a ReLU"):
        join_groups(net, "relu")
    with pytest.raises(NetError, match="'a': shares its params"):
        join_groups(net, "a")
    with pytest.raises(NetError, match="'conw'.*Did you mean conv"):
        join_groups(net, "conw")
    with pytest.raises(NetError, match="in 2 groups already"):
        split_groups(read(KINDS["two"]), "conv", 2)
