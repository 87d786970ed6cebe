"""FCN-32s, 16s and 8s from classifiers: the published nets come out, and scores lie over pixels."""

import json

import numpy as np
import pytest
from reference import relative_error
from surgery_check import check_counts, check_files
from surgery_nets import conv, data, layer, net_of, product, random_inputs

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.skip import fcn

PUBLISHED = {
    "VGG16 to FCN-8s": ("vgg16", 8, "voc-fcn8s/deploy"),
    "VGG16 to FCN-32s": ("vgg16", 32, "voc-fcn32s/val"),
    "CaffeNet to FCN-32s": ("caffenet", 32, "voc-fcn-alexnet/val"),
}
WINDOWS = ("kernel_size", "stride", "pad", "num_output", "bias_term")


@pytest.mark.parametrize(("name", "stride", "published"), PUBLISHED.values(), ids=PUBLISHED)
def test_blobs_and_params_are_those_of_the_published_nets(shared, name, stride, published):
    path = f"golden/shapes/shelhamer+fcn.berkeleyvision.org/{published}.json"
    theirs = json.loads((shared / path).read_text())["phases"]["TEST"]
    before = zoo.Net.read(shared / f"golden/nets/{name}.prototxt")
    net, report = fcn(before, 21, stride)
    net = net.reshape({"data": theirs["blobs"]["data"]})
    expected = {
        blob: tuple(shape)
        for blob, shape in theirs["blobs"].items()
        if blob not in ("label", "loss")
    }
    assert net.blobs == expected
    assert list(net.blobs) == list(expected)
    assert net.param_shapes == {
        each["name"]: [tuple(shape) for shape in each["params"]]
        for each in theirs["layers"]
        if each["params"]
    }
    check_counts(before, net, report)


def test_layers_are_those_of_the_published_fcn8s(shared):
    folder = shared / "golden/nets"
    theirs = zoo.Net.read(folder / "voc_fcn8s.prototxt")
    ours, _ = fcn(zoo.Net.read(folder / "vgg16.prototxt"), 21, stride=8)
    ours_by_name = {each.name: each for each in ours.layers if each.type != "Dropout"}
    assert set(ours_by_name) - {"data"} == {each.name for each in theirs.layers} - {"input"}
    for each in theirs.layers[1:]:
        own = ours_by_name[each.name]
        assert (own.type, own.bottoms, own.tops) == (each.type, each.bottoms, each.tops)
        assert list(own.definition.crop_param.offset) == list(each.definition.crop_param.offset)
        one, other = own.definition.convolution_param, each.definition.convolution_param
        for field in WINDOWS:
            values = [getattr(param, field) for param in (one, other)]
            usual = {"stride": [1], "pad": [0]}.get(field)
            values = [list(v) if field in WINDOWS[:3] else v for v in values]
            assert (values[0] or usual) == (values[1] or usual), (each.name, field)
        if each.type == "Deconvolution":
            assert [spec.lr_mult for spec in own.definition.param] == [0]


@pytest.mark.parametrize(
    ("name", "stride", "last"),
    [("vgg16", 32, 19), ("vgg16", 16, 27), ("vgg16", 8, 31), ("caffenet", 32, 18)],
)
def test_offsets_are_the_published_ones(shared, name, stride, last):
    net, _ = fcn(zoo.Net.read(shared / f"golden/nets/{name}.prototxt"), 21, stride)
    offsets = {
        each.name: list(each.definition.crop_param.offset)
        for each in net.layers
        if each.type == "Crop"
    }
    skips = {"score_pool4c": [5], "score_pool3c": [9]} if name == "vgg16" else {}
    skips = dict(list(skips.items())[: {32: 0, 16: 1, 8: 2}[stride]])
    assert offsets == {**skips, "score": [last]}


def pooled(first="kernel_size: 3 pad: 1", pool="kernel_size: 2 stride: 2", kernel=3, size="33 47"):
    """A net that averages pixels, twice to half their number, and classifies what is left."""
    average = f"pooling_param {{ pool: AVE {pool} }}"
    return (
        data(f"1 3 {size}")
        + conv("conv1", "data", 3, first)
        + layer("Pooling", "pool1", "conv1", average)
        + layer("Pooling", "pool2", "pool1", average)
        + conv("fc", "pool2", 4, f"kernel_size: {kernel}")
        + layer("Pooling", "all", "fc", "pooling_param { pool: AVE global_pooling: true }")
        + layer("Softmax", "prob", "all")
    )


