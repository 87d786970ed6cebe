"""InnerProduct to Convolution and back: the same numbers, and a map on larger pictures."""

import numpy as np
import pytest
from reference import load_fill, read_case, recipe_inputs, recipe_params, relative_error
from surgery_check import check_counts, check_files, check_round_trip
from surgery_nets import conv, data, layer, net_of, product, random_inputs

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.cast import classifier, fully_convolutional

RELU = layer("ReLU", "relu", "ip1", top="ip1")
SOFTMAX = layer("Softmax", "prob", "ip2")
TWO = product("ip1", "conv") + RELU + product("ip2", "ip1", 4)
START = data("2 3 9 7") + conv("conv", "data")
NETS = {
    "two with a relu": START + TWO + SOFTMAX,
    "transposed": START
    + TWO.replace("num_output: 4", "num_output: 4 transpose: true").replace(
        "num_output: 5", "num_output: 5 transpose: true"
    ),
    "without biases": START + TWO.replace("num_output", "bias_term: false num_output"),
    "counted from the end": START
    + product("ip1", "conv", 5, "axis: -3")
    + product("ip2", "ip1", 4, "axis: -1")
    + layer("Softmax", "prob", "ip2", "softmax_param { axis: -1 }"),
    "right on the picture": data() + product("ip1", "data") + RELU + product("ip2", "ip1"),
    "flattened": START
    + layer("Flatten", "flat", "conv")
    + product("ip", "flat")
    + TWO.replace('"conv"', '"ip"'),
    "flattened twice, with layers between": START
    + layer("Reshape", "flat", "conv", "reshape_param { shape { dim: 0 dim: -1 } }")
    + layer("ReLU", "positive", "flat", top="flat")
    + layer("Dropout", "drop", "flat")
    + layer("Flatten", "again", "drop")
    + product("ip1", "again")
    + layer("Reshape", "row", "ip1", "reshape_param { shape { dim: 0 dim: -1 } }")
    + product("ip2", "row"),
    "a flattened blob that is read elsewhere too": START
    + layer("Flatten", "flat", "conv")
    + conv("aside", "conv")
    + product("ip1", "flat"),
    "flattened branches": START
    + conv("other", "data", 6)
    + layer("Flatten", "a", "conv")
    + layer("Flatten", "b", "other")
    + layer("Concat", "both", "a b")
    + product("ip1", "both"),
    "layers that take each channel by itself": START
    + product("ip1", "conv", 6)
    + layer("BatchNorm", "norm", "ip1", top="ip1")
    + layer("Scale", "scale", "ip1", "scale_param { axis: -1 bias_term: true }", top="ip1")
    + layer("Bias", "bias", "ip1")
    + layer("PReLU", "prelu", "bias")
    + layer("Slice", "halves", "prelu", top="a b")
    + product("ip2", "a", 3)
    + layer("Eltwise", "sum", "ip2 b")
    + layer("Concat", "end", "sum a", "concat_param { axis: -1 }")
    + layer("ArgMax", "best", "end"),
    "a flattened end": START + product("ip1", "conv") + layer("Flatten", "end", "ip1"),
    "a global pooling": START
    + layer("Pooling", "pool", "conv", "pooling_param { pool: AVE global_pooling: true }")
    + product("ip1", "pool"),
    "a tall picture": data("1 2 8 3") + product("ip1", "data"),
    "five axes": data("1 2 3 4 4") + product("ip1", "data"),
    "shared weights": START
    + product("ip1", "conv").replace("inner_product", 'param { name: "w" } inner_product')
    + product("twin", "conv").replace("inner_product", 'param { name: "w" } inner_product'),
}
NOT_IN_OPENCV = {
    "layers that take each channel by itself",  # it has no ArgMax
    "a flattened end",  # it calls a last layer like its top
}


def names_of_outputs(net, cast):
    """The outputs of both, in the order of the layers that make them."""
    made = [[top for each in one.layers for top in each.tops] for one in (net, cast)]
    outputs = [
        sorted(one.outputs, key=tops.index) for one, tops in zip((net, cast), made, strict=True)
    ]
    return list(zip(*outputs, strict=True))


def check_same(net, other, inputs, tolerance=1e-5):
    pairs = names_of_outputs(net, other)
    expected = zoo.run(net, inputs, [old for old, _ in pairs])
    received = zoo.run(other, inputs, [new for _, new in pairs])
    for old, new in pairs:
        assert expected[old].size == received[new].size
        flat = received[new].reshape(expected[old].shape)
        assert relative_error(flat, expected[old]) <= tolerance, old


