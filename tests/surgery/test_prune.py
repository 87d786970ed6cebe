"""Weights set to zero, and filters taken out with everything that reads them."""

import numpy as np
import pytest
from opencv_reference import opencv_values
from surgery_check import check_counts, check_round_trip, check_same, unchanged
from surgery_nets import conv, layer, product, random_inputs, read

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.prune import prune_filters, prune_weights

CONV = conv("conv", "data", 8, "kernel_size: 3 pad: 1")
NEXT = conv("next", "IN", 5, "kernel_size: 3 pad: 1")
BIAS_SCALE = "scale_param { bias_term: true }"


def end(blob):
    return NEXT.replace("IN", blob)


def without(net, names, gone=(1, 4, 6)):
    """The net with these filters of layers, and whatever would turn zeros into something, zero."""
    params = {}
    for each in net.layers:
        blobs = [blob.copy() for blob in net.params.get(each.name, ())]
        if each.name in names:
            kind = each.type
            turned = kind == "InnerProduct" and each.definition.inner_product_param.transpose
            index = list(gone)
            if kind == "Deconvolution" or turned:
                blobs[0][:, index] = 0
            else:
                blobs[0][index] = 0
            blobs[1][index] = 0
        elif each.type == "BatchNorm":
            blobs[0][list(gone)] = 0
        elif each.type == "BN":
            for blob in blobs[1:3]:
                blob.reshape(-1)[list(gone)] = 0
        elif each.type in ("Scale", "DepthwiseConvolution") and len(blobs) > 1:
            blobs[1][list(gone)] = 0
        elif each.type == "Bias":
            blobs[0][list(gone)] = 0
        if blobs:
            params[each.name] = blobs
    return net.with_params(params)


EXACT = {
    "relu in place": CONV + layer("ReLU", "relu", "conv", top="conv") + end("conv"),
    "prelu": CONV + layer("PReLU", "prelu", "conv", top="conv") + end("conv"),
    "shared prelu": CONV
    + layer("PReLU", "prelu", "conv", "prelu_param { channel_shared: true }")
    + end("prelu"),
    "batch norm and scale": CONV
    + layer("BatchNorm", "bn", "conv", top="conv")
    + layer("Scale", "scale", "conv", BIAS_SCALE, top="conv")
    + layer("ReLU", "relu", "conv", top="conv")
    + end("conv"),
    "the norm of a fork": CONV + layer("BN", "bn", "conv", top="conv") + end("conv"),
    "bias": CONV + layer("Bias", "bias", "conv") + end("bias"),
    "scale of one number": CONV
    + layer("Scale", "scale", "conv", "scale_param { axis: 0 num_axes: 0 }")
    + end("scale"),
    "scale of every value": CONV
    + layer("Scale", "scale", "conv", "scale_param { axis: 1 num_axes: 3 }")
    + end("scale"),
    "pooling": CONV
    + layer("Pooling", "pool", "conv", "pooling_param { kernel_size: 3 stride: 2 }")
    + end("pool"),
    "lrn within": CONV
    + layer("LRN", "lrn", "conv", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }")
    + end("lrn"),
    "power": CONV + layer("Power", "power", "conv", "power_param { scale: 2 }") + end("power"),
    "concat": conv("first", "data", 3, "kernel_size: 3 pad: 1")
    + CONV
    + 'layer { name: "join" type: "Concat" bottom: "first" bottom: "conv" bottom: "first"'
    ' bottom: "conv" top: "join" }' + end("join"),
    "depthwise": CONV
    + conv("dw", "conv", 8, "kernel_size: 3 pad: 1", kind="DepthwiseConvolution")
    + end("dw"),
    "two filters a channel": CONV
    + conv("dw", "conv", 16, "kernel_size: 3 group: 8 bias_term: false")
    + end("dw"),
    "bilinear upsampling": CONV
    + conv(
        "up", "conv", 8, "kernel_size: 4 stride: 2 group: 8 bias_term: false", kind="Deconvolution"
    )
    + end("up"),
    "a deconvolution reads": CONV
    + conv("next", "conv", 5, "kernel_size: 2 stride: 2", kind="Deconvolution"),
    "a deconvolution is pruned": conv(
        "conv", "data", 8, "kernel_size: 2 stride: 2", kind="Deconvolution"
    )
    + end("conv"),
    "flattened": CONV + layer("Flatten", "flat", "conv") + product("fc", "flat", 4),
    "reshaped": CONV
    + layer("Reshape", "flat", "conv", "reshape_param { shape { dim: 0 dim: -1 } }")
    + product("fc", "flat", 4, "transpose: true"),
    "inner product": CONV + product("fc", "conv", 4),
    "inner product is pruned": product("conv", "data", 8)
    + layer("ReLU", "relu", "conv", top="conv")
    + product("fc", "conv", 4),
    "transposed is pruned": product("conv", "data", 8, "transpose: true")
    + product("fc", "conv", 4, "transpose: true"),
    "two readers": CONV
    + layer("Split", "split", "conv", 'top: "other"')
    + end("split")
    + product("fc", "other", 4)
    + layer("Silence", "silence", "conv").replace('top: "silence"', ""),
    "crop": CONV
    + 'layer { name: "crop" type: "Crop" bottom: "conv" bottom: "data" top: "crop" }'
    + end("crop"),
}


