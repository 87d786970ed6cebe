"""Each kind in ONNX: against real Caffe's blobs, and against the Keras model for other settings."""

import json
from pathlib import Path

import numpy as np
import pytest
from reference import SHARED

from zoo.api import run
from zoo.errors import NetError, UnsupportedLayersError, UsageError
from zoo.exports import onnx_families  # noqa: F401
from zoo.exports.onnx_graph import ONNX_KINDS, register_onnx
from zoo.layers.kind import known_types, layer, lookup
from zoo.net import Net

INDEX = SHARED / "golden" / "layers" / "index.json"
CASES = [
    case
    for case in json.loads(INDEX.read_text() if INDEX.is_file() else "[]")
    if case["phase"] == "TEST"
]
# What has no form in ONNX: it chooses among boxes, writes files, or is only a shape.
LEFT_OUT = {
    "DetectionOutput",
    "HDF5Output",
    "MultiBoxLoss",
    "PSROIPooling",
    "Proposal",
    "Python:rpn.proposal_layer.ProposalLayer",
}
PICTURE = (2, 6, 9, 11)


def net_of(text, *shapes, tmp_path):
    """A net with one layer over inputs a, b, ... of these shapes."""
    inputs = "".join(
        f'input: "{name}" input_shape {{ {"".join(f"dim: {size} " for size in shape)}}}\n'
        for name, shape in zip("abcd", shapes, strict=False)
    )
    bottoms = " ".join(f'bottom: "{name}"' for name in "abcd"[: len(shapes)])
    path = tmp_path / "net.prototxt"
    tops = "" if "top:" in text else 'top: "out"'
    path.write_text(f'{inputs}layer {{ name: "layer" {bottoms} {tops} {text} }}')
    return Net.read(path).initialized(3)


def assert_same(net, inputs, tolerance=1e-5):
    blobs = [blob for blob in net.outputs if blob not in net.inputs]
    expected = run(net, inputs, blobs)
    received = run(net, inputs, blobs, engine="onnxruntime")
    for name in blobs:
        assert received[name].shape == expected[name].shape, name
        largest = np.nanmax(np.abs(expected[name]), initial=1e-3)
        np.testing.assert_allclose(received[name], expected[name], atol=tolerance * largest)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_layer_computes_what_caffe_did(shared, case):
    folder = shared / "golden" / "layers"
    weights = folder / f"{case['name']}.caffemodel"
    net = Net.read(folder / f"{case['name']}.prototxt", weights if weights.is_file() else None)
    stored = np.load(folder / f"{case['name']}.npz")
    inputs = {key[3:]: stored[key] for key in stored.files if key.startswith("in/")}
    blobs = [key[4:] for key in stored.files if key.startswith("out/")]
    received = run(net, inputs, blobs, engine="onnxruntime")
    for name in blobs:
        expected = stored[f"out/{name}"]
        assert received[name].shape == expected.shape
        allowed = case["tolerance"] * max(1, np.abs(expected).max(initial=0))
        assert np.abs(received[name] - expected).max(initial=0) <= allowed, name


def test_every_kind_but_a_few_has_a_form():
    kinds = {name for name in known_types() if not lookup(name).is_source}
    assert kinds - set(ONNX_KINDS) == LEFT_OUT
    assert set(ONNX_KINDS) <= kinds