@pytest.mark.parametrize("name", NETS)
def test_on_the_old_size_the_cast_net_and_the_way_back_give_the_same(name, tmp_path):
    net = net_of(NETS[name])
    before = net.to_prototxt()
    cast, report = fully_convolutional(net)
    assert not [each for each in cast.layers if each.type in ("InnerProduct", "Flatten", "Reshape")]
    assert cast.param_count == net.param_count
    check_counts(net, cast, report)
    assert report.preserving
    inputs = random_inputs(net)
    check_same(net, cast, inputs)
    check_round_trip(cast, tmp_path, inputs)
    if name not in NOT_IN_OPENCV:
        check_files(cast, inputs, tmp_path)
    back, report = classifier(cast)
    assert not [each for each in back.layers if each.name.endswith("-conv")]
    check_counts(cast, back, report)
    check_same(net, back, inputs)
    assert net.to_prototxt() == before


WINDOWED = (
    data("1 3 12 10")
    + conv("conv1", "data", 4)
    + layer("ReLU", "relu1", "conv1", top="conv1")
    + layer("Pooling", "pool1", "conv1", "pooling_param { kernel_size: 2 stride: 2 }")
    + conv("conv2", "pool1", 6, "kernel_size: 2")
    + product("ip1", "conv2", 7)
    + layer("TanH", "tanh", "ip1", top="ip1")
    + product("ip2", "ip1", 4)
    + layer("Softmax", "prob", "ip2")
)


@pytest.mark.parametrize("size", [[12, 10], [24, 20], [17, 31]])
@pytest.mark.parametrize("name", ["InnerProduct", "global pooling"])
def test_every_place_has_what_the_classifier_says_of_its_window(size, name):
    """Without padding in the net, so that a window has no border of zeros of its own."""
    text = WINDOWED
    if name == "global pooling":
        pool = layer("Pooling", "p", "conv2", "pooling_param { pool: AVE global_pooling: true }")
        text = text.replace(product("ip1", "conv2", 7), pool + product("ip1", "p", 7))
    net = net_of(text)
    cast, report = fully_convolutional(net, size=size)
    assert report.preserving is False
    picture = random_inputs(cast)["data"]
    found = zoo.run(cast, {"data": picture})["prob"]
    rows, columns = (size[0] - 12) // 2 + 1, (size[1] - 10) // 2 + 1
    # Where pooling rounds up there is one more, of a window that leaves the picture.
    found = found[:, :, :rows, :columns]
    windows = np.concatenate(
        [
            picture[:, :, 2 * row : 2 * row + 12, 2 * column : 2 * column + 10]
            for row in range(rows)
            for column in range(columns)
        ]
    )
    expected = zoo.run(net, {"data": windows})["prob"].T.reshape(1, 4, rows, columns)
    assert relative_error(found, expected) < 1e-5


def test_the_size_stands_in_the_definition(tmp_path):
    cast, _ = fully_convolutional(net_of(WINDOWED), size=40)
    cast.save(tmp_path / "net.prototxt")
    assert zoo.Net.read(tmp_path / "net.prototxt").blobs["prob"] == (1, 4, 15, 16)
    back, _ = classifier(cast, size=[12, 10])
    assert back.blobs["prob"] == (1, 4)


def test_names_can_be_chosen_and_kept():
    cast, report = fully_convolutional(net_of(WINDOWED), names={"ip1": "ip1", "ip2": "scores"})
    assert cast.layer("ip1").type == cast.layer("scores").type == "Convolution"
    assert "scores" in cast.blobs
    assert [each.fate for each in report.blobs if each.layer == "ip1"] == ["reshaped", "kept"]


def test_a_definition_without_weights_is_cast_too():
    net = zoo.Net(net_of(WINDOWED).definition)
    cast, report = fully_convolutional(net)
    assert cast.params == {}
    assert cast.param_shapes["ip1-conv"] == [(7, 6, 4, 3), (7,)]
    check_counts(net, cast, report)


GOLDEN = ["lenet", "cifar10_full", "cifar10_full_sigmoid_bn", "alexnet", "caffenet", "googlenet"]
SLOW = ["resnet50", "vgg16"]


