"""A stride traded for dilation keeps the old values at the old places."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reference import relative_error
from surgery_check import check_counts, check_round_trip
from surgery_nets import net_of, picture

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.stride import trade_stride


def source(height, width):
    return f"""layer {{ name: "data" type: "Input" top: "data"
        input_param {{ shape {{ dim: 2 dim: 3 dim: {height} dim: {width} }} }} }}\n"""


def convolution(name, bottom, settings):
    return f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
        convolution_param {{ num_output: 4 {settings} }} }}
        layer {{ name: "relu_{name}" type: "ReLU" bottom: "{name}" top: "{name}" }}\n"""


def pooling(name, bottom, settings):
    return f"""layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{name}"
        pooling_param {{ {settings} }} }}\n"""


def check(net, layer, factors, blobs):
    new, report = trade_stride(net, layer)
    check_counts(net, new, report)
    assert report.counts()["kept"] == net.param_count
    assert not report.preserving
    inputs = picture(net)
    old, fine = zoo.run(net, inputs, blobs), zoo.run(new, inputs, blobs)
    tall, wide = factors
    for name in blobs:
        rows, columns = old[name].shape[2:]
        at_old = fine[name][:, :, ::tall, ::wide][:, :, :rows, :columns]
        assert relative_error(at_old, old[name]) < 1e-5, name
    return new, report


def test_a_strided_convolution_and_all_that_follow(tmp_path):
    net = net_of(
        source(17, 20)
        + convolution("one", "data", "kernel_size: 5 stride: 3 pad: 2")
        + convolution("two", "one", "kernel_size: 3 pad: 1")
        + convolution("three", "two", "kernel_size: 3 stride: 2")
        + convolution("four", "three", "kernel_size: 1")
    )
    new, report = check(net, "one", (3, 3), ["one", "two", "three", "four"])
    check_round_trip(new, tmp_path)
    param = new.layer("two").definition.convolution_param
    assert (list(param.pad), list(param.dilation), list(param.stride)) == ([3], [3], [])
    assert list(new.layer("three").definition.convolution_param.stride) == [2]
    assert not new.layer("four").definition.convolution_param.dilation
    assert f"one: (2, 4, 6, 7) becomes {new.blobs['one']}" in report.notes


def test_a_pooling_layer_and_a_stride_for_one_axis():
    net = net_of(
        source(13, 13)
        + pooling("pool", "data", "pool: MAX kernel_size: 3 stride: 2")
        + convolution("two", "pool", "kernel_h: 3 kernel_w: 2 pad_h: 1 pad_w: 0")
    )
    check(net, "pool", (2, 2), ["pool", "two"])
    tall = net_of(
        source(13, 12)
        + convolution("one", "data", "kernel_size: 3 stride_h: 2 stride_w: 1")
        + convolution("two", "one", "kernel_size: 2 dilation: 2")
    )
    new, _ = check(tall, "one", (2, 1), ["one", "two"])
    assert list(new.layer("two").definition.convolution_param.dilation) == [4, 2]


def test_two_strides_in_turn_and_both_branches_at_once():
    net = net_of(
        source(21, 21)
        + convolution("one", "data", "kernel_size: 3 stride: 2")
        + convolution("a", "one", "kernel_size: 3 stride: 2 pad: 1")
        + convolution("b", "one", "kernel_size: 1 stride: 2")
        + """layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
             layer { name: "both" type: "Concat" bottom: "sum" bottom: "a" top: "both" }"""
        + convolution("two", "both", "kernel_size: 3 pad: 1")
    )
    check(net, ["a", "b"], (2, 2), ["sum", "two"])
    check(net, ["one", "a", "b"], (4, 4), ["sum", "both", "two"])
    with pytest.raises(NetError, match=r"'sum'.*trade the strides of all branches") as caught:
        trade_stride(net, "a")
    assert caught.value.layer == "sum"


def test_rounding_up_at_the_border_is_told():
    net = net_of(source(12, 12) + pooling("pool", "data", "kernel_size: 3 stride: 2"))
    _, report = trade_stride(net, "pool")
    assert any("last window" in note for note in report.notes)


def test_what_sees_the_whole_picture_ends_it():
    net = net_of(
        source(11, 11)
        + convolution("one", "data", "kernel_size: 3 stride: 2")
        + pooling("mean", "one", "pool: AVE global_pooling: true")
        + """layer { name: "fc" type: "InnerProduct" bottom: "mean" top: "fc"
             inner_product_param { num_output: 3 } }"""
    )
    new, report = trade_stride(net, "one")
    assert new.blobs["fc"] == (2, 3)
    assert "mean: sees all places of the finer grid" in report.notes


@pytest.mark.parametrize(
    ("after", "layer", "message"),
    [
        ("", "one_", "Did you mean one"),
        ("", "relu_one", "a stride to trade, received ReLU"),
        ("", "flat", "stride is 1 already"),
        (pooling("pool", "one", "kernel_size: 2 stride: 2"), "one", "'pool'.*no dilation"),
        (
            """layer { name: "norm" type: "LRN" bottom: "one" top: "norm"
            lrn_param { norm_region: WITHIN_CHANNEL } }""",
            "one",
            "'norm'.*neighbouring",
        ),
        (
            """layer { name: "fc" type: "InnerProduct" bottom: "one" top: "fc"
            inner_product_param { num_output: 3 } }""",
            "one",
            "'fc'.*fully_convolutional",
        ),
        (
            """layer { name: "up" type: "Deconvolution" bottom: "one" top: "up"
            convolution_param { num_output: 4 kernel_size: 4 stride: 2 } }""",
            "one",
            "'up'.*cannot follow",
        ),
    ],
)
def test_what_cannot_follow_is_named(after, layer, message):
    text = (
        source(12, 12)
        + convolution("flat", "data", "kernel_size: 3")
        + convolution("one", "flat", "kernel_size: 2 stride: 2")
    )
    with pytest.raises(UsageError, match=message):
        trade_stride(net_of(text + after), layer)


NUMBERS = st.integers(1, 3)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=8,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(st.data())
def test_random_windows_keep_the_old_values(data):
    text = source(data.draw(st.integers(16, 24)), data.draw(st.integers(16, 24)))
    below = "data"
    for number in range(3):
        kernel, dilation = data.draw(NUMBERS), data.draw(st.integers(1, 2))
        stride = data.draw(st.integers(2, 3)) if number == 0 else data.draw(st.integers(1, 2))
        pad = data.draw(st.integers(0, (kernel - 1) * dilation))
        text += convolution(
            f"c{number}",
            below,
            f"kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}",
        )
        below = f"c{number}"
    try:
        net = net_of(text)
    except NetError:
        return  # nothing was left of the picture
    stride = net.layer("c0").definition.convolution_param.stride[0]
    check(net, "c0", (stride, stride), ["c0", "c1", "c2"])


def test_no_layer_at_all_is_refused():
    with pytest.raises(UsageError, match="the name of one or more, received none"):
        trade_stride(net_of(source(12, 12)), [])


def test_numbers_of_a_net_are_not_touched():
    net = net_of(source(9, 9) + convolution("one", "data", "kernel_size: 3 stride: 2"))
    before = net.to_prototxt(), np.array(net.params["one"][0])
    trade_stride(net, "one")
    assert net.to_prototxt() == before[0]
    np.testing.assert_array_equal(net.params["one"][0], before[1])
