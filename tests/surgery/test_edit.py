"""Layers swapped, put in, taken out, renamed, and set otherwise."""

import numpy as np
import pytest
from opencv_reference import opencv_values
from reference import relative_error
from surgery_check import check_counts, check_round_trip, check_same
from surgery_nets import PICTURE, net_of, picture

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.edit import set_parameter, swap_layer
from zoo.surgery.rename import rename_blob, rename_layer
from zoo.surgery.rewire import insert_layer, remove_layer

NET = (
    PICTURE
    + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        param { lr_mult: 1 } param { lr_mult: 2 }
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1"
        lrn_param { local_size: 5 alpha: 0.1 beta: 0.75 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1"
        pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "drop2" type: "Dropout" bottom: "conv2" top: "conv2" }
layer { name: "fc" type: "InnerProduct" bottom: "conv2" top: "fc"
        inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
)
RESIDUAL = (
    PICTURE
    + """
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "data" top: "sum" }
layer { name: "relu" type: "ReLU" bottom: "sum" top: "sum" }
"""
)
SHARED = (
    PICTURE
    + """
layer { name: "a" type: "Convolution" bottom: "data" top: "a" param { name: "w" }
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "b" type: "Convolution" bottom: "a" top: "b" param { name: "w" }
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
"""
)


def names(net):
    return [layer.name for layer in net.layers]


def test_max_pooling_becomes_average_pooling(tmp_path):
    net = net_of(NET)
    new, report = swap_layer(net, "pool1", "Pooling", {"pool": "AVE"})
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert not report.preserving
    assert new.blobs == net.blobs
    inputs = picture(net)
    norm = zoo.run(net, inputs, ["norm1"])["norm1"]
    windows = np.lib.stride_tricks.sliding_window_view(norm, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    np.testing.assert_allclose(
        zoo.run(new, inputs, ["pool1"])["pool1"], windows.mean(axis=(4, 5)), rtol=1e-4, atol=1e-6
    )
    theirs = opencv_values(new, {"data": inputs["data"]}, ["prob"], tmp_path)["prob"]
    assert relative_error(theirs, zoo.run(new, inputs)["prob"]) < 1e-5


@pytest.mark.parametrize(("slope", "same"), [(0, True), (None, False)])
def test_relu_becomes_prelu(slope, same):
    net = net_of(NET)
    params = None if slope is None else {"prelu_param": {"filler": {"value": slope}}}
    new, report = swap_layer(net, "relu1", "PReLU", params)
    check_counts(net, new, report)
    assert report.preserving == same
    assert set(new.params["relu1"][0]) == {0.25 if slope is None else 0}
    assert [str(blob) for blob in report.of("initialised")] == ["relu1[0] (4,)"]
    if same:
        check_same(net, new, picture(net))
        back, report = swap_layer(new, "relu1", "ReLU")
        assert report.preserving
        assert back.definition == net.definition
        assert "relu1" not in back.params


def test_swapping_starts_afresh_what_no_longer_fits_and_keeps_the_rest():
    net = net_of(NET)
    new, report = swap_layer(net, "conv1", "Convolution", {"kernel_size": 3, "pad": 0})
    assert report.counts()["kept"] == net.param_count
    new, report = swap_layer(net, "conv1", "Convolution", {"kernel_size": 5, "pad": 1})
    check_counts(net, new, report)
    assert new.blobs == net.blobs
    assert {blob.layer for blob in report.of("initialised")} == {"conv1"}
    assert not new.params["conv1"][1].any()
    unbiased, report = swap_layer(net, "conv1", "Convolution", {"bias_term": False})
    check_counts(net, unbiased, report)
    assert len(unbiased.params["conv1"]) == len(unbiased.layer("conv1").definition.param) == 1
    biased, report = swap_layer(unbiased, "conv1", "Convolution", {"bias_term": True})
    check_counts(unbiased, biased, report)
    assert not biased.params["conv1"][1].any()


def test_a_definition_alone_can_be_edited():
    net = zoo.Net(net_of(NET).definition)
    for new, report in (
        swap_layer(net, "relu1", "PReLU"),
        insert_layer(net, {"name": "s", "type": "Scale"}, "conv1"),
        remove_layer(net, "norm1"),
        rename_layer(net, "fc", "fc8"),
        set_parameter(net, "conv1", "num_output", 9),
    ):
        assert not new.params
        counts = report.counts()
        assert sum(counts.values()) - counts["dropped"] == new.param_count


@pytest.mark.parametrize(
    ("layer", "kind", "params", "message"),
    [
        ("pool3", "Pooling", None, "Did you mean pool1"),
        ("pool1", "Poolin", None, "Did you mean Pooling"),
        ("pool1", "Pooling", {"pol": "AVE"}, "Did you mean pool"),
        ("pool1", "Pooling", {"pool": "AVG"}, "MAX, AVE, STOCHASTIC"),
        ("pool1", "Pooling", {"stride": 1}, "'fc'.*fully_convolutional"),
        ("pool1", "Pooling", {"stride": "two"}, "whole number"),
        ("pool1", "Eltwise", None, r"needs at least 2 bottom"),
        ("conv1", "Convolution", {"num_output": 8}, "'conv2'.*start it afresh"),
        ("relu1", "ReLU", {"name": "x"}, "use rename_layer"),
        ("data", "Input", None, "change_input"),
    ],
)
def test_a_swap_that_does_not_fit_says_which_layer_and_why(layer, kind, params, message):
    with pytest.raises(UsageError, match=message):
        swap_layer(net_of(NET), layer, kind, params)


def test_the_error_carries_the_first_layer_that_breaks():
    with pytest.raises(NetError) as caught:
        swap_layer(net_of(NET), "conv1", "Convolution", {"num_output": 8})
    assert caught.value.layer == "conv2"


def test_settings_are_changed_one_by_one():
    net = net_of(NET)
    new, report = set_parameter(net, "drop2", "dropout_ratio", 0.7)
    assert new.layer("drop2").definition.dropout_param.dropout_ratio == pytest.approx(0.7)
    assert report.preserving
    new, report = set_parameter(net, "conv1", "param.1.lr_mult", 20)
    assert new.layer("conv1").definition.param[1].lr_mult == 20
    assert report.preserving
    new, report = set_parameter(net, "relu1", "relu_param.negative_slope", 0.5)
    assert not report.preserving
    check_counts(net, new, report)
    wider, report = set_parameter(net, "norm1", "local_size", 3)
    assert wider.layer("norm1").definition.lrn_param.local_size == 3


@pytest.mark.parametrize(
    ("layer", "field", "value", "message"),
    [
        ("drop3", "dropout_ratio", 0.5, "Did you mean drop2"),
        ("drop2", "dropout_rate", 0.5, "Did you mean dropout_ratio"),
        ("drop2", "dropout_ratio", "half", "expected a number"),
        ("conv1", "kernel_size", 5, "needs params.*swap_layer"),
        ("conv1", "stride", 2, "'fc'|'conv2'"),
        ("fc", "num_output", 9, "replace_head"),
        ("fc", "type", "ReLU", "use swap_layer"),
        ("conv1", "param.0.name", "w", "share"),
        ("conv1", "param.7.lr_mult", 1, "2 entries"),
        ("data", "input_param.shape", [], "change_input"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(layer, field, value, message):
    with pytest.raises(UsageError, match=message):
        set_parameter(net_of(NET), layer, field, value)


def test_a_layer_comes_between_in_place_or_with_a_blob_of_its_own(tmp_path):
    net = net_of(NET)
    new, report = insert_layer(net, 'name: "s" type: "Power" power_param { scale: 2 }', "conv1")
    check_counts(net, new, report)
    assert new.layer("s").tops == ("conv1",)
    assert names(new)[1:4] == ["conv1", "s", "relu1"]
    new, report = insert_layer(net, {"name": "lrn", "type": "LRN", "local_size": 3}, "conv1")
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert new.layer("relu1").bottoms == new.layer("relu1").tops == ("lrn",)
    assert new.layer("norm1").bottoms == ("lrn",)
    conv = zoo.run(net, picture(net), ["norm1"])
    assert conv["norm1"].shape == zoo.run(new, picture(net), ["norm1"])["norm1"].shape


def test_what_passes_on_preserves_and_what_does_not_does_not():
    net = net_of(NET)
    for layer, same in (("Dropout", True), ("TanH", False)):
        new, report = insert_layer(net, {"name": "new", "type": layer}, "pool1")
        assert report.preserving == same
        check_counts(net, new, report)
        if same:
            check_same(net, new, picture(net))


def test_a_layer_with_bottoms_of_its_own_is_added_beside():
    net = net_of(NET)
    text = """layer { name: "aux" type: "InnerProduct" bottom: "pool1" top: "aux"
              inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }"""
    new, report = insert_layer(net, text, "pool1")
    check_counts(net, new, report)
    assert new.outputs == ["aux", "prob"]
    assert report.preserving
    assert new.params["aux"][0].any()
    check_same(net, new, picture(net))


def test_a_shortcut_is_added_with_two_bottoms():
    net = net_of(RESIDUAL)
    new, report = insert_layer(
        net,
        {"name": "again", "type": "Eltwise", "bottom": ["sum", "a"], "top": "again"},
        after="relu",
    )
    inputs = picture(net)
    both = zoo.run(net, inputs, ["sum", "a"])
    np.testing.assert_allclose(
        zoo.run(new, inputs, ["again"])["again"], both["sum"] + both["a"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("definition", "after", "message"),
    [
        ({"name": "conv2", "type": "ReLU"}, "conv1", "already"),
        ({"name": "new", "type": "ReLU"}, "conv9", "Did you mean conv"),
        ({"name": "new", "type": "RelU"}, "conv1", "Did you mean ReLU"),
        ({"name": "new"}, "conv1", "a name and a type"),
        ({"name": "n", "type": "Eltwise", "bottom": ["conv1", "fc"], "top": "n"}, "conv1", "'fc'"),
        ({"name": "n", "type": "ReLU", "bottom": "conv1", "top": "fc"}, "conv1", "already"),
        ({"name": "n", "type": "ReLU", "top": "n"}, "conv1", "both or neither"),
        ({"name": "n", "type": "Pooling", "kernel_size": 2, "stride": 2}, "conv1", "'fc'|'conv2'"),
        ('name: "n" type: "ReLU" relu { }', "conv1", "no field"),
        ({"name": "n", "type": "Input"}, "conv1", "cannot be put"),
        (3, "conv1", "as prototxt or as a mapping"),
        ({"kind": "ReLU"}, "conv1", "the layer has no field 'kind'"),
    ],
)
def test_a_layer_that_does_not_fit_is_not_put_in(definition, after, message):
    with pytest.raises(UsageError, match=message):
        insert_layer(net_of(NET), definition, after)


def test_lrn_and_dropout_come_out(tmp_path):
    net = net_of(NET)
    new, report = remove_layer(net, "norm1")
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert report.removed == ("norm1",)
    assert new.layer("pool1").bottoms == ("conv1",)
    assert not report.preserving
    new, report = remove_layer(net, "drop2")
    assert report.preserving
    check_same(net, new, picture(net))
    _, report = remove_layer(net_of(NET, phase="TRAIN"), "drop2")
    assert not report.preserving


def test_blobs_that_were_written_in_place_still_hold_what_is_read():
    text = (
        PICTURE
        + """
        layer { name: "a" type: "TanH" bottom: "data" top: "a" }
        layer { name: "b" type: "Pooling" bottom: "a" top: "b" pooling_param { kernel_size: 1 } }
        layer { name: "c" type: "ReLU" bottom: "a" top: "a" }
        layer { name: "d" type: "Eltwise" bottom: "a" bottom: "b" top: "d" }
        """
    )
    net = net_of(text)
    new, report = remove_layer(net, "b")
    check_same(net, new, picture(net), blobs=["d"])
    assert new.layer("d").bottoms != ("a", "a")


def test_a_layer_with_several_bottoms_is_only_taken_out_where_nobody_reads_it():
    with pytest.raises(NetError, match="one of 2 blobs"):
        remove_layer(net_of(RESIDUAL), "sum")
    with pytest.raises(NetError, match="brings the data in"):
        remove_layer(net_of(NET), "data")
    with pytest.raises(NetError, match=r"'fc'.*fully_convolutional"):
        remove_layer(net_of(NET), "pool1")
    with pytest.raises(NetError, match="Did you mean norm1"):
        remove_layer(net_of(NET), "norm2")


def test_shared_params_survive_the_removal_of_their_owner_and_a_rename(tmp_path):
    net = net_of(SHARED).initialized()
    new, report = remove_layer(net, "a")
    check_counts(net, new, report)
    np.testing.assert_array_equal(new.params["b"][0], net.params["a"][0])
    new, report = rename_layer(net, "a", "first")
    assert new.layer("b").owners == (("first", 0),)
    check_round_trip(new, tmp_path)
    with pytest.raises(NetError, match="shares"):
        swap_layer(net, "a", "ReLU")
    with pytest.raises(NetError, match="shares"):
        swap_layer(net, "b", "Convolution", {"kernel_size": 5, "pad": 2})


def test_names_change_and_nothing_else(tmp_path):
    net = net_of(NET)
    new, report = rename_layer(net, "fc", "fc8", blobs=True)
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert report.renamed == {"fc": "fc8"}
    assert report.added == report.removed == ()
    assert report.preserving
    assert new.layer("prob").bottoms == ("fc8",)
    check_same(net, new, picture(net))
    new, report = rename_blob(net, "conv1", "first")
    check_same(net, new, picture(net))
    assert new.layer("relu1").tops == ("first",)
    new, report = rename_blob(net, "data", "image")
    assert list(new.inputs) == ["image"]
    check_counts(net, new, report)


@pytest.mark.parametrize(
    ("operation", "old", "new", "message"),
    [
        (rename_layer, "fc9", "x", "Did you mean fc"),
        (rename_layer, "fc", "conv1", "already"),
        (rename_layer, "fc", "", "expected a name"),
        (rename_blob, "prop", "x", "Did you mean prob"),
        (rename_blob, "prob", "fc", "already"),
    ],
)
def test_a_name_that_is_taken_or_unknown_is_refused(operation, old, new, message):
    with pytest.raises(UsageError, match=message):
        operation(net_of(NET), old, new)