def with_ramps(net, skips):
    """Weights with which every score is what its place says of a ramp in the picture."""
    params = {}
    for each in net.layers:
        shapes = each.param_shapes
        if each.type == "Convolution":
            weight, bias = (np.zeros(shape, np.float32) for shape in shapes)
            kernel = weight.shape[2:]
            # The middle of the window, or the mean of the middle ones.
            rows, columns = (
                [size // 2] if size % 2 else [size // 2 - 1, size // 2] for size in kernel
            )
            for channel in range(min(weight.shape[:2])):
                share = 1 / (len(rows) * len(columns) * (len(skips) + 1))
                share *= len(skips) + 1 if each.name == "conv1" else 1
                weight[channel, channel][np.ix_(rows, columns)] = share
            params[each.name] = [weight, bias]
    return net.with_params(params)


NETS = {
    "even windows": (pooled(), 4),
    "even windows, skips": (pooled(), 2),
    "odd windows": (pooled(pool="kernel_size: 3 stride: 2"), 4),
    "odd windows, skips": (pooled(pool="kernel_size: 3 stride: 2"), 2),
    "mixed windows": (pooled(kernel=4), 2),
    "three at a time": (pooled(pool="kernel_size: 3 stride: 3"), 3),
    "three at a time, alone": (pooled(pool="kernel_size: 3 stride: 3"), 9),
    "a stride in front": (pooled(first="kernel_size: 5 stride: 2"), 4),
    "a stride in front, all": (pooled(first="kernel_size: 5 stride: 2"), 2),
    "windows that differ": (pooled(first="kernel_h: 3 kernel_w: 5"), 2),
    "nothing lost": (pooled(kernel=1), 2),
    "nothing lost, odd windows": (pooled(kernel=1, pool="kernel_size: 3 stride: 2"), 2),
}


@pytest.mark.parametrize(("text", "stride"), NETS.values(), ids=NETS)
def test_every_score_lies_over_its_pixel(text, stride):
    """Averages and bilinear interpolation leave a ramp as it is, if it is put where it was."""
    before = net_of(text)
    net, report = fcn(before, classes=3, stride=stride, size=[64, 80])
    check_counts(before, net, report)
    skips = [each for each in net.layers if each.type == "Eltwise"]
    rows, columns = np.mgrid[0:64, 0:80].astype(np.float32)
    picture = np.stack([rows, columns, rows - columns])[None]
    found = zoo.run(with_ramps(net, skips), {"data": picture})["score"]
    # Away from the edge, where zeros around the picture are averaged in.
    inside = np.s_[:, :, 24:40, 24:56]
    np.testing.assert_allclose(found[inside], picture[inside], atol=2e-3)


@pytest.mark.parametrize("size", [[33, 47], [34, 35], [50, 41], [61, 64]])
@pytest.mark.parametrize(
    "name",
    [
        "even windows, skips",
        "nothing lost",
        "odd windows, skips",
        "nothing lost, odd windows",
        "three at a time",
    ],
)
def test_pictures_of_any_size_get_a_score_for_each_pixel(name, size):
    net, _ = fcn(net_of(NETS[name][0]), 2, NETS[name][1])
    assert net.reshape({"data": (1, 3, *size)}).blobs["score"] == (1, 2, *size)


def test_an_fcn_starts_at_0_and_survives_files_and_opencv(tmp_path):
    net, report = fcn(net_of(pooled()), 3, stride=2)
    inputs = random_inputs(net)
    assert not zoo.run(net, inputs)["score"].any()
    rng = np.random.default_rng(1)
    learned = {
        name: [rng.normal(size=blob.shape).astype(np.float32) for blob in blobs]
        for name, blobs in net.params.items()
        if name.startswith("score")
    }
    found = check_files(net.with_params(learned), inputs, tmp_path)
    assert found["score"].any()
    assert {each.layer for each in report.of("initialised")} == {
        "score_fr", "upscore2", "score_pool1", "upscore"
    }  # fmt: skip


def test_inner_products_auxiliary_ends_and_labels_go():
    text = (
        data("2 3 16 16")
        + data("2", "label")
        + conv("conv1", "data", 4)
        + layer("Pooling", "pool1", "conv1", "pooling_param { kernel_size: 2 stride: 2 }")
        + product("aside", "pool1", 7)
        + layer("SoftmaxWithLoss", "aside_loss", "aside label", "loss_weight: 0.3")
        + layer("Flatten", "flat", "pool1")
        + product("fc6", "flat", 6)
        + layer("ReLU", "relu6", "fc6", top="fc6")
        + product("fc7", "fc6", 7)
        + layer("SoftmaxWithLoss", "loss", "fc7 label")
    )
    before = net_of(text, phase="TRAIN")
    net, report = fcn(before, 3, stride=2)
    assert list(net.inputs) == ["data"]
    assert net.outputs == ["score"]
    assert net.layer("fc6").type == "Convolution"
    assert net.blobs["score"] == (2, 3, 16, 16)
    assert {"aside", "fc7", "label"} <= set(report.removed)
    check_counts(before, net, report)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 0}, "classes: expected 1 or more"),
        ({"classes": 3, "pad": -1}, "pad: expected 0 or more"),
        ({"classes": 3, "stride": 8}, "has the strides 4, 2, 1, received 8"),
        ({"classes": 3, "stride": 4, "pad": 0}, "give a larger pad"),
    ],
)
def test_what_cannot_be_made_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        fcn(net_of(pooled()), **settings)


def test_a_net_without_a_classifier_is_refused():
    with pytest.raises(NetError, match="classifier"):
        fcn(net_of(data() + conv("conv", "data") + layer("Power", "end", "conv")), 3)


def test_a_name_that_is_taken_is_told():
    text = pooled().replace('"conv1"', '"score"')
    with pytest.raises(UsageError, match="'score' already"):
        fcn(net_of(text), 3, stride=4)


def test_classes_are_interpolated_each_by_itself():
    net, _ = fcn(net_of(pooled()), 3, stride=4)
    weight = net.params["upscore"][0]
    assert relative_error(weight.sum(axis=(2, 3)), 16 * np.eye(3)) < 1e-6