CONVOLUTION = 'type: "Convolution" convolution_param {{ weight_filler {{ type: "xavier" }} {} }}'
DECONVOLUTION = CONVOLUTION.replace("Conv", "Deconv", 1)
POOLING = 'type: "Pooling" pooling_param {{ {} }}'
ONE_BOTTOM = [
    CONVOLUTION.format("num_output: 4 kernel_h: 3 kernel_w: 5 stride: 2 dilation: 2 pad: 4"),
    CONVOLUTION.format("num_output: 4 kernel_size: 1 stride: 3 group: 2 bias_term: false"),
    CONVOLUTION.format("num_output: 2 kernel_size: 3 pad: 3 axis: -3"),
    CONVOLUTION.format("num_output: 5 kernel_size: 3 axis: 2"),
    CONVOLUTION.format("num_output: 5 axis: 3"),
    CONVOLUTION.format("num_output: 3 kernel_size: 2 axis: 0"),
    DECONVOLUTION.format("num_output: 4 kernel_size: 2 stride: 3 group: 2 pad: 1 dilation: 3"),
    DECONVOLUTION.format("num_output: 4 kernel_h: 1 kernel_w: 4 stride_h: 2 stride_w: 1"),
    'type: "DepthwiseConvolution" convolution_param { num_output: 12 kernel_size: 3 stride: 2 '
    'weight_filler { type: "xavier" } }',
    'type: "ConvolutionDepthwise" convolution_param { num_output: 4 group: 2 kernel_size: 3 '
    'weight_filler { type: "xavier" } }',
    'type: "Im2col" convolution_param { kernel_h: 2 kernel_w: 3 stride: 2 pad: 1 dilation: 2 }',
    'type: "InnerProduct" inner_product_param { num_output: 7 axis: 2 transpose: true '
    'weight_filler { type: "xavier" } }',
    'type: "InnerProduct" inner_product_param { num_output: 7 axis: -1 bias_term: false '
    'weight_filler { type: "xavier" } }',
    POOLING.format("kernel_size: 3 stride: 2 pad: 1"),
    POOLING.format("kernel_size: 2 stride: 3"),
    POOLING.format("kernel_h: 4 kernel_w: 2 stride_h: 3 stride_w: 1 pad_h: 2 pad_w: 1"),
    POOLING.format("pool: AVE kernel_size: 3 stride: 2 pad: 1"),
    POOLING.format("pool: AVE kernel_size: 2 stride: 3"),
    POOLING.format("pool: AVE kernel_size: 2 stride: 5"),
    POOLING.format("kernel_size: 2 stride: 5"),
    POOLING.format("pool: AVE kernel_size: 5 stride: 4 pad: 3"),
    POOLING.format(
        "pool: AVE kernel_h: 2 kernel_w: 3 stride: 3 pad_h: 0 pad_w: 1 round_mode: FLOOR"
    ),
    POOLING.format("pool: AVE global_pooling: true"),
    POOLING.format("pool: STOCHASTIC kernel_size: 3 stride: 2"),
    'top: "out" top: "mask" ' + POOLING.format("kernel_size: 3 stride: 2 pad: 1"),
    'top: "out" top: "mask" ' + POOLING.format("global_pooling: true"),
    'type: "SPP" spp_param { pyramid_height: 3 pool: AVE }',
    'type: "SPP" spp_param { pyramid_height: 2 }',
    'type: "LRN" lrn_param { local_size: 3 alpha: 2 beta: 0.6 k: 3 }',
    'type: "LRN" lrn_param { local_size: 5 alpha: 2 beta: 0.75 norm_region: WITHIN_CHANNEL k: 3 }',
    'type: "BatchNorm" batch_norm_param { use_global_stats: false eps: 0.1 }',
    'type: "Scale" scale_param { axis: 0 num_axes: -1 bias_term: true filler { type: "uniform" } }',
    'type: "Scale" scale_param { axis: 2 num_axes: 1 bias_term: true filler { type: "uniform" } }',
    'type: "Scale" scale_param { num_axes: 0 filler { value: 3 } }',
    'type: "Bias" bias_param { axis: -2 num_axes: 2 filler { type: "gaussian" } }',
    'type: "MVN" mvn_param { across_channels: true eps: 0.01 }',
    'type: "ReLU" relu_param { negative_slope: -0.3 }',
    'type: "PReLU" prelu_param { channel_shared: true }',
    'type: "PReLU" prelu_param { filler { type: "gaussian" std: 1 } }',
    'type: "Exp" exp_param { base: 3 scale: -0.5 shift: 0.2 }',
    'type: "Power" power_param { power: 2 scale: 0.5 shift: 1 }',
    'type: "Power" power_param { power: 3 scale: 0 shift: 2 }',
    'type: "Clip" clip_param { min: -0.2 max: 0.4 }',
    'type: "ReLU6" relu_param { negative_slope: 0.1 }',
    'type: "ReLU6"',
    'type: "SELU"',
    'type: "CReLU" crelu_param { concat_axis: 2 negative_slope: 0.2 }',
    'type: "ShuffleChannel" shuffle_channel_param { group: 3 }',
    'type: "Permute" permute_param { order: 0 order: 3 order: 1 }',
    'type: "Permute" permute_param { order: 1 order: 0 }',
    'type: "Normalize" norm_param { across_spatial: false channel_shared: false '
    'scale_filler { type: "uniform" } }',
    'type: "Normalize" norm_param { scale_filler { value: 20 } }',
    'type: "Normalize"',
    'type: "L2Norm"',
    'type: "Interp" interp_param { zoom_factor: 3 pad_beg: -1 pad_end: -2 }',
    'type: "Interp" interp_param { shrink_factor: 2 }',
    'type: "Interp" interp_param { height: 17 width: 4 }',
    'type: "BN" bn_param { scale_filler { type: "uniform" } shift_filler { type: "gaussian" } }',
    'type: "BN" bn_param { slope_filler { type: "uniform" } }',
    'type: "BN" bn_param { scale_filler { type: "uniform" } bn_mode: INFERENCE }',
    'type: "Upsample" upsample_param { scale_h: 3 scale_w: 2 }',
    'type: "Slice" top: "x" top: "y" top: "z" '
    "slice_param { axis: -1 slice_point: 2 slice_point: 7 }",
    'type: "Slice" top: "x" top: "y" slice_param { axis: 1 }',
    'type: "Tile" tile_param { axis: -2 tiles: 3 }',
    'type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }',
    'type: "ArgMax" argmax_param { axis: -1 top_k: 2 }',
    'type: "Reduction" reduction_param { operation: ASUM axis: -2 coeff: 0.5 }',
    'type: "Reduction" reduction_param { operation: MEAN }',
    'type: "Reshape" reshape_param { shape { dim: 0 dim: 3 dim: -1 dim: 11 } }',
    'type: "Reshape" reshape_param { axis: 1 num_axes: 0 shape { dim: 1 } }',
    'type: "Reshape" reshape_param { axis: 1 num_axes: 2 shape { dim: -1 } }',
    'type: "Flatten" flatten_param { axis: 2 end_axis: 3 }',
    'type: "Softmax" softmax_param { axis: -2 }',
    'type: "Split" top: "copy" top: "twice"',
]


