"""Gradients of the forks' layers, against finite differences."""

import pytest

import zoo
from zoo.build.check_gradient import check_gradients

X = 'input: "x" input_shape { dim: 2 dim: 18 dim: 6 dim: 8 }'
Y = 'input: "y" input_shape { dim: 2 dim: 18 dim: 6 dim: 8 }'
FACTORS = 'input: "a" input_shape { dim: 2 dim: 18 dim: 1 dim: 1 }'
REGIONS = 'input: "r" input_shape { dim: 4 dim: 5 }'
# Few values for losses, since float32 sums are not exact.
FEW = ['input: "x" input_shape { dim: 2 dim: 6 }', 'input: "y" input_shape { dim: 2 dim: 6 }']
MASK = Y.replace('"y"', '"mask"')

# Definition of the layer, its inputs, and how many bottoms and params have a gradient.
LAYERS = {
    "roi": (
        'type: "ROIPooling" bottom: "x" bottom: "r"'
        " roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.125 }",
        [X, REGIONS],
        1,
    ),
    "psroi": (
        'type: "PSROIPooling" bottom: "x" bottom: "r"'
        " psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.125 }",
        [X, REGIONS],
        1,
    ),
    "unpool": ('type: "Upsample" bottom: "x" bottom: "mask"', [X, MASK], 1),
    "repeat": ('type: "Upsample" bottom: "x" upsample_param { scale: 3 }', [X], 1),
    "bn_learn": ('type: "BN" bottom: "x" bn_param { bn_mode: LEARN }', [X], 3),
    "bn_inference": ('type: "BN" bottom: "x" bn_param { bn_mode: INFERENCE }', [X], 3),
    "depthwise": (
        'type: "DepthwiseConvolution" bottom: "x"'
        " convolution_param { num_output: 18 kernel_size: 3 pad: 1 }",
        [X],
        3,
    ),
    "relu6": ('type: "ReLU6" bottom: "x"', [X], 1),
    "shuffle": ('type: "ShuffleChannel" bottom: "x" shuffle_channel_param { group: 3 }', [X], 1),
    "axpy": ('type: "Axpy" bottom: "a" bottom: "x" bottom: "y"', [FACTORS, X, Y], 3),
    "crelu": ('type: "CReLU" bottom: "x" crelu_param { negative_slope: 0.1 }', [X], 1),
    "l2": ('type: "L2Norm" bottom: "x"', [X], 1),
    "selu": ('type: "SeLu" bottom: "x"', [X], 1),
    "reorg": ('type: "Reorg" bottom: "x" reorg_param { stride: 1 }', [X], 1),
    "l1": ('type: "L1Loss" bottom: "x" bottom: "y"', FEW, 2),
    "smooth_l1": (
        'type: "SmoothL1Loss" bottom: "x" bottom: "y" smooth_l1_loss_param { sigma: 2 }',
        FEW,
        2,
    ),
    "pyloss": (
        'type: "Python" bottom: "x" bottom: "y"'
        ' python_param { module: "pyloss" layer: "EuclideanLossLayer" }',
        FEW,
        2,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_agree_with_finite_differences(name, tmp_path):
    layer, inputs, parts = LAYERS[name]
    path = tmp_path / "net.prototxt"
    newline = "\n"
    path.write_text(f'{newline.join(inputs)}\nlayer {{ name: "layer" top: "top" {layer} }}')
    checks = check_gradients(zoo.Net.read(path), ["layer"], points=12)
    assert len(checks) == parts
    for check in checks:
        assert check.passed, check