@pytest.mark.parametrize(
    "name", [*GOLDEN, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_published_classifiers_give_the_same_on_their_own_size(shared, name):
    fill = load_fill(shared)
    case, _ = read_case(shared, name)
    net = zoo.Net.read(shared / "golden/nets" / f"{name}.prototxt")
    net = net.with_params(recipe_params(fill, net, case["gain"]))
    cast, report = fully_convolutional(net)
    check_counts(net, cast, report)
    inputs = {name: recipe_inputs(fill, case)[name] for name in net.inputs}
    check_same(net, cast, inputs)


def test_caffenet_becomes_the_published_full_conv_net_with_caffes_numbers(shared):
    fill = load_fill(shared)
    case, stored = read_case(shared, "caffenet_full_conv")
    folder = shared / "golden/nets"
    theirs = zoo.Net.read(folder / "caffenet_full_conv.prototxt")
    cast, _ = fully_convolutional(zoo.Net.read(folder / "caffenet.prototxt"), size=[259, 291])
    cast = cast.reshape({"data": theirs.inputs["data"]})
    assert cast.blobs == theirs.blobs
    assert cast.param_shapes == theirs.param_shapes
    inputs = recipe_inputs(fill, case)
    blobs = ["fc6-conv", "fc8-conv", "prob"]
    cast = cast.with_params(recipe_params(fill, cast, case["gain"]))
    for blob, value in zoo.run(cast, inputs, blobs).items():
        stride = case["blobs"][blob].get("stored_stride", 1)
        expected = stored[f"blob:{blob}"]
        value = value.reshape(-1)[::stride].reshape(expected.shape)
        assert relative_error(value, expected) <= 1e-4, blob


def test_caffenet_on_451_pixels_gives_8_x_8_places(shared):
    net = zoo.Net.read(shared / "golden/nets/caffenet.prototxt")
    cast, _ = fully_convolutional(net, size=451)
    assert cast.blobs["prob"][1:] == (1000, 8, 8)
    back, _ = classifier(cast, size=227)
    assert [each.name for each in back.layers] == [each.name for each in net.layers]
    assert back.param_shapes == net.param_shapes


REFUSED = {
    "no rows and columns": (data("2 6") + product("ip", "data"), "'ip'.*no rows and columns"),
    "another axis": (START + product("ip", "conv", 4, "axis: 2"), "axis 2"),
    "nothing to cast": (START, "nothing|no InnerProduct and no global pooling"),
    "a reshape of its rows": (
        START
        + product("ip", "conv", 6)
        + layer("Reshape", "two", "ip", "reshape_param { shape { dim: 0 dim: 2 dim: 3 } }"),
        "'two'.*a Reshape computes something else",
    ),
    "a join with a blob that has no rows": (
        START
        + data("2 5", "facts")
        + product("ip", "conv", 6)
        + layer("Concat", "both", "ip facts"),
        "'both'.*cannot go on",
    ),
    "a factor for each channel": (
        START
        + product("ip", "conv", 4)
        + layer("Scale", "gated", "conv ip", "scale_param { axis: 0 }"),
        "'gated'.*second bottom",
    ),
    "weights for each place": (
        START
        + layer("Flatten", "flat", "conv")
        + layer("Scale", "scaled", "flat")
        + product("ip", "scaled"),
        "'ip'.*no rows|'scaled'.*channels",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_cast_is_refused_by_name(text, message):
    with pytest.raises(NetError, match=message):
        fully_convolutional(net_of(text))


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="no InnerProduct is named 'ip11'.*ip1"):
        fully_convolutional(net_of(WINDOWED), names={"ip11": "x"})
    with pytest.raises(UsageError, match="'conv1' already"):
        fully_convolutional(net_of(WINDOWED), names={"ip1": "conv1"})


def test_a_pooling_whose_result_scales_the_picture_stays_global():
    text = (
        START
        + layer("Pooling", "all", "conv", "pooling_param { pool: AVE global_pooling: true }")
        + conv("gate", "all", 4, "kernel_size: 1")
        + layer("Reshape", "factor", "gate", "reshape_param { shape { dim: 0 dim: 4 } }")
        + layer("Scale", "gated", "conv factor", "scale_param { axis: 0 }")
        + product("ip", "gated")
    )
    cast, _ = fully_convolutional(net_of(text), size=[11, 9])
    assert cast.layer("all").definition.pooling_param.global_pooling
    assert cast.blobs["ip-conv"] == (2, 5, 3, 3)


def test_the_way_back_leaves_convolutions_that_something_needs_as_they_are():
    text = (
        data("2 3 1 1")
        + conv("first", "data", 4, "kernel_size: 1")
        + layer("Pooling", "pool", "first", "pooling_param { pool: AVE global_pooling: true }")
        + conv("second", "pool", 4, "kernel_size: 1")
        + layer("Softmax", "prob", "second")
    )
    net = net_of(text)
    back, report = classifier(net)
    assert [each.name for each in back.layers] == ["data", "first", "pool", "second-fc", "prob"]
    check_same(net, back, random_inputs(net))
    check_counts(net, back, report)


def test_without_a_convolution_that_covers_its_bottom_there_is_no_way_back():
    with pytest.raises(NetError, match="covers its whole bottom"):
        classifier(net_of(START))
