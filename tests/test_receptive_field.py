"""Receptive fields against what pictures of a single lit pixel reach, and the known tables."""

from fractions import Fraction

import numpy as np
import pytest

import zoo
from zoo.receptive_field import receptive_fields

SIDE = (22, 26)


def read(tmp_path, *layers, height=SIDE[0], width=SIDE[1]):
    path = tmp_path / "net.prototxt"
    head = f'input: "data" input_shape {{ dim: 1 dim: 1 dim: {height} dim: {width} }}\n'
    path.write_text(head + "\n".join(layers))
    return zoo.Net.read(path)


def layer(kind, name, bottoms, params=""):
    reads = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {reads} top: "{name}" {params} }}'


def convolution(name, bottom, kernel, *rest, kind="Convolution"):
    settings = f"num_output: 1 bias_term: false kernel_size: {kernel} {' '.join(rest)}"
    return layer(kind, name, bottom, f"convolution_param {{ {settings} }}")


def pooling(name, bottom, settings):
    return layer("Pooling", name, bottom, f"pooling_param {{ {settings} }}")


def lit(net, blob):
    """For each place of a blob (rows, columns, pixels): whether the pixel alone changes it."""
    ones = {name: [np.ones(s) for s in shapes] for name, shapes in net.param_shapes.items()}
    height, width = next(iter(net.inputs.values()))[2:]
    pictures = np.eye(height * width, dtype=np.float32).reshape(-1, 1, height, width)
    values = zoo.run(net.with_params(ones), {"data": pictures}, [blob])[blob][:, 0]
    # Some kernels leave rounding errors where nothing is added up; a real reach is much larger.
    return values.reshape(height, width, *values.shape[1:]) > 1e-6


def seen(reached, row, column):
    """The hull of the pixels that reach a place: (rows, columns)."""
    rows, columns = np.nonzero(reached[:, :, row, column])
    return (rows.min(), rows.max()), (columns.min(), columns.max())


def check(net, blob):
    """Every place sees no pixel outside its field; inner places see the field from end to end."""
    field = receptive_fields(net)[blob]
    reached = lit(net, blob)
    inner = 0
    for row in range(reached.shape[2]):
        for column in range(reached.shape[3]):
            if not reached[:, :, row, column].any():
                continue
            told = field.pixels(row, column)
            real = seen(reached, row, column)
            for (first, last), (low, high), size in zip(told, real, SIDE, strict=True):
                assert first <= low <= high <= last
                if first >= 0 and last < size:
                    assert (first, last) == (low, high)
                    inner += 1
    assert inner, "no place lies within the picture, so nothing was shown"
    return field


def test_a_chain_of_windows(tmp_path):
    net = read(
        tmp_path,
        convolution("a", "data", 3, "stride: 2", "pad: 1"),
        convolution("b", "a", 3, "dilation: 2"),
        pooling("c", "b", "pool: MAX kernel_size: 2 stride: 2"),
    )
    field = check(net, "c")
    assert (field.size, field.stride, field.start) == ((13, 13), (4, 4), (-1, -1))


def test_axes_may_differ(tmp_path):
    settings = "num_output: 1 bias_term: false kernel_h: 5 kernel_w: 3 stride_h: 1 stride_w: 2"
    net = read(tmp_path, layer("Convolution", "a", "data", f"convolution_param {{ {settings} }}"))
    field = check(net, "a")
    assert (field.size, field.stride) == ((5, 3), (1, 2))


def test_branches_are_seen_together(tmp_path):
    net = read(
        tmp_path,
        convolution("one", "data", 1),
        convolution("three", "data", 3, "pad: 1"),
        convolution("five", "three", 5, "pad: 2"),
        pooling("pool", "data", "pool: MAX kernel_size: 3 stride: 1 pad: 1"),
        layer("Eltwise", "sum", "one five pool"),
    )
    field = check(net, "sum")
    assert (field.size, field.start) == ((7, 7), (-3, -3))


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(4, 2, 1), (3, 2, 0), (3, 3, 0), (5, 3, 2)])
def test_deconvolution_has_a_stride_below_one(tmp_path, kernel, stride, pad):
    net = read(
        tmp_path,
        convolution("down", "data", 3, "stride: 2"),
        convolution("up", "down", kernel, f"stride: {stride}", f"pad: {pad}", kind="Deconvolution"),
        convolution("last", "up", 3, "pad: 1"),
    )
    assert check(net, "up").stride == (Fraction(2, stride),) * 2
    check(net, "last")


def test_a_place_between_the_windows_of_a_deconvolution_counts_as_its_neighbour(tmp_path):
    net = read(tmp_path, convolution("up", "data", 2, "stride: 3", kind="Deconvolution"))
    field, reached = receptive_fields(net)["up"], lit(net, "up")
    assert not reached[:, :, 2].any()
    assert [field.pixels(row, 0)[0] for row in range(4)] == [(0, 0), (0, 0), (0, 0), (1, 1)]


def test_crop_shifts(tmp_path):
    net = read(
        tmp_path,
        convolution("large", "data", 1),
        convolution("small", "data", 5),
        layer("Crop", "cut", "large small", "crop_param { axis: 2 offset: 3 offset: 1 }"),
    )
    assert check(net, "cut").start == (3, 1)