@pytest.mark.parametrize("text", EXACT.values(), ids=EXACT)
def test_zero_filters_go_and_nothing_changes(text, tmp_path):
    net = without(read(text), ["conv"])
    same = unchanged(net)
    pruned, report = prune_filters(net, "conv", keep=5)
    assert report.preserving, report
    assert pruned.blobs["conv"][1] == 5
    assert "1, 4, 6 went, with 0% of the L1 norm" in report.notes[0]
    check_counts(net, pruned, report)
    check_same(net, pruned)
    check_round_trip(pruned, tmp_path)
    same()


@pytest.mark.parametrize("text", EXACT.values(), ids=EXACT)
def test_filters_that_matter_go_as_if_they_were_zero(text):
    """Taking out is the same as setting to zero what the filters make, wherever it is exact."""
    net = read(text)
    weight = net.params["conv"][0]
    deconvolution = net.layer("conv").type == "Deconvolution"
    turned = net.layer("conv").definition.inner_product_param.transpose
    filters = np.moveaxis(weight, 1 if deconvolution or turned else 0, 0).reshape(8, -1)
    gone = np.sort(np.argsort(np.abs(filters).sum(axis=1))[:3])
    pruned, report = prune_filters(net, "conv", share=0.4)
    assert not report.preserving
    assert f"{', '.join(map(str, gone))} went" in report.notes[0]
    check_counts(net, pruned, report)
    check_same(without(net, ["conv"], gone), pruned)


def test_an_eltwise_needs_the_same_filters_of_all_that_it_adds():
    text = (
        CONV
        + conv("twin", "data", 8, "kernel_size: 1")
        + 'layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "twin" top: "sum" }'
        + end("sum")
    )
    net = without(read(text), ["conv", "twin"])
    with pytest.raises(NetError, match=r"'sum'.*made by 'twin', keeps others.*layer=\[\.\.\.\]"):
        prune_filters(net, "conv", keep=5)
    pruned, report = prune_filters(net, ["conv", "twin"], keep=5)
    assert report.preserving
    assert pruned.blobs["sum"] == (2, 5, 9, 9)
    check_counts(net, pruned, report)
    check_same(net, pruned)


def test_a_residual_chain_is_pruned_together():
    text = (
        CONV
        + conv("inner", "conv", 8, "kernel_size: 3 pad: 1")
        + 'layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "inner" top: "sum" }'
        + end("sum")
    )
    net = without(read(text), ["conv", "inner"])
    pruned, report = prune_filters(net, ["conv", "inner"], keep=5)
    assert pruned.param_shapes["inner"] == [(5, 5, 3, 3), (5,)]
    assert report.preserving
    check_same(net, pruned)


def test_what_is_not_exact_is_said():
    across = read(CONV + layer("LRN", "lrn", "conv") + end("lrn"))
    pruned, report = prune_filters(without(across, ["conv"]), "conv", keep=5)
    assert not report.preserving
    assert "lrn normalises across channels" in report.notes[1]
    assert pruned.blobs["lrn"][1] == 5
    sigmoid = read(CONV + layer("Sigmoid", "sigmoid", "conv") + end("sigmoid"))
    _, report = prune_filters(without(sigmoid, ["conv"]), "conv", keep=5)
    assert report.notes[1] == "next read channels that were not zeros and are gone"


def test_groups_go_on_where_each_loses_as_many():
    text = CONV + conv("next", "conv", 6, "kernel_size: 3 group: 2")
    net = without(read(text), ["conv"], gone=[1, 2, 5, 7])
    pruned, report = prune_filters(net, "conv", keep=4)
    assert report.preserving
    check_same(net, pruned)
    with pytest.raises(NetError, match="'next': is in 2 groups.*join_groups"):
        prune_filters(net, "conv", keep=5)


