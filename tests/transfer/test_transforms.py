"""transform_param does to a picture what Caffe's DataTransformer does."""

import itertools
import json

import numpy as np
import pytest
from google.protobuf import text_format

from zoo.caffe.mean import write_mean
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError
from zoo.transfer.databases import open_source
from zoo.transfer.databases.transform import Transformer

CASES = [
    "scale",
    "mean_value_1",
    "mean_value_3",
    "mean_value_3_scale",
    "mean_file",
    "crop_even",
    "crop_odd",
    "crop_mean_file_scale",
    "crop_mean_value",
    "encoded_force_color",
    "encoded_force_gray",
    "gray_encoded_force_color",
    "encoded_crop_mean_value",
    "imagedata_plain",
    "imagedata_gray",
    "imagedata_resize",
    "imagedata_resize_crop",
]


def test_no_case_is_forgotten(shared):
    listed = json.loads((shared / "golden" / "formats" / "transforms.json").read_text())["cases"]
    assert sorted(listed) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_layer_gives_what_caffe_gave(shared, name):
    folder = shared / "golden" / "formats"
    case = json.loads((folder / "transforms.json").read_text())["cases"][name]
    layer = text_format.Parse(
        f'name: "d" type: "{case["layer"]}" top: "data" top: "label" {case["layer_param"]}'
        f" transform_param {{ {case['transform_param']} }}",
        LayerParameter(),
    )
    batch = next(open_source(layer, folder, "TEST"))
    expected = np.load(folder / case["file"])
    assert list(batch["data"].shape) == case["shape"]
    is_jpeg = "jpeg" in case["layer_param"] or "jpg" in case["layer_param"]
    scale = layer.transform_param.scale
    np.testing.assert_allclose(
        batch["data"], expected["data"], rtol=0, atol=2 * scale if is_jpeg else 1e-4
    )


def transformer(text, phase="TEST", folder="."):
    layer = LayerParameter(name="d", type="Data")
    text_format.Parse(text, layer.transform_param)
    from pathlib import Path

    return Transformer(layer, Path(folder), phase)


PICTURE = np.arange(2 * 5 * 7, dtype=np.uint8).reshape(2, 5, 7)


def test_a_training_crop_lies_anywhere_with_the_mean_of_its_place(tmp_path):
    mean = np.random.default_rng(0).normal(size=PICTURE.shape).astype(np.float32)
    write_mean(tmp_path / "mean.binaryproto", mean)
    cut = transformer('crop_size: 4 mean_file: "mean.binaryproto" scale: 0.5', "TRAIN", tmp_path)
    whole = (PICTURE.astype(np.float32) - mean) * np.float32(0.5)
    places = {
        (top, left): whole[:, top : top + 4, left : left + 4].tobytes()
        for top, left in itertools.product(range(2), range(4))
    }
    rng = np.random.default_rng(1)
    made = {cut(PICTURE, rng, "it").tobytes() for _ in range(200)}
    assert made == set(places.values())


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_mirror_is_random_in_every_phase(phase):
    mirror = transformer("mirror: true", phase)
    rng = np.random.default_rng(0)
    made = [mirror(PICTURE, rng, "it") for _ in range(200)]
    turned = sum(np.array_equal(picture, PICTURE[..., ::-1]) for picture in made)
    assert sum(np.array_equal(picture, PICTURE) for picture in made) == 200 - turned
    assert 70 < turned < 130


def test_a_mirrored_crop_has_the_mean_of_the_place_it_came_from(tmp_path):
    mean = np.arange(PICTURE.size, dtype=np.float32).reshape(PICTURE.shape)
    write_mean(tmp_path / "mean.binaryproto", mean)
    both = transformer('mirror: true mean_file: "mean.binaryproto"', "TRAIN", tmp_path)
    assert not any(both(PICTURE, np.random.default_rng(seed), "it").any() for seed in range(10))


def test_crop_h_and_crop_w_cut_an_oblong():
    made = transformer("crop_h: 3 crop_w: 2")(PICTURE, None, "it")
    np.testing.assert_array_equal(made, PICTURE[:, 1:4, 2:4])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("crop_size: 6", r"it is 5 x 7 \(height x width\), too small for a crop of 6 x 6"),
        ("mean_value: 1 mean_value: 2 mean_value: 3", "3 mean_value for 2 channel"),
    ],
)
def test_a_picture_that_does_not_fit_is_told(text, told):
    with pytest.raises(UsageError, match=told):
        transformer(text)(PICTURE, None, "it")


def test_a_mean_of_another_size_is_told(tmp_path):
    write_mean(tmp_path / "mean.npy", np.zeros((2, 5, 8)))
    with pytest.raises(UsageError, match=r"shape \(2, 5, 7\).* mean_file \(2, 5, 8\)"):
        transformer('mean_file: "mean.npy"', folder=tmp_path)(PICTURE, None, "it")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('mean_file: "m" mean_value: 1', "one of them"),
        ("force_color: true force_gray: true", "choose one"),
        ("crop_h: 3", "go together"),
        ("distort_param { }", "distort_param, which only a fork"),
    ],
)
def test_contradictions_are_refused(text, told):
    with pytest.raises(NetError, match=told):
        transformer(text)
