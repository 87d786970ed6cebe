"""WindowData draws windows of objects and of background, and warps them as Caffe does."""

from itertools import islice

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from zoo.caffe.mean import write_mean
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, ParseError, UsageError
from zoo.images import read_image
from zoo.resize import resize_bilinear
from zoo.transfer.databases import open_source

OBJECT, BACKGROUND = (4, 6, 15, 13), (20, 2, 29, 11)


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    write(tmp_path, [(2, 0.9, *OBJECT), (1, 0.1, *BACKGROUND), (1, 0.5, 0, 0, 1, 1)])
    return tmp_path


def write(folder, windows):
    lines = "".join(" ".join(map(str, window)) + "\n" for window in windows)
    (folder / "w.txt").write_text(f"# 0\na.png\n3\n24\n32\n{len(windows)}\n{lines}")


def batch_of(folder, param="", transform="", **settings):
    return next(batches_of(folder, param, transform, **settings))


def batches_of(folder, param="", transform="", **settings):
    share = "" if "fg_fraction" in param else "fg_fraction: 0.5"
    layer = text_format.Parse(
        'name: "w" type: "WindowData" top: "data" top: "label" window_data_param { source: "w.txt"'
        f" batch_size: 4 fg_threshold: 0.6 bg_threshold: 0.4 {share} {param} }}"
        f" transform_param {{ crop_size: 12 {transform} }}",
        LayerParameter(),
    )
    return open_source(layer, folder, "TRAIN", **settings)


def warped(folder, box, size=(12, 12)):
    x1, y1, x2, y2 = box
    pixels = read_image(folder / "a.png")[y1 : y2 + 1, x1 : x2 + 1]
    return resize_bilinear(pixels, size).transpose(2, 0, 1).astype(np.float32)


def test_background_comes_first_then_the_share_of_objects(folder):
    batch = batch_of(folder)
    assert batch["label"].tolist() == [0, 0, 2, 2]
    for picture, box in zip(batch["data"], [BACKGROUND] * 2 + [OBJECT] * 2, strict=True):
        np.testing.assert_array_equal(picture, warped(folder, box))


def test_mirror_mean_and_scale(folder):
    batch = batch_of(folder, "scale: 0.5", "mirror: true mean_value: 9")
    plain = (warped(folder, OBJECT) - 9) * 0.5
    for picture in batch["data"][2:]:
        assert any(np.array_equal(picture, way) for way in (plain, plain[..., ::-1]))


def test_a_widened_window_shows_what_is_around_it(folder):
    # 12 x 8 pixels; 3 of 12 on each side are context, so the window becomes twice as large.
    write(folder, [(1, 0.9, 10, 8, 21, 15)])
    batch = batch_of(folder, "context_pad: 3 fg_fraction: 1")
    np.testing.assert_array_equal(batch["data"][0], warped(folder, (4, 4, 28, 20)))


def test_what_lies_outside_the_picture_stays_zero(folder):
    write(folder, [(1, 0.9, 0, 0, 11, 11)])
    write_mean(folder / "mean.npy", np.full((3, 14, 14), 5.0))
    batch = batch_of(folder, "context_pad: 3 fg_fraction: 1", 'mean_file: "mean.npy" mirror: true')
    # Widened to -6..18, of which 0..18 is there: 19 of 25 pixels, 9 of 12 behind 3 of zeros.
    plain = np.zeros((3, 12, 12), np.float32)
    plain[:, 3:, 3:] = warped(folder, (0, 0, 18, 18), (9, 9)) - 5
    # Mirrored, the zeros of the other side come first: none.
    turned = np.zeros_like(plain)
    turned[:, 3:, :9] = plain[:, 3:, 3:][..., ::-1]
    for picture in batch["data"]:
        assert any(np.array_equal(picture, way) for way in (plain, turned))


def test_square_mode_makes_the_shorter_side_longer(folder):
    write(folder, [(1, 0.9, 10, 8, 21, 15)])
    batch = batch_of(folder, 'crop_mode: "square" fg_fraction: 1')
    np.testing.assert_array_equal(batch["data"][0], warped(folder, (10, 6, 22, 18)))


def test_a_threshold_counts_as_the_file_writes_it(folder):
    # 0.6 and 0.4 are rounded up in float32, in which Caffe compares.
    write(folder, [(2, 0.6, *OBJECT), (1, 0.4, *OBJECT), (1, 0.1, *BACKGROUND)])
    batch = batch_of(folder)
    assert batch["label"].tolist() == [0, 0, 2, 2]
    for picture in batch["data"][:2]:
        np.testing.assert_array_equal(picture, warped(folder, BACKGROUND))


def test_a_mirrored_window_is_cut_by_the_padding_of_its_own_side(folder):
    # Widened to -1..6, of which 0..6 is there: 10.5 of 12 pixels behind 1.5, both rounded up.
    write(folder, [(1, 0.9, 1, 8, 3, 15)])
    batches = batches_of(folder, "context_pad: 3 fg_fraction: 1", "mirror: true")
    pictures = [picture for batch in islice(batches, 3) for picture in batch["data"]]
    plain, turned = np.zeros((2, 3, 12, 12), np.float32)
    plain[:, :, 2:] = warped(folder, (0, 4, 6, 20), (12, 10))
    turned[:, :, :11] = warped(folder, (0, 4, 6, 20), (12, 11))[..., ::-1]
    seen = {
        "turned" if np.array_equal(picture, turned) else np.array_equal(picture, plain)
        for picture in pictures
    }
    assert seen == {"turned", True}


def test_a_run_is_taken_up_where_it_was_left(folder):
    write(folder, [(n, 0.9, n, n, n + 9, n + 9) for n in range(1, 9)])
    settings = {"param": "fg_fraction: 1", "transform": "mirror: true", "seed": 3}
    whole = batches_of(folder, **settings)
    expected = [next(whole) for _ in range(4)][3]
    np.testing.assert_array_equal(batch_of(folder, start=3, **settings)["data"], expected["data"])


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("# 0\na.png\n3\n24", ParseError, "picture 0"),
        ("a.png", ParseError, "expected '#'"),
        ("# 0\na.png 3 24 32 1\n0 0.9 1 1 2 2", ParseError, "label 0; they begin with 1"),
        ("# 0\na.png 3 24 32 1\n1 0.9 1 1 2 2", UsageError, "is background, but a batch has 2"),
        ("# 0\na.png 3 24 32 2\n1 0.9 1 1 99 2\n1 0 1 1 2 2", UsageError, "outside"),
    ],
)
def test_a_wrong_source_is_told(folder, text, error, told):
    (folder / "w.txt").write_text(text)
    with pytest.raises(error, match=told):
        batch_of(folder)


@pytest.mark.parametrize(
    ("param", "transform", "told"),
    [
        ("context_pad: 6", "", "leaves nothing"),
        ('crop_mode: "round"', "", "expected warp or square"),
        ("", 'mean_file: "m" mean_value: 1', "one of them"),
        ("", "mean_value: 1 mean_value: 2", "2 mean_value"),
    ],
)
def test_settings_that_cannot_be_met_are_told(folder, param, transform, told):
    with pytest.raises(NetError, match=told):
        batch_of(folder, param, transform)
