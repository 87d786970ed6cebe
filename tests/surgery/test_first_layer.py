"""Pictures of other sizes, channels and orders, and preprocessing in the first layer."""

import numpy as np
import pytest
from google.protobuf import text_format
from opencv_reference import opencv_values
from reference import relative_error
from surgery_check import check_counts, check_round_trip, check_same
from surgery_nets import PICTURE, net_of, picture

import zoo
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import NetError, UsageError
from zoo.surgery.first_layer import fold_preprocessing, swap_channels
from zoo.surgery.input_shape import change_input

CONVOLUTION = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    convolution_param { num_output: 4 kernel_size: 3 SETTINGS } }\n"""
BEHIND = """layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
    pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool" top: "conv2"
    convolution_param { num_output: 5 kernel_size: 2 } }\n"""
FULLY = 'layer { name: "fc" type: "InnerProduct" bottom: "BELOW" top: "fc" SETTINGS }\n'
FC = "inner_product_param { num_output: 5 }"
TURNED = "inner_product_param { num_output: 5 transpose: true bias_term: false }"


def first_net(settings="", fully=None):
    if fully is not None:
        return net_of(PICTURE + FULLY.replace("BELOW", "data").replace("SETTINGS", fully))
    return net_of(PICTURE + CONVOLUTION.replace("SETTINGS", settings) + BEHIND)


FIRST = {
    "convolution": {},
    "padded": {"settings": "pad: 1"},
    "no bias": {"settings": "bias_term: false stride: 2"},
    "inner product": {"fully": FC},
    "transposed": {"fully": TURNED},
}
first = pytest.mark.parametrize("kind", FIRST.values(), ids=FIRST)


@first
def test_grey_pictures_count_as_ones_with_equal_channels(kind, tmp_path):
    net = first_net(**kind)
    new, report = change_input(net, channels=1)
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert new.inputs == {"data": (2, 1, 11, 11)}
    assert report.preserving
    grey = picture(new)
    coloured = {"data": np.repeat(grey["data"], 3, axis=1)}
    check_same(net, new, grey, coloured)
    np.testing.assert_array_equal(report.earlier_input(grey["data"]), coloured["data"])


@first
def test_further_channels_with_filters_of_zeros_change_nothing(kind, tmp_path):
    net = first_net(**kind)
    new, report = change_input(net, channels=5, how="zero")
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert report.preserving
    inputs = picture(new)
    check_same(net, new, inputs, {"data": inputs["data"][:, :3]})
    np.testing.assert_array_equal(report.earlier_input(inputs["data"]), inputs["data"][:, :3])


@pytest.mark.parametrize(
    ("channels", "how", "expected"),
    [
        (1, "sum", lambda w: w.sum(axis=1, keepdims=True)),
        (1, "mean", lambda w: w.mean(axis=1, keepdims=True)),
        (1, "copy", lambda w: w[:, :1]),
        (2, "sum", lambda w: np.stack([w[:, 0] + w[:, 2], w[:, 1]], axis=1)),
        (2, "mean", lambda w: np.stack([(w[:, 0] + w[:, 2]) / 2, w[:, 1]], axis=1)),
        (4, None, lambda w: np.concatenate([w, w.mean(axis=1, keepdims=True)], axis=1)),
        (7, "copy", lambda w: w[:, [0, 1, 2, 0, 1, 2, 0]]),
        (4, "zero", lambda w: np.pad(w, ((0, 0), (0, 1), (0, 0), (0, 0)))),
    ],
)
def test_the_rule_of_each_way(channels, how, expected):
    net = first_net()
    new, report = change_input(net, channels=channels, how=how)
    np.testing.assert_allclose(
        new.params["conv"][0], expected(net.params["conv"][0]), rtol=1e-6, atol=1e-7
    )
    np.testing.assert_array_equal(new.params["conv"][1], net.params["conv"][1])
    assert report.notes[0].startswith(f"from 3 to {channels} channels: ")
    check_counts(net, new, report)


def test_another_size_shows_every_later_shape(tmp_path):
    net = first_net()
    new, report = change_input(net, size=[17, 15])
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert report.notes == (
        "data: (2, 3, 11, 11) becomes (2, 3, 17, 15)",
        "conv: (2, 4, 9, 9) becomes (2, 4, 15, 13)",
        "pool: (2, 4, 5, 5) becomes (2, 4, 8, 7)",
        "conv2: (2, 5, 4, 4) becomes (2, 5, 7, 6)",
    )
    both, report = change_input(net, size=16, channels=4)
    assert both.inputs == {"data": (2, 4, 16, 16)}
    assert not report.preserving


def test_an_inner_product_that_breaks_offers_the_cast(shared):
    path = shared / "golden" / "nets" / "lenet.prototxt"
    net = zoo.Net.read(path).initialized()
    with pytest.raises(NetError, match=r"'ip1'.*fully_convolutional") as caught:
        change_input(net, size=40)
    assert caught.value.layer == "ip1"
    definition, report = change_input(zoo.Net.read(path), size=40)
    assert [blob.layer for blob in report.of("reshaped")] == ["ip1"]


TRAINING = """
layer { name: "data" type: "SOURCE" top: "data" top: "label" FIELDS
        transform_param { crop_size: 11 mean_value: 1 mean_value: 2 mean_value: 6 scale: 0.5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 } }