REFUSED = {
    "an output": (CONV, "'conv' is an output of the net"),
    "softmax": (CONV + layer("Softmax", "prob", "conv"), "'prob': is a Softmax and reads 'conv'"),
    "an unknown kind": (CONV + layer("Odd", "odd", "conv"), "'odd': is a Odd"),
    "shares": (
        CONV
        + conv("next", "conv", 8, "kernel_size: 1", param='param { name: "w" }')
        + conv("more", "next", 8, "kernel_size: 1", param='param { name: "w" }'),
        "'next': reads the channels and shares its params",
    ),
    "another axis of concat": (
        CONV + 'layer { name: "join" type: "Concat" bottom: "conv" bottom: "conv" top: "join"'
        " concat_param { axis: 2 } }" + end("join"),
        "'join': joins blobs along another axis",
    ),
    "flattened otherwise": (
        CONV + layer("Flatten", "flat", "conv", "flatten_param { axis: 2 }"),
        r"'flat': makes \(2, 8, 81\)",
    ),
    "a product over part": (
        CONV + product("fc", "conv", 3, "axis: 2"),
        "'fc': is no product over whole pictures",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_layers_that_need_all_channels_are_named(text, message):
    with pytest.raises(NetError, match=message):
        prune_filters(read(text), "conv", keep=5)


def test_filters_that_cannot_be_chosen_are_refused():
    net = read(
        CONV + end("conv") + layer("ReLU", "relu", "next") + conv(
            "grouped", "relu", 5, "kernel_size: 1 group: 5"
        )
    )  # fmt: skip
    with pytest.raises(NetError, match="'relu': is a ReLU"):
        prune_filters(net, "relu", keep=2)
    with pytest.raises(NetError, match="'grouped': is in groups"):
        prune_filters(net, "grouped", keep=2)
    with pytest.raises(NetError, match="'cont'.*Did you mean conv"):
        prune_filters(net, "cont", keep=2)
    with pytest.raises(UsageError, match=r"as many filters.*conv \(8\), next \(5\)"):
        prune_filters(net, ["conv", "next"], keep=2)
    for keep in (0, 9):
        with pytest.raises(UsageError, match=f"expected 1 to 8, received {keep}"):
            prune_filters(net, "conv", keep=keep)
    with pytest.raises(UsageError, match="less than 1, received 1"):
        prune_filters(net, "conv", share=1)
    with pytest.raises(UsageError, match="not both"):
        prune_filters(net, "conv", keep=2, share=0.5)
    with pytest.raises(NetError, match="no weights to choose"):
        prune_filters(zoo.Net(net.definition), "conv", keep=2)


def test_opencv_runs_the_pruned_net(tmp_path):
    net = read(EXACT["batch norm and scale"] + product("fc", "next", 4))
    pruned, _ = prune_filters(net, "conv", share=0.25)
    inputs = random_inputs(pruned)
    (theirs,) = opencv_values(pruned, inputs, ["fc"], tmp_path).values()
    np.testing.assert_allclose(theirs, zoo.run(pruned, inputs)["fc"], atol=1e-4)


def test_the_smallest_weights_become_zero():
    net = read(CONV + end("conv") + product("fc", "next", 4))
    same = unchanged(net)
    pruned, report = prune_weights(net, ["conv", "fc"], share=0.3)
    check_counts(net, pruned, report)
    for name in ("conv", "fc"):
        old, new = net.params[name][0], pruned.params[name][0]
        assert np.count_nonzero(new == 0) == int(0.3 * old.size)
        assert np.abs(old[new == 0]).max() <= np.abs(new[new != 0]).min()
        np.testing.assert_array_equal(new[new != 0], old[new != 0])
        np.testing.assert_array_equal(pruned.params[name][1], net.params[name][1])
    assert pruned.params["next"][0] is net.params["next"][0]
    assert report.notes[0] == "conv: 129 of 432 weights are 0"
    assert not report.preserving
    again, report = prune_weights(pruned, ["conv", "fc"], share=0.3)
    assert report.preserving
    same()


def test_a_threshold_is_for_all_layers():
    net = read(CONV + end("conv"))
    pruned, _ = prune_weights(net, threshold=0.1)
    for name in ("conv", "next"):
        old, new = net.params[name][0], pruned.params[name][0]
        np.testing.assert_array_equal(new, np.where(np.abs(old) < 0.1, 0, old))
    assert prune_weights(net, threshold=0)[1].preserving
    assert not prune_weights(net, share=1)[0].params["conv"][0].any()
    assert prune_weights(net, share=0)[1].preserving


def test_shared_weights_are_pruned_once():
    shared = 'param { name: "w" }'
    net = read(
        conv("a", "data", 6, "kernel_size: 1", param=shared)
        + conv("b", "a", 6, "kernel_size: 1", param=shared)
    )
    pruned, report = prune_weights(net, "b", share=0.5)
    assert np.count_nonzero(pruned.params["a"][0]) == 18
    np.testing.assert_array_equal(pruned.params["a"][0], pruned.params["b"][0])
    check_counts(net, pruned, report)


def test_amounts_that_make_no_sense_are_refused():
    net = read(CONV + layer("ReLU", "relu", "conv"))
    with pytest.raises(UsageError, match="not both"):
        prune_weights(net, share=0.5, threshold=1)
    with pytest.raises(UsageError, match="not both"):
        prune_weights(net)
    with pytest.raises(UsageError, match=r"expected 0 to 1, received 1\.5"):
        prune_weights(net, share=1.5)
    with pytest.raises(UsageError, match="received -1"):
        prune_weights(net, threshold=-1)
    with pytest.raises(UsageError, match="no layer with weights to prune is called 'relu'"):
        prune_weights(net, "relu", share=0.5)
    with pytest.raises(NetError, match="'conv': has no weights"):
        prune_weights(zoo.Net(net.definition), share=0.5)
