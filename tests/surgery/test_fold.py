"""Folding: fewer layers, the same numbers, and never a blob that somebody wanted changed."""

import numpy as np
import pytest
from google.protobuf import text_format
from reference import relative_error

from zoo.build.predict import Predictor
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import UsageError
from zoo.net import Net
from zoo.surgery.fold import fold

INPUT = """layer { name: "data" type: "Input" top: "data"
                   input_param { shape { dim: 2 dim: 6 dim: 9 dim: 9 } } }\n"""
NORM = 'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "x" }\n'
SCALE = """layer { name: "scale" type: "Scale" bottom: "x" top: "x"
                   scale_param { bias_term: true } }\n"""


def read(text, seed=3, phase="TEST"):
    """A net with random weights, biases and statistics."""
    net = Net(text_format.Parse(text, NetParameter()), phase=phase).initialized()
    rng = np.random.default_rng(seed)
    params = {}
    for layer in net.layers:
        blobs = [rng.normal(size=shape) for shape in layer.param_shapes]
        if layer.type == "BatchNorm":
            blobs[1:] = [rng.uniform(1, 3, layer.param_shapes[1]), np.full(1, 2.5)]
        if len(blobs) == 4:
            blobs[3] = rng.uniform(1, 3, layer.param_shapes[3])
        if blobs:
            params[layer.name] = [blob.astype(np.float32) for blob in blobs]
    return net.with_params(params)


def convolution(settings="", kind="Convolution", bottom="data", top="x", name="conv"):
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}"'
        f" convolution_param {{ num_output: 6 kernel_size: 3 {settings} }} }}\n"
    )


def inner_product(settings="", bottom="data"):
    return (
        f'layer {{ name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "x"'
        f" inner_product_param {{ num_output: 5 {settings} }} }}\n"
    )


def names(net):
    return [layer.name for layer in net.layers]


def check(net, keep=None, **shapes):
    """Fold, compare every kept blob with the plain net, and give the folded net and the report."""
    folded, report = fold(net, keep)
    wanted = net.outputs if keep is None else keep
    rng = np.random.default_rng(0)
    inputs = {
        name: rng.normal(size=shapes.get(name, shape)).astype(np.float32)
        for name, shape in net.inputs.items()
    }
    expected = Predictor(net, wanted)(inputs)
    received = Predictor(folded, wanted)(inputs)
    for name in wanted:
        assert folded.blobs[name] == net.blobs[name]
        assert relative_error(received[name], expected[name]) < 1e-5, name
    return folded, report


LINEAR = {
    "convolution": convolution(),
    "no bias": convolution("bias_term: false"),
    "groups": convolution("group: 3 pad: 1 bias_term: false"),
    "depthwise": convolution("group: 6 pad: 1"),
    "depthwise kind": convolution("pad: 1", kind="DepthwiseConvolution"),
    "dilated": convolution("dilation: 2 stride: 2"),
    "deconvolution": convolution("stride: 2", kind="Deconvolution"),
    "deconvolution in groups": convolution(
        "stride: 2 group: 2 pad: 1 bias_term: false", kind="Deconvolution"
    ),
    "inner product": inner_product(),
    "transposed": inner_product("transpose: true bias_term: false"),
}


@pytest.mark.parametrize("maker", LINEAR.values(), ids=LINEAR)
def test_batch_norm_and_scale_go_into_the_layer_before(maker):
    net = read(INPUT + maker + NORM + SCALE)
    folded, report = check(net)
    assert names(folded) == names(net)[:2]
    assert report.folded == dict.fromkeys(("bn", "scale"), names(net)[1])
    assert net.param_count > folded.param_count


@pytest.mark.parametrize("maker", LINEAR.values(), ids=LINEAR)
@pytest.mark.parametrize("shift", [True, False])
def test_a_scale_in_front_is_taken_over_where_that_is_exact(maker, shift):
    front = f"""layer {{ name: "front" type: "Scale" bottom: "data" top: "f"
                        scale_param {{ bias_term: {str(shift).lower()} }} }}\n"""
    net = read(INPUT + front + maker.replace('"data"', '"f"'))
    folded, report = check(net)
    exact = "Deconvolution" not in maker and not (shift and "pad" in maker)
    assert names(folded) == (["data"] if exact else ["data", "front"]) + names(net)[2:]
    assert bool(report.folded) == exact


