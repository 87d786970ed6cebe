"""A whole SSD, as its deploy.prototxt is written, with random weights, against OpenCV's dnn."""

import numpy as np
import pytest
from opencv_reference import opencv_values

import zoo
from zoo.build.predict import predictor
from zoo.caffe.deploy import to_deploy
from zoo.caffe.read import parse_definition

CLASSES = 4


def conv(name, bottom, outputs, kernel=3, stride=1):
    return f"""
layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
  convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2}
                      stride: {stride} weight_filler {{ type: "xavier" }} }} }}"""


def relu(name):
    return f'layer {{ name: "{name}_relu" type: "ReLU" bottom: "{name}" top: "{name}" }}'


def head(source, size, largest, ratios, step):
    """What SSD puts on a blob: offsets and scores of the boxes at each place, and their priors."""
    boxes = 2 + 2 * len(ratios)
    written = " ".join(f"aspect_ratio: {ratio}" for ratio in ratios)
    text = ""
    for what, outputs in (("loc", 4 * boxes), ("conf", CLASSES * boxes)):
        name = f"{source}_mbox_{what}"
        text += (
            conv(name, source, outputs)
            + f"""
layer {{ name: "{name}_perm" type: "Permute" bottom: "{name}" top: "{name}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{name}_flat" type: "Flatten" bottom: "{name}_perm" top: "{name}_flat"
  flatten_param {{ axis: 1 }} }}"""
        )
    return (
        text
        + f"""
layer {{ name: "{source}_mbox_priorbox" type: "PriorBox" bottom: "{source}" bottom: "data"
  top: "{source}_mbox_priorbox" prior_box_param {{ min_size: {size} max_size: {largest} {written}
  flip: true clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: {step}
  offset: 0.5 }} }}"""
    )


def concat(name, parts, axis):
    bottoms = " ".join(f'bottom: "{part}_mbox_{name}"' for part in parts)
    top = f"mbox_{name.removesuffix('_flat')}"
    return f"""
layer {{ name: "{top}" type: "Concat" {bottoms} top: "{top}" concat_param {{ axis: {axis} }} }}"""


BODY = (
    conv("conv1", "data", 8, stride=2)
    + relu("conv1")
    + conv("conv2", "conv1", 12, stride=2)
    + relu("conv2")
    + """
layer { name: "conv2_norm" type: "Normalize" bottom: "conv2" top: "conv2_norm"
  norm_param { across_spatial: false scale_filler { type: "constant" value: 20 }
               channel_shared: false } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }"""
    + conv("fc3", "pool2", 16)
    + relu("fc3")
    + head("conv2_norm", 6, 12, [2], 4)
    + head("fc3", 12, 24, [2, 3], 8)
    + concat("loc_flat", ["conv2_norm", "fc3"], 1)
    + concat("conf_flat", ["conv2_norm", "fc3"], 1)
    + concat("priorbox", ["conv2_norm", "fc3"], 2)
)
OUTPUT = f"""
layer {{ name: "mbox_conf_reshape" type: "Reshape" bottom: "mbox_conf" top: "mbox_conf_reshape"
  reshape_param {{ shape {{ dim: 0 dim: -1 dim: {CLASSES} }} }} }}
layer {{ name: "mbox_conf_softmax" type: "Softmax" bottom: "mbox_conf_reshape"
  top: "mbox_conf_softmax" softmax_param {{ axis: 2 }} }}
layer {{ name: "mbox_conf_flatten" type: "Flatten" bottom: "mbox_conf_softmax"
  top: "mbox_conf_flatten" flatten_param {{ axis: 1 }} }}
layer {{ name: "detection_out" type: "DetectionOutput" bottom: "mbox_loc"
  bottom: "mbox_conf_flatten" bottom: "mbox_priorbox" top: "detection_out" include {{ phase: TEST }}
  detection_output_param {{ num_classes: {CLASSES} share_location: true background_label_id: 0
    nms_param {{ nms_threshold: 0.45 top_k: 100 }} code_type: CENTER_SIZE keep_top_k: 20
    confidence_threshold: 0.26 }} }}"""