def test_lrn_within_a_channel_is_a_window(tmp_path):
    lrn = "lrn_param { norm_region: WITHIN_CHANNEL local_size: 5 }"
    net = read(tmp_path, layer("LRN", "lrn", "data", lrn))
    assert receptive_fields(net)["lrn"].start == (-2, -2)
    net = read(tmp_path, layer("LRN", "lrn", "data"))
    assert receptive_fields(net)["lrn"].size == (1, 1)


@pytest.mark.parametrize("seed", range(12))
def test_random_nets(tmp_path, seed):
    rng = np.random.default_rng(seed)
    layers, bottom = [], "data"
    for number in range(rng.integers(2, 5)):
        name, kernel, stride = f"l{number}", rng.integers(1, 4), rng.integers(1, 3)
        pad = rng.integers(0, kernel)
        window = f"kernel_size: {kernel} stride: {stride} pad: {pad}"
        kind = rng.integers(4)
        if kind == 0:
            dilation = f"dilation: {rng.integers(1, 3)}"
            rest = (f"stride: {stride}", f"pad: {pad}", dilation)
            layers.append(convolution(name, bottom, kernel, *rest))
        elif kind == 1:
            layers.append(pooling(name, bottom, f"pool: {rng.choice(['MAX', 'AVE'])} {window}"))
        elif kind == 2 and number:
            rest = (f"stride: {stride}", f"pad: {pad // 2}")
            layers.append(convolution(name, bottom, kernel + 1, *rest, kind="Deconvolution"))
        else:
            layers.append(convolution(f"{name}a", bottom, 3, "pad: 1"))
            layers.append(layer("Eltwise", name, f"{name}a {bottom}"))
        bottom = name
    check(read(tmp_path, *layers), bottom)


def test_layers_over_the_whole_picture(tmp_path):
    net = read(
        tmp_path,
        convolution("conv", "data", 3, "stride: 2"),
        pooling("global", "conv", "pool: AVE global_pooling: true"),
        layer("InnerProduct", "ip", "conv", "inner_product_param { num_output: 4 }"),
        layer("MVN", "mvn", "conv"),
        layer("ReLU", "relu", "ip"),
        layer("Eltwise", "sum", "conv mvn"),
    )
    fields = receptive_fields(net)
    for name in ("global", "ip", "mvn", "relu", "sum"):
        assert fields[name].whole
        assert (fields[name].size, fields[name].stride) == (SIDE, (None, None))
    assert not fields["conv"].whole


def test_values_without_rows_and_columns_keep_their_size(tmp_path):
    other = "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 6 } }"
    net = read(
        tmp_path,
        convolution("conv", "data", 3, "stride: 2"),
        layer("Flatten", "flat", "conv"),
        layer("ReLU", "relu", "flat"),
        layer("Reshape", "turned", "conv", other),
        convolution("after", "turned", 3),
    )
    fields = receptive_fields(net)
    assert (fields["relu"].size, fields["relu"].stride) == ((3, 3), (None, None))
    assert fields["relu"].start == (None, None)
    assert fields["after"] is None  # a window over values that lie nowhere


def test_labels_and_unknown_kinds_have_no_field(tmp_path):
    text = (
        'layer { name: "in" type: "Input" top: "label" input_param { shape { dim: 1 } } }',
        layer("Mystery", "what", "data"),
        layer("ReLU", "after", "what"),
    )
    fields = receptive_fields(read(tmp_path, *text))
    assert (fields["label"], fields["what"], fields["after"]) == (None, None, None)


def test_branches_of_different_strides_are_as_large_as_their_largest_union(tmp_path):
    net = read(
        tmp_path,
        convolution("fine", "data", 3, "stride: 1"),
        pooling("coarse", "data", "pool: MAX kernel_size: 2 stride: 2"),
        layer("Crop", "cut", "fine coarse", "crop_param { axis: 2 }"),
        layer("Eltwise", "sum", "coarse cut"),
    )
    field = receptive_fields(net)["sum"]
    last = (SIDE[0] // 2 - 1, SIDE[1] // 2 - 1)
    assert field.size == tuple(2 * place + 1 - place + 1 for place in last)
    assert field.stride == (None, None)


ALEXNET = {
    "conv1": (11, 4), "pool1": (19, 8), "conv2": (51, 8), "pool2": (67, 16), "conv3": (99, 16),
    "conv4": (131, 16), "conv5": (163, 16), "pool5": (195, 32),
}  # fmt: skip


def test_the_table_of_alexnet(shared):
    net = zoo.Net.read(shared / "prototxt/BVLC+caffe/models/bvlc_alexnet/deploy.prototxt")
    fields = receptive_fields(net)
    assert {name: (fields[name].size[0], fields[name].stride[0]) for name in ALEXNET} == ALEXNET
    assert fields["fc6"].whole


def test_the_fields_of_the_literature(shared):
    vgg = receptive_fields(zoo.Net.read(shared / "golden/nets/vgg16.prototxt"))
    assert (vgg["pool5"].size, vgg["pool5"].stride) == ((212, 212), (32, 32))
    fcn = receptive_fields(zoo.Net.read(shared / "golden/nets/voc_fcn8s.prototxt"))
    assert (fcn["fc7"].size, fcn["score"].stride) == ((404, 404), (1, 1))
    resnet = receptive_fields(zoo.Net.read(shared / "golden/nets/resnet50.prototxt"))
    assert (resnet["res5c"].size, resnet["res5c"].stride) == ((483, 483), (32, 32))