@pytest.mark.parametrize("text", ONE_BOTTOM)
def test_a_layer_over_a_picture_is_the_same_in_both_engines(tmp_path, text):
    net = net_of(text, PICTURE, tmp_path=tmp_path)
    rng = np.random.default_rng(5)
    data = rng.normal(size=PICTURE).astype(np.float32)
    if "STOCHASTIC" in text:
        data = np.abs(data)
    assert_same(net, {"a": data})
    if not any(word in text for word in ("axis: 0", "order: 1 order: 0", "STOCHASTIC")):
        assert_same(net, {"a": np.concatenate([data, -np.abs(data[:1])])[:, :, ::-1].copy()})


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ('type: "Eltwise" eltwise_param { coeff: 1 coeff: -2 coeff: 0.5 }', [PICTURE] * 3),
        ('type: "Eltwise" eltwise_param { operation: PROD }', [PICTURE] * 3),
        ('type: "Eltwise" eltwise_param { operation: MAX }', [PICTURE] * 2),
        ('type: "Concat" concat_param { axis: -2 }', [PICTURE, (2, 6, 3, 11)]),
        (
            'type: "Crop" crop_param { axis: 1 offset: 1 offset: 2 offset: 3 }',
            [PICTURE, (2, 4, 5, 6)],
        ),
        ('type: "Scale" scale_param { axis: 0 bias_term: true }', [PICTURE, (2, 6)]),
        ('type: "Bias" bias_param { axis: 1 }', [PICTURE, (6, 9)]),
        ('type: "Axpy"', [(2, 6, 1, 1), PICTURE, PICTURE]),
        ('type: "Interp"', [PICTURE, (2, 1, 4, 20)]),
        (
            'type: "PriorBox" prior_box_param { min_size: 5.7 max_size: 9 aspect_ratio: 2 '
            "clip: true variance: 0.1 variance: 0.2 variance: 0.3 variance: 0.4 offset: 0.3 }",
            [PICTURE, (2, 3, 90, 70)],
        ),
        (
            'type: "PriorBoxClustered" prior_box_param { width: 9 width: 4 height: 3 height: 8 '
            "step: 7 img_h: 80 img_w: 99 }",
            [PICTURE, (2, 3, 90, 70)],
        ),
        ('type: "EuclideanLoss"', [(3, 4), (3, 4)]),
        (
            'type: "Python" python_param { module: "pyloss" layer: "EuclideanLossLayer" }',
            [(3, 4), (3, 4)],
        ),
        ('type: "L1Loss"', [(3, 4), (3, 4)]),
        ('type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 2 }', [(3, 4)] * 4),
    ],
)
def test_a_layer_over_several_blobs_is_the_same_in_both_engines(tmp_path, text, shapes):
    net = net_of(text, *shapes, tmp_path=tmp_path)
    rng = np.random.default_rng(6)
    assert_same(net, {name: rng.normal(size=shape) for name, shape in net.inputs.items()})


@pytest.mark.parametrize("normalization", ["FULL", "VALID", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "SigmoidCrossEntropyLoss"])
def test_losses_ignore_and_normalise_alike(tmp_path, kind, normalization):
    text = f'type: "{kind}" loss_param {{ ignore_label: 2 normalization: {normalization} }}'
    scores = (2, 6, 3, 4)
    spatial = (2, 3, 4) if kind.startswith("Softmax") else scores
    net = net_of(text, scores, spatial, tmp_path=tmp_path)
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 4, spatial)
    assert_same(net, {"a": rng.normal(size=net.inputs["a"]), "b": labels})
    assert_same(net, {"a": rng.normal(size=net.inputs["a"]), "b": np.full(spatial, 2)})


