"""A net cut in two, and parts of different nets put together."""

import numpy as np
import pytest
from reference import relative_error
from surgery_check import check_counts, check_files
from surgery_nets import conv, data, layer, net_of, product, random_inputs

import zoo
from zoo.errors import NetError, ShapeError, UsageError
from zoo.surgery.cut import cut, cut_off, stitch

NET = (
    data("2 3 8 8")
    + conv("conv1", "data")
    + layer("ReLU", "relu1", "conv1", top="conv1")
    + conv("side", "conv1", 2)
    + conv("conv2", "conv1", 6)
    + layer("BatchNorm", "norm", "conv2", top="conv2")
    + product("ip", "conv2", 5)
    + layer("Softmax", "prob", "ip")
)
SKIP = (
    data("2 3 8 8")
    + conv("one", "data", 3, "kernel_size: 3 pad: 1")
    + conv("two", "one", 3, "kernel_size: 3 pad: 1")
    + layer("Eltwise", "sum", "two one")
    + product("ip", "sum")
)


@pytest.mark.parametrize("blob", ["conv1", "conv2", "ip"])
def test_trunk_and_head_together_compute_what_the_net_did(blob, tmp_path):
    net = net_of(NET)
    definition = net.to_prototxt()
    (trunk, said), (head, told) = cut(net, blob), cut_off(net, blob)
    assert trunk.outputs == [blob]
    assert head.inputs == {blob: net.blobs[blob]}
    check_counts(net, trunk, said)
    check_counts(net, head, told)
    assert {*said.removed, *told.removed} <= {each.name for each in net.layers}
    inputs = random_inputs(net)
    between = check_files(trunk, inputs, tmp_path)
    expected = zoo.run(net, inputs, ["prob"])["prob"]
    received = check_files(head, between, tmp_path)["prob"]
    assert relative_error(received, expected) < 1e-6
    assert net.to_prototxt() == definition


def test_a_blob_stands_for_its_last_values():
    trunk, _ = cut(net_of(NET), "conv1")
    assert [each.name for each in trunk.layers] == ["data", "conv1", "relu1"]
    head, _ = cut_off(net_of(NET), "conv1")
    assert head.layers[1].name == "side"


def test_labels_that_the_head_reads_stay_and_those_of_the_trunk_go():
    text = NET + data("2", "label") + layer("Accuracy", "right", "ip label")
    head, _ = cut_off(net_of(text), "conv2")
    assert sorted(head.inputs) == ["conv2", "label"]
    trunk, _ = cut(net_of(text), "conv2")
    assert list(trunk.inputs) == ["data"]


def test_a_cut_that_leaves_a_blob_without_a_producer_is_refused():
    with pytest.raises(NetError, match="'sum'.*'one' without a producer.*'one' before the cut"):
        cut_off(net_of(SKIP), "two")


@pytest.mark.parametrize("operation", [cut, cut_off])
@pytest.mark.parametrize(
    ("blob", "message"),
    [("conv3", "no blob is named 'conv3'.*Did you mean conv"), ("data", "is an input")],
)
def test_blobs_at_which_no_cut_is_possible(operation, blob, message):
    with pytest.raises(UsageError, match=message):
        operation(net_of(NET), blob)


def test_nothing_is_behind_an_output():
    with pytest.raises(NetError, match="no layer reads 'prob'"):
        cut_off(net_of(NET), "prob")


def test_sharing_that_a_cut_ends_is_told():
    shared = 'param { name: "w" } convolution_param'
    text = (
        data("1 3 8 8")
        + conv("one", "data", 3).replace("convolution_param", shared)
        + conv("two", "one", 3).replace("convolution_param", shared)
    )
    net = net_of(text)
    head, report = cut_off(net, "one")
    assert report.notes == ("two shared params with one, which is not there any more",)
    np.testing.assert_array_equal(head.params["two"][0], net.params["one"][0])


def test_a_head_from_another_model_computes_on_the_trunk(tmp_path):
    trunk = net_of(NET)
    other = net_of(
        data("1 1 20 20", "picture")
        + conv("features", "picture", 6, "kernel_size: 17")
        + product("last", "features", 3)
        + layer("Sigmoid", "chance", "last"),
        seed=8,
    )
    stitched, report = stitch(trunk, other, at="conv2", head_at="features")
    check_counts(trunk, stitched, report)
    inputs = random_inputs(trunk)
    features = zoo.run(trunk, inputs, ["conv2"])["conv2"]
    expected = zoo.run(cut_off(other, "features")[0], {"features": features})["chance"]
    received = check_files(stitched, inputs, tmp_path)
    assert list(received) == ["chance"]
    assert relative_error(received["chance"], expected) < 1e-5
    moved = {each.layer: each.origin for each in report.of("moved")}
    assert moved == {"last": "the donor:last"}
    assert "ip" in report.removed


def test_a_head_whose_first_layer_writes_in_place_leaves_the_trunk_alone():
    head = net_of(
        data("2 6 4 4", "conv2") + layer("ReLU", "r", "conv2", top="conv2") + product("x", "conv2")
    )
    stitched, _ = stitch(net_of(NET), head, at="conv2")
    inputs = random_inputs(stitched)
    values = zoo.run(stitched, inputs, ["conv2"])["conv2"]
    assert relative_error(values, zoo.run(net_of(NET), inputs, ["conv2"])["conv2"]) < 1e-6
    assert values.min() < 0


def test_a_head_for_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"takes \('N', 6, 4, 4\), the blob 'conv1' is"):
        stitch(net_of(NET), cut_off(net_of(NET), "conv2")[0], at="conv1")


def test_names_that_both_have_need_a_prefix():
    net = net_of(NET)
    head = net_of(data("2 6 4 4", "x") + conv("conv1", "x", 2) + product("ip", "conv1"))
    with pytest.raises(NetError, match="'conv1'; give a prefix"):
        stitch(net, head, at="conv2")
    stitched, report = stitch(net, head, at="conv2", prefix="new/")
    assert [each.name for each in stitched.layers][-2:] == ["new/conv1", "new/ip"]
    check_counts(net, stitched, report)


def test_several_inputs_of_a_head_are_asked_for():
    head = net_of(data("2 6 4 4", "x") + data("2 6 4 4", "y") + layer("Eltwise", "s", "x y"))
    with pytest.raises(UsageError, match="x, y; say with head_at"):
        stitch(net_of(NET), head, at="conv2")