def test_chains_of_any_order_become_one():
    chain = [
        NORM,
        SCALE,
        'layer { name: "bias" type: "Bias" bottom: "x" top: "y" }\n',
        'layer { name: "one" type: "Scale" bottom: "y" top: "y" scale_param { num_axes: 0 } }\n',
        'layer { name: "power" type: "Power" bottom: "y" top: "z"'
        " power_param { scale: -2 shift: 0.5 } }\n",
    ]
    net = read(INPUT + convolution("bias_term: false") + "".join(chain))
    folded, report = check(net)
    assert names(folded) == ["data", "conv"]
    assert folded.outputs == ["z"]
    assert list(report.folded) == ["bn", "scale", "bias", "one", "power"]
    # Without weights before them they become one Scale.
    alone = read(INPUT + "".join(chain).replace('"x"', '"data"', 1).replace('"x"', '"data"'))
    folded, report = check(alone)
    assert [layer.type for layer in folded.layers] == ["Input", "Scale"]
    assert set(report.folded.values()) == {"bn"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("BN", ""), ("BN", "bn_param { bn_mode: INFERENCE }"), ("SyncBN", "bn_param { eps: 0.1 }")],
)
def test_the_batch_norms_of_forks_go_too(kind, settings):
    norm = f'layer {{ name: "bn" type: "{kind}" bottom: "x" top: "x" {settings} }}\n'
    folded, _ = check(read(INPUT + convolution() + norm))
    assert names(folded) == ["data", "conv"]


def test_a_batch_norm_with_factor_0_divides_by_the_root_of_epsilon():
    net = read(INPUT + convolution("pad: 1") + NORM)
    net = net.with_params({"bn": [*net.params["bn"][:2], np.zeros(1, np.float32)]})
    folded, _ = check(net)
    np.testing.assert_allclose(
        folded.params["conv"][0], net.params["conv"][0] / np.sqrt(1e-5), rtol=1e-4
    )


def test_numbers_that_leave_float32_are_not_folded():
    net = read(INPUT + convolution() + NORM.replace("}", "batch_norm_param { eps: 0 } }"))
    zero = np.zeros(6, np.float32)
    net = net.with_params({"bn": [zero, zero, np.ones(1, np.float32)]})
    folded, report = fold(net)
    assert folded is net
    assert not report.folded


BRANCH = 'layer { name: "other" type: "AbsVal" bottom: "x" top: "other" }\n'
NOT_FOLDED = {
    "a second reader": (convolution() + BRANCH + NORM.replace('top: "x"', 'top: "y"'), None),
    "a wanted blob": (convolution() + NORM.replace('top: "x"', 'top: "y"'), ["x", "y"]),
    "the batch's statistics": (
        convolution() + NORM.replace("}", "batch_norm_param { use_global_stats: false } }"),
        None,
    ),
    "shared weights": (
        convolution().replace("convolution_param", 'param { name: "w" } convolution_param')
        + NORM
        + convolution(name="twin", top="twin").replace(
            "convolution_param", 'param { name: "w" } convolution_param'
        ),
        None,
    ),
    "values for each place": (
        convolution()
        + 'layer { name: "s" type: "Scale" bottom: "x" top: "x" scale_param { num_axes: 3 } }',
        None,
    ),
    "another axis": (
        inner_product("axis: 2")
        + 'layer { name: "s" type: "Scale" bottom: "x" top: "x" scale_param { axis: 1 } }',
        None,
    ),
    "two tops": (
        'layer { name: "conv" type: "Convolution" bottom: "data" bottom: "data" top: "x" top: "y"'
        " convolution_param { num_output: 6 kernel_size: 3 } }\n" + NORM,
        None,
    ),
    "a factor that is a blob": (
        'layer { name: "f" type: "Input" top: "f" input_param { shape { dim: 2 dim: 6 } } }'
        + convolution()
        + 'layer { name: "s" type: "Scale" bottom: "x" bottom: "f" top: "s"'
        " scale_param { axis: 0 } }",
        None,
    ),
    "a nonlinear layer between": (
        convolution() + 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }' + NORM,
        None,
    ),
}