def test_regions_are_pooled_alike(tmp_path):
    text = 'type: "ROIPooling" roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.25 }'
    net = net_of(text, PICTURE, (4, 5), tmp_path=tmp_path)
    regions = [[0, 0, 0, 43, 35], [1, 10, 4, 20, 30], [0, 40, 30, 41, 31], [1, 2, 2, 100, 90]]
    assert_same(net, {"a": np.random.default_rng(8).normal(size=PICTURE), "b": regions})


def test_what_pooling_took_away_is_put_back_alike(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        input: "data" input_shape { dim: 2 dim: 3 dim: 7 dim: 8 }
        layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask"
                pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
                upsample_param { upsample_h: 7 upsample_w: 8 } }""")
    assert_same(Net.read(path), {"data": np.random.default_rng(9).normal(size=(3, 3, 7, 8))})


def test_a_picture_of_any_size_goes_through_where_the_network_allows(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
                convolution_param { num_output: 4 kernel_size: 3
                                    weight_filler { type: "xavier" } } }
        layer { name: "ave" type: "Pooling" bottom: "conv" top: "ave"
                pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
        layer { name: "shuffle" type: "ShuffleChannel" bottom: "ave" top: "shuffle"
                shuffle_channel_param { group: 2 } }
        layer { name: "up" type: "Interp" bottom: "shuffle" top: "up"
                interp_param { zoom_factor: 2 } }
        layer { name: "crop" type: "Crop" bottom: "up" bottom: "ave" top: "crop"
                crop_param { axis: 2 offset: 1 } }""")
    net = Net.read(path).initialized(1)
    rng = np.random.default_rng(10)
    for shape in [(1, 3, 12, 12), (2, 3, 13, 17), (3, 3, 40, 9)]:
        assert_same(net, {"data": rng.normal(size=shape)})


def test_shared_params_are_stored_once(tmp_path):
    from zoo.exports.onnx_model import onnx_model

    layer_text = """layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s"
        param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }"""
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "a" input_shape { dim: 1 dim: 4 }\n'
        + layer_text % ("one", "a", "x")
        + layer_text % ("two", "x", "y")
    )
    net = Net.read(path).initialized(1)
    stored = [constant.name for constant in onnx_model(net).graph.initializer]
    assert stored == ["one/0", "one/1"]
    assert_same(net, {"a": np.ones((3, 4))})


def test_everything_that_has_no_form_is_named_at_once(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        """
        input: "a" input_shape { dim: 1 dim: 8 }
        input: "p" input_shape { dim: 1 dim: 2 dim: 8 }
        layer { name: "first" type: "DetectionOutput" bottom: "a" bottom: "a" bottom: "p"
                top: "x" detection_output_param { num_classes: 4 } }
        layer { name: "second" type: "DetectionOutput" bottom: "a" bottom: "a" bottom: "p"
                top: "y" detection_output_param { num_classes: 4 } }"""
    )
    net = Net.read(path)
    inputs = {"a": np.zeros((1, 8)), "p": np.zeros((1, 2, 8))}
    with pytest.raises(NetError, match=r"DetectionOutput \(2\): 'first', 'second'"):
        run(net, inputs, engine="onnxruntime")


def test_an_unknown_kind_is_said_to_be_unknown(tmp_path):
    net = net_of('type: "Frobnicate"', (1, 2), tmp_path=tmp_path)
    with pytest.raises(UnsupportedLayersError, match="Frobnicate"):
        run(net, {"a": np.zeros((1, 2))}, ["out"], engine="onnxruntime")


def test_a_kind_of_ones_own_says_how_it_is_written(tmp_path):
    from zoo.layers import kind

    @layer("Triple")
    class Triple(kind.Kind):
        def build(self, site):
            from zoo.keras_layers.elementwise import Power

            return site.elementwise(Power(scale=3.0, name=site.name))

    try:
        net = net_of('type: "Triple"', (2, 3), tmp_path=tmp_path)
        with pytest.raises(NetError, match=r"Triple \(1\): 'layer'"):
            run(net, {"a": np.ones((2, 3))}, engine="onnxruntime")

        @register_onnx("Triple")
        def triple(site):
            return [site.add("Mul", site.bottom, 3.0)]

        assert_same(net, {"a": np.ones((5, 3))})
        with pytest.raises(UsageError, match="'Triple' are already written"):
            register_onnx("Triple")(triple)
    finally:
        kind._KINDS.pop("Triple")
        ONNX_KINDS.pop("Triple", None)


def test_nothing_of_onnx_or_tensorflow_is_imported_to_read_the_table():
    import subprocess
    import sys

    check = (
        "import sys, zoo.exports, zoo.exports.onnx_families\n"
        "assert not {'tensorflow', 'keras', 'onnx', 'onnxruntime'} & set(sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", check], cwd=root, check=True)