DEPLOY = f'name: "ssd" input: "data" input_dim: [2, 3, 32, 48] {BODY}{OUTPUT}'
TRAIN = f"""name: "ssd_train"
layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ mirror: true mean_value: 104 mean_value: 117 mean_value: 123
    resize_param {{ prob: 1 resize_mode: WARP height: 32 width: 48 interp_mode: LINEAR }}
    emit_constraint {{ emit_type: CENTER }}
    distort_param {{ brightness_prob: 0.5 brightness_delta: 32 }}
    expand_param {{ prob: 0.5 max_expand_ratio: 4 }} }}
  data_param {{ source: "voc_lmdb" batch_size: 8 backend: LMDB }}
  annotated_data_param {{ batch_sampler {{ max_sample: 1 max_trials: 50
    sampler {{ min_scale: 0.3 max_scale: 1 }}
    sample_constraint {{ min_jaccard_overlap: 0.1 }} }} label_map_file: "labelmap.prototxt" }} }}
{BODY}
layer {{ name: "mbox_loss" type: "MultiBoxLoss" bottom: "mbox_loc" bottom: "mbox_conf"
  bottom: "mbox_priorbox" bottom: "label" top: "mbox_loss" include {{ phase: TRAIN }}
  propagate_down: true propagate_down: true propagate_down: false propagate_down: false
  loss_param {{ normalization: VALID }} multibox_loss_param {{ num_classes: {CLASSES}
    loc_loss_type: SMOOTH_L1 conf_loss_type: SOFTMAX code_type: CENTER_SIZE neg_pos_ratio: 3
    mining_type: MAX_NEGATIVE }} }}"""


@pytest.fixture
def ssd(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(DEPLOY)
    return zoo.Net.read(path).initialized(seed=3)


def pictures(height=32, width=48, batch=2):
    return np.random.default_rng(0).normal(size=(batch, 3, height, width)).astype(np.float32)


def test_shapes_of_an_ssd_are_those_of_caffe(ssd):
    assert ssd.unsupported == {}
    places = {"conv2_norm": 8 * 12 * 4, "fc3": 4 * 6 * 6}
    total = sum(places.values())
    assert ssd.blobs["conv2_norm_mbox_priorbox"] == (1, 2, 4 * places["conv2_norm"])
    assert ssd.blobs["mbox_priorbox"] == (1, 2, 4 * total)
    assert ssd.blobs["mbox_loc"] == (2, 4 * total)
    assert ssd.blobs["mbox_conf_softmax"] == (2, total, CLASSES)
    assert ssd.blobs["detection_out"] == (1, 1, 1, 7)
    assert ssd.param_shapes["conv2_norm"] == [(12,)]


def test_an_ssd_detects_what_opencv_detects(ssd, tmp_path):
    blobs = ["mbox_loc", "mbox_conf_flatten", "mbox_priorbox", "detection_out"]
    inputs = {"data": pictures()}
    received = predictor(ssd, blobs)(inputs)
    expected = opencv_values(ssd, inputs, blobs, tmp_path)
    for blob in blobs[:3]:
        np.testing.assert_allclose(received[blob], expected[blob], rtol=1e-4, atol=1e-5)
    found = received["detection_out"][0, 0]
    assert len(found) == 40
    order = np.lexsort((-found[:, 2], found[:, 0]))  # OpenCV's
    np.testing.assert_allclose(found[order], expected["detection_out"][0, 0], rtol=1e-4, atol=1e-5)


def test_an_ssd_takes_pictures_of_other_sizes_as_caffe_does_after_reshape(ssd):
    other = {"data": pictures(40, 56, batch=1)}
    received = predictor(ssd)(other)["detection_out"]
    reshaped = ssd.reshape({"data": (1, 3, 40, 56)})
    np.testing.assert_allclose(received, predictor(reshaped)(other)["detection_out"], rtol=1e-6)


def test_the_training_definition_of_ssd_is_read_and_made_fit_to_deploy(tmp_path):
    path = tmp_path / "train.prototxt"
    path.write_text(TRAIN)
    net = zoo.Net.read(path, phase="train")
    assert net.blobs["data"] == (8, 3, 32, 48)
    assert net.blobs["label"] == (1, 1, 1, 8)
    assert net.blobs["mbox_loss"] == ()
    definition = parse_definition(TRAIN)
    deploy, notes = to_deploy(definition)
    assert "MultiBoxLoss 'mbox_loss' was dropped." in notes
    assert [layer.type for layer in deploy.layer][0] == "Input"
    assert zoo.Net(deploy).outputs == ["mbox_loc", "mbox_conf", "mbox_priorbox"]


def test_the_data_layer_of_ssd_says_how_pictures_are_prepared():
    from zoo.caffe.data_source import preprocessing

    found = preprocessing(parse_definition(TRAIN))
    assert (found["size"], found["resize"], found["channels"]) == ([32, 48], [32, 48], "BGR")
    assert found["mean"] == [104, 117, 123]


def test_a_written_ssd_is_read_again_as_it_was(ssd, tmp_path):
    ssd.save(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    again = zoo.Net.read(tmp_path / "again.prototxt", tmp_path / "again.caffemodel")
    assert again.definition == ssd.definition
    inputs = {"data": pictures()}
    expected = predictor(ssd)(inputs)["detection_out"]
    np.testing.assert_array_equal(predictor(again)(inputs)["detection_out"], expected)