@pytest.mark.parametrize(("text", "keep"), NOT_FOLDED.values(), ids=NOT_FOLDED)
def test_what_must_stay_stays(text, keep):
    net = read(INPUT + text)
    folded, report = check(net, keep)
    assert names(folded) == names(net)
    assert not report.folded


def test_in_the_training_phase_nothing_is_done():
    net = read(INPUT + convolution() + NORM, phase="TRAIN")
    folded, report = fold(net)
    assert folded is net
    assert "TRAIN phase" in report.notes[0]


def test_the_report_says_what_became_of_every_value():
    net = read(INPUT + convolution("bias_term: false") + NORM + SCALE)
    folded, report = fold(net, keep=["x"])
    counts = report.counts()
    assert report.operation == "fold(keep=['x'])"
    assert report.preserving
    assert counts["recomputed"] == folded.param_count == 6 * 6 * 9 + 6
    assert counts["dropped"] == 13 + 12
    assert report.removed == ("bn", "scale")


def test_layers_without_weights_stay():
    net = Net(text_format.Parse(INPUT + convolution() + NORM, NetParameter()))
    folded, report = fold(net)
    assert names(folded) == names(net)
    assert not report.folded


def test_what_passes_its_bottom_on_is_gone():
    text = """
        layer { name: "split" type: "Split" bottom: "data" top: "a" top: "b" }
        layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
        layer { name: "drop" type: "Dropout" bottom: "b" top: "dropped" }
        layer { name: "join" type: "Concat" bottom: "dropped" top: "joined" }
        layer { name: "power" type: "Power" bottom: "a" top: "a" }
        layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "joined" top: "sum" }
        layer { name: "tile" type: "Tile" bottom: "sum" top: "tile" tile_param { tiles: 1 } }
        layer { name: "waste" type: "AbsVal" bottom: "a" top: "waste" }
        layer { name: "silence" type: "Silence" bottom: "waste" }"""
    folded, report = check(read(INPUT + text))
    assert names(folded) == ["data", "relu", "sum"]
    assert folded.outputs == ["tile"]
    assert report.left_out["silence"] == report.left_out["waste"] != report.left_out["drop"]


def test_a_blob_that_is_written_in_place_later_is_not_read_too_late():
    text = """
        layer { name: "split" type: "Split" bottom: "data" top: "a" top: "b" }
        layer { name: "conv" type: "Convolution" bottom: "a" top: "x"
                convolution_param { num_output: 6 kernel_size: 1 } }
        layer { name: "drop" type: "Dropout" bottom: "x" top: "kept" }
        layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }
        layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "kept" top: "sum" }"""
    net = read(INPUT + text)
    for keep in (None, ["sum", "kept"], ["sum", "x", "b"]):
        check(net, keep)


def test_an_input_written_in_place_keeps_its_name():
    text = """
        layer { name: "front" type: "Power" bottom: "data" top: "data" power_param { scale: 2 } }
        layer { name: "drop" type: "Dropout" bottom: "data" top: "data" }"""
    for keep in (None, ["data", "x"]):
        folded, _ = check(read(INPUT + text + convolution()), keep)
        assert list(folded.inputs) == ["data"]


def test_an_unknown_blob_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="no blob is named 'xx'.*Did you mean x"):
        fold(read(INPUT + convolution()), keep=["xx"])
    with pytest.raises(UsageError, match="keep: expected the name of a blob"):
        fold(read(INPUT + convolution()), keep=[])