"""


def training(source="Data", fields=""):
    text = TRAINING.replace("SOURCE", source).replace("FIELDS", fields)
    net = zoo.Net(
        text_format.Parse(text, NetParameter()),
        phase="TRAIN",
        shapes={"data": (2, 3, 11, 11), "label": (2,)},
    )
    return net.initialized()


def test_a_source_of_pictures_follows():
    transform = change_input(training(), size=21)[0].layer("data").definition.transform_param
    assert transform.crop_size == 21
    new, report = change_input(training("ImageData"), channels=1)
    source = new.layer("data").definition
    assert source.transform_param.force_gray
    assert not source.image_data_param.is_color
    assert list(source.transform_param.mean_value) == [3]
    assert "data: mean_value is [3.0] now" in report.notes
    new, report = change_input(training(), size=[5, 7], channels=4)
    assert list(new.layer("data").definition.transform_param.mean_value) == [1, 2, 6, 3]
    assert new.inputs["data"] == (2, 4, 5, 7)
    assert any("5 x 7" in note for note in report.notes)
    new, _ = swap_channels(training())
    assert list(new.layer("data").definition.transform_param.mean_value) == [6, 2, 1]
    new, report = fold_preprocessing(training(), [1, 2, 6], 0.5)
    assert not new.layer("data").definition.transform_param.mean_value
    assert any("mean_value and scale went" in note for note in report.notes)


@pytest.mark.parametrize(
    ("definition", "get"),
    [
        (
            """type: "MemoryData" memory_data_param
            { batch_size: 2 channels: 3 height: 11 width: 11 }""",
            lambda layer: (layer.memory_data_param.channels, layer.memory_data_param.height),
        ),
        (
            """type: "DummyData" dummy_data_param { num: 2 num: 2 channels: 3 channels: 1
            height: 11 height: 1 width: 11 width: 1 }""",
            lambda layer: tuple(layer.dummy_data_param.shape[0].dim)[1:3],
        ),
    ],
)
def test_sources_that_state_their_shape_state_the_new_one(definition, get):
    text = f"""layer {{ name: "data" {definition} top: "data" top: "label" }}
        {CONVOLUTION.replace("SETTINGS", "")}"""
    net = net_of(text)
    new, report = change_input(net, size=13, channels=1, blob="data")
    assert get(new.layer("data").definition) == (1, 13)
    assert new.inputs["data"] == (2, 1, 13, 13)
    assert new.blobs["label"] == net.blobs["label"]
    again = zoo.Net(new.definition)
    assert again.blobs == new.blobs


@first
def test_blue_and_red_change_places(kind, tmp_path):
    net = first_net(**kind)
    new, report = swap_channels(net)
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    inputs = picture(net)
    check_same(net, new, inputs, {"data": inputs["data"][:, ::-1]})
    np.testing.assert_array_equal(report.earlier_input(inputs["data"]), inputs["data"][:, ::-1])
    assert any("BGR reads RGB now" in note for note in report.notes)
    back, _ = swap_channels(new)
    for name, blobs in net.params.items():
        for one, other in zip(blobs, back.params[name], strict=True):
            np.testing.assert_array_equal(one, other)


@first
def test_raw_pixels_give_the_same_as_prepared_ones(kind, tmp_path):
    net = first_net(**kind)
    mean, scale = [104, 117, 123], 0.017
    new, report = fold_preprocessing(net, mean, scale)
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    raw = np.random.default_rng(0).integers(0, 256, (2, 3, 11, 11)).astype(np.float32)
    ready = ((raw - np.reshape(mean, (1, 3, 1, 1))) * scale).astype(np.float32)
    check_same(net, new, {"data": raw}, {"data": ready}, tolerance=2e-5)
    np.testing.assert_allclose(report.earlier_input(raw), ready, rtol=1e-5, atol=1e-5)
    padded = "pad" in kind.get("settings", "")
    assert ("data_scaled" in report.added) == padded
    assert any("pads the picture" in note for note in report.notes) == padded
    if kind.get("fully") == TURNED:
        return  # OpenCV reads no transposed weights
    theirs = opencv_values(new, {"data": raw}, new.outputs, tmp_path)
    for name, value in zoo.run(new, {"data": raw}).items():
        assert relative_error(theirs[name].reshape(value.shape), value) < 1e-5


def test_a_scale_alone_goes_into_a_layer_that_pads():
    net = first_net("pad: 1")
    new, report = fold_preprocessing(net, scale=1 / 255)
    assert report.added == ()
    inputs = {"data": 255 * picture(net)["data"]}
    check_same(net, new, inputs, picture(net))


def test_raw_rgb_in_the_place_of_prepared_bgr():
    net = first_net()
    swapped, _ = swap_channels(net)
    new, _ = fold_preprocessing(swapped, [123, 117, 104], 0.5)
    rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 11, 11)).astype(np.float32)
    bgr = (rgb[:, ::-1] - np.reshape([104, 117, 123], (1, 3, 1, 1))) * 0.5
    check_same(net, new, {"data": rgb}, {"data": bgr.astype(np.float32)})


def test_only_the_reader_that_pads_reads_the_layer_in_front():
    text = (
        PICTURE
        + CONVOLUTION.replace("SETTINGS", "pad: 1")
        + CONVOLUTION.replace('"conv"', '"valid"').replace("SETTINGS", "")
        + """layer { name: "crop" type: "Crop" bottom: "conv" bottom: "data" top: "crop" }"""
    )
    net = net_of(text)
    new, report = fold_preprocessing(net, [1, 2, 3])
    assert new.layer("conv").bottoms == ("data_scaled",)
    assert new.layer("valid").bottoms == ("data",)
    assert new.layer("crop").bottoms == ("conv", "data")
    raw = picture(net)
    ready = {"data": report.earlier_input(raw["data"]).astype(np.float32)}
    check_same(net, new, raw, ready)


def test_a_layer_for_each_channel_may_stand_in_front():
    front = (
        'layer { name: "half" type: "Power" bottom: "data" top: "half" power_param { scale: 2 } }'
    )
    body = CONVOLUTION.replace('bottom: "data"', 'bottom: "half"').replace("SETTINGS", "")
    net = net_of(PICTURE + front + body)
    new, report = change_input(net, channels=1)
    grey = picture(new)
    check_same(net, new, grey, {"data": np.repeat(grey["data"], 3, axis=1)})
    new, report = fold_preprocessing(net, 100)
    raw = picture(net)
    ready = {"data": report.earlier_input(raw["data"]).astype(np.float32)}
    check_same(net, new, raw, ready)


def test_squeezenet_reads_raw_rgb_photographs(shared):
    model = shared / "models" / "squeezenet_v1.0"
    net = zoo.Net.read(model / "deploy.prototxt", model / "squeezenet_v1.0.caffemodel")
    new, _ = fold_preprocessing(swap_channels(net)[0], [123, 117, 104])
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (1, *net.inputs["data"][1:])).astype(np.float32)
    bgr = rgb[:, ::-1] - np.reshape([104, 117, 123], (1, 3, 1, 1)).astype(np.float32)
    blob = net.outputs[-1]
    one = zoo.run(net, {"data": bgr}, [blob])[blob]
    other = zoo.run(new, {"data": rgb}, [blob])[blob]
    assert relative_error(other, one) < 1e-4


NORM_FIRST = PICTURE + 'layer { name: "norm" type: "BatchNorm" bottom: "data" top: "norm" }\n'
GROUPS = PICTURE + CONVOLUTION.replace("num_output: 4", "num_output: 6 group: 3").replace(
    "SETTINGS", ""
)
LABELLED = (
    PICTURE
    + CONVOLUTION.replace("SETTINGS", "")
    + """layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "quiet" type: "Silence" bottom: "label" }\n"""
)
PAIR = """layer { name: "data" type: "Input" top: "data" top: "other"
    input_param { shape { dim: 2 dim: 3 dim: 11 dim: 11 } } }
layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "other" top: "sum" }\n"""


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda net: change_input(net, channels=0), "1 or more"),
        (lambda net: change_input(net, channels=2**31), "at most 2147483647"),
        (lambda net: change_input(net, size=[True, 3]), "size: expected 1 or more, received True"),
        (lambda net: change_input(net, size=0), "1 or more"),
        (lambda net: change_input(net, size=[3, 3, 3]), "expected one number, or 2"),
        (lambda net: change_input(net, size=2), "conv"),
        (lambda net: change_input(net, channels=4, how="sum"), "mean, copy or zero"),
        (lambda net: change_input(net, channels=1, how="zero"), "sum, mean or copy"),
        (lambda net: change_input(net, channels=1, how="sums"), "Did you mean sum"),
        (lambda net: change_input(net, size=20, how="sum"), "another number of them"),
        (lambda net: change_input(net, channels=1, blob="dat"), "Did you mean data"),
        (lambda net: change_input(net_of(NORM_FIRST), channels=1), r"'norm'.*\(BatchNorm\)"),
        (lambda net: change_input(net_of(GROUPS), channels=1), "'conv'.*groups"),
        (lambda net: change_input(net_of(PAIR), channels=1), "several inputs, data, other"),
        (lambda net: change_input(net_of(PAIR), channels=1, blob="other"), r"'sum'.*\(Eltwise\)"),
        (lambda net: swap_channels(change_input(net, channels=1)[0]), "3 channels"),
        (lambda net: fold_preprocessing(net, [1, 2]), "one number, or 3"),
        (lambda net: fold_preprocessing(net, "mean.npy"), "one number, or 3"),
        (lambda net: fold_preprocessing(net, 1, 0), "other than 0"),
        (lambda net: fold_preprocessing(net, 1, float("inf")), "other than 0"),
        (lambda net: fold_preprocessing(net, [1, 2, float("nan")]), "one number, or 3"),
        (lambda net: change_input(net_of(LABELLED), 9, blob="label"), r"\(2,\) has no channels"),
        (lambda net: fold_preprocessing(net_of(LABELLED), 1, blob="label"), "has no channels"),
        (lambda net: fold_preprocessing(zoo.Net(net.definition), 1), "no weights"),
    ],
)
def test_what_makes_no_sense_is_refused(operation, message):
    with pytest.raises(UsageError, match=message):
        operation(first_net())
