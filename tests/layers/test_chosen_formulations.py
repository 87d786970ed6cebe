"""Which Keras layer computes a grouped convolution: measured, see benchmarks."""

import keras
import numpy as np
import pytest
from google.protobuf import text_format

from zoo.build.model import to_keras
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.keras_layers.grouped import GroupedConv2D
from zoo.net import Net


def model_of(channels, group, settings="kernel_size: 3"):
    text = f"""
        layer {{ name: "data" type: "Input" top: "data"
                 input_param {{ shape {{ dim: 1 dim: {channels} dim: 8 dim: 8 }} }} }}
        layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
                 convolution_param {{ num_output: 12 group: {group} {settings}
                                      weight_filler {{ type: "xavier" }} }} }}"""
    return to_keras(Net(text_format.Parse(text, NetParameter())))


@pytest.mark.parametrize(
    ("channels", "group", "settings", "expected"),
    [
        (6, 1, "kernel_size: 3", keras.layers.Conv2D),
        (6, 2, "kernel_size: 3", GroupedConv2D),
        (6, 6, "kernel_size: 3 stride: 2", keras.layers.DepthwiseConv2D),
        (6, 6, "kernel_size: 3 stride_h: 2 stride_w: 1", keras.layers.Conv2D),
        (1, 1, "kernel_size: 3", keras.layers.Conv2D),
    ],
)
def test_groups_choose_the_layer(channels, group, settings, expected):
    assert type(model_of(channels, group, settings).get_layer("conv")) is expected


def test_a_model_with_groups_survives_a_file(tmp_path):
    model = model_of(6, 2)
    picture = np.random.default_rng(0).normal(size=(2, 8, 8, 6)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        again.predict(picture, verbose=0), model.predict(picture, verbose=0)
    )