def test_the_net_is_not_changed_and_the_report_goes_with_the_new_one():
    net = read(INPUT + convolution("bias_term: false") + NORM + SCALE)
    definition, params = (
        net.to_prototxt(),
        {name: list(map(np.copy, b)) for name, b in net.params.items()},
    )
    folded, report = fold(net)
    assert net.to_prototxt() == definition
    for name, blobs in params.items():
        for received, expected in zip(net.params[name], blobs, strict=True):
            np.testing.assert_array_equal(received, expected)
    assert report.notes == ("bn, scale into conv.",)
    assert folded.report.folded == list(report.notes)
    assert net.report.folded == []


def test_a_folded_net_survives_a_file(tmp_path):
    folded, _ = fold(read(INPUT + convolution("bias_term: false") + NORM + SCALE))
    folded.save(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    again = Net.read(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    assert again.definition == folded.definition
    np.testing.assert_array_equal(again.params["conv"][1], folded.params["conv"][1])


def test_a_size_that_the_net_was_given_stays():
    net = read(INPUT + convolution() + NORM).reshape({"data": (1, 6, 20, 20)})
    assert fold(net)[0].blobs["x"] == (1, 6, 18, 18)


@pytest.mark.parametrize("shapes", [{}, {"m": (2, 6, 9, 9)}])
def test_layers_of_unknown_kinds_stay_with_what_is_known_of_them(shapes):
    text = 'layer { name: "mystery" type: "Mystery" bottom: "data" top: "m" }\n'
    text = INPUT + text + convolution(bottom="m") + NORM
    net = Net(text_format.Parse(text, NetParameter()), shapes=shapes).initialized()
    folded, report = fold(net)
    assert names(folded) == ["data", "mystery", "conv"] + ["bn"] * (not shapes)
    assert folded.blobs == net.blobs
    assert bool(report.folded) == bool(shapes)


BLOCKS = [
    convolution("pad: 1 bias_term: false", bottom="IN", top="OUT", name="NAME"),
    convolution("pad: 1 group: 2", bottom="IN", top="OUT", name="NAME"),
    convolution("pad: 1", bottom="IN", top="OUT", name="NAME", kind="DepthwiseConvolution"),
    'layer { name: "NAME" type: "Convolution" bottom: "IN" top: "OUT"'
    " convolution_param { num_output: 6 kernel_size: 1 } }\n",
    'layer { name: "NAME" type: "BatchNorm" bottom: "IN" top: "OUT" }\n',
    'layer { name: "NAME" type: "Scale" bottom: "IN" top: "OUT"'
    " scale_param { bias_term: true } }\n",
    'layer { name: "NAME" type: "Bias" bottom: "IN" top: "OUT" }\n',
    'layer { name: "NAME" type: "ReLU" bottom: "IN" top: "OUT" }\n',
    'layer { name: "NAME" type: "Dropout" bottom: "IN" top: "OUT" }\n',
    'layer { name: "NAME" type: "Eltwise" bottom: "IN" bottom: "OTHER" top: "NEW" }\n',
    'layer { name: "NAME" type: "Split" bottom: "IN" top: "NEW" top: "TOO" }\n',
]


def random_net(rng):
    """Layers on random earlier blobs of one shape, the elementwise ones in place half the time."""
    text, blobs = INPUT, ["data"]
    for number in range(int(rng.integers(4, 12))):
        block = BLOCKS[rng.integers(len(BLOCKS))]
        new, bottom = f"b{number}", blobs[-1] if rng.random() < 0.8 else str(rng.choice(blobs))
        in_place = rng.random() < 0.5 and "Convolution" not in block
        text += (
            block.replace("NAME", f"l{number}")
            .replace('"IN"', f'"{bottom}"')
            .replace("OTHER", str(rng.choice(blobs)))
            .replace("OUT", bottom if in_place else new)
            .replace("NEW", new)
            .replace("TOO", f"{new}_too")
        )
        if not (in_place and "OUT" in block):
            blobs.append(new)
    return text, blobs


@pytest.mark.parametrize("seed", range(15))
def test_random_nets_compute_the_same(seed):
    rng = np.random.default_rng(seed)
    text, blobs = random_net(rng)
    net = read(text, seed)
    check(net)
    check(net, sorted({str(name) for name in rng.choice(blobs, 2)}))
