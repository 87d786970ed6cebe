"""From pictures to a network's input, against the exact inputs that real Caffe was given."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.errors import ImageError, UsageError
from zoo.preprocess import InputSpec, Preprocessor, oversample, preprocess_batches
from zoo.resize import gray_from_bgr, resize_bilinear

IMAGENET = InputSpec((227, 227), "BGR", mean=(104, 117, 123), resize=(256, 256))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """BGR, uint8, of shape (33, 41, 3)."""
    return np.random.default_rng(0).integers(0, 256, (33, 41, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["cat.jpg", "fish-bike.jpg", "n01440764_tench.JPEG"])
def test_photographs_become_the_input_that_caffe_was_given(shared, name):
    golden = np.load(shared / "golden" / "squeezenet" / f"{Path(name).stem}.npz")["data"]
    data = Preprocessor(IMAGENET).caffe(shared / "images" / name)
    assert data.shape == golden.shape == (1, 3, 227, 227)
    # The same JPEG library gives difference 0; another may differ by two grey levels.
    assert np.abs(data - golden).max() <= 2


@pytest.mark.parametrize("name", ["cat", "fish-bike"])
def test_ten_crops_have_the_places_and_order_of_pycaffe(shared, name):
    golden = np.load(shared / "golden" / "classify" / f"{name}.npz")
    crops = np.stack(oversample(golden["plain:resized_256"], (227, 227)))
    np.testing.assert_array_equal(crops[:, ::16, ::16], golden["plain:oversample_sub16"])
    # pycaffe then goes to BGR, 0..255, minus the mean, in Caffe's order of axes.
    prepared = crops[[0, 4, 9], :, :, ::-1] * np.float32(255) - np.float32([104, 117, 123])
    np.testing.assert_allclose(
        prepared.transpose(0, 3, 1, 2)[:, :, ::8, ::8],
        golden["plain:preprocessed_crops_0_4_9_sub8"],
        atol=1e-4,
    )


def test_the_steps_are_warp_crop_mean_scale(picture):
    spec = InputSpec((20, 17), "BGR", mean=(1, 2, 3), scale=0.5, resize=(25, 24))
    warped = resize_bilinear(picture, (25, 24))
    expected = (warped[2:22, 3:20].astype(np.float32) - [1, 2, 3]) * 0.5
    result = Preprocessor(spec)(picture)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected[None])


def test_without_resize_a_picture_is_warped_straight_to_the_size(picture):
    result = Preprocessor(InputSpec((20, 17)))(picture)
    np.testing.assert_array_equal(result[0], resize_bilinear(picture, (20, 17)))


def test_means_are_in_the_order_of_the_channels(picture):
    bgr = Preprocessor(InputSpec((9, 9), "BGR", mean=(1, 2, 3)))(picture)
    rgb = Preprocessor(InputSpec((9, 9), "RGB", mean=(3, 2, 1)))(picture)
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


def test_grey_is_made_before_the_resize(picture, tmp_path):
    preprocess = Preprocessor(InputSpec((28, 28), "GRAY", mean=(33,), scale=1 / 256))
    expected = (resize_bilinear(gray_from_bgr(picture), (28, 28)) - np.float32(33)) / 256
    assert preprocess(picture).shape == (1, 28, 28, 1)
    np.testing.assert_array_equal(preprocess(picture)[0, :, :, 0], expected)
    path = tmp_path / "grey.png"
    Image.fromarray(picture[..., 0]).save(path)
    np.testing.assert_array_equal(preprocess(path), preprocess(picture[..., 0]))


def test_every_kind_of_picture_gives_the_same_input(picture, tmp_path):
    path = tmp_path / "picture.png"
    image = Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))
    image.save(path)
    preprocess = Preprocessor(IMAGENET)
    kinds = [path, str(path), path.read_bytes(), image, picture]
    expected = preprocess(picture)
    for kind in kinds:
        np.testing.assert_array_equal(preprocess(kind), expected)
    np.testing.assert_array_equal(preprocess(kinds), np.repeat(expected, 5, 0))
    np.testing.assert_array_equal(preprocess(np.stack([picture, picture])), preprocess(kinds)[:2])
    assert preprocess([]).shape == (0, 227, 227, 3)
    assert preprocess.caffe(kinds).shape == (5, 3, 227, 227)


def test_the_callers_array_is_not_changed(picture):
    before = picture.copy()
    Preprocessor(InputSpec((33, 41), "RGB", mean=(1, 2, 3)))(picture)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_its_type_and_shape(wrong):
    with pytest.raises(ImageError, match=rf"received {wrong.dtype} of shape \({wrong.shape[0]},"):
        Preprocessor(IMAGENET)(wrong)


def test_what_is_no_picture_at_all_is_refused():
    with pytest.raises(ImageError, match="not 5"):
        Preprocessor(IMAGENET)(5)  # type: ignore[arg-type]


def test_ten_crops_are_five_places_and_their_mirrors(picture):
    spec = InputSpec((20, 17), "RGB", mean=(3, 2, 1), scale=0.5, resize=(25, 24))
    preprocess = Preprocessor(spec)
    crops = preprocess.crops(picture)
    assert crops.shape == (10, 20, 17, 3)
    np.testing.assert_array_equal(crops[4:5], preprocess(picture))
    np.testing.assert_array_equal(crops[5:], crops[:5, :, ::-1])
    whole = Preprocessor(InputSpec((25, 24), "RGB", mean=(3, 2, 1), scale=0.5))(picture)[0]
    for crop, (top, left) in zip(crops, [(0, 0), (0, 7), (5, 0), (5, 7)], strict=False):
        np.testing.assert_array_equal(crop, whole[top : top + 20, left : left + 17])
    np.testing.assert_array_equal(preprocess.crops(picture, 1), preprocess(picture))


@pytest.mark.parametrize("resize", [None, (20, 17)])
def test_ten_crops_need_room_to_crop_from(picture, resize):
    preprocess = Preprocessor(InputSpec((20, 17), resize=resize))
    with pytest.raises(UsageError, match=r"straight to \[20, 17\].*'resize'"):
        preprocess.crops(picture)
    assert preprocess.crops(picture, 1).shape == (1, 20, 17, 3)


def test_other_numbers_of_crops_are_refused(picture):
    with pytest.raises(UsageError, match="expected 1 .* or 10 .*, received 5"):
        Preprocessor(IMAGENET).crops(picture, 5)


class TestBatches:
    """Seven files of which the second and the last are damaged."""

    @pytest.fixture
    def paths(self, tmp_path):
        generator = np.random.default_rng(1)
        paths = [tmp_path / f"{number}.png" for number in range(7)]
        for path in paths:
            pixels = generator.integers(0, 256, (12, 14, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        paths[1].write_bytes(paths[1].read_bytes()[:200])
        paths[6].write_bytes(b"")
        return paths

    @pytest.fixture
    def preprocess(self):
        return Preprocessor(InputSpec((8, 9), resize=(10, 10)))

    def test_batches_are_full_in_order_and_report_what_could_not_be_read(self, paths, preprocess):
        batches = list(preprocess_batches(paths, preprocess, 2))
        assert [[path.name for path in batch.paths] for batch in batches] == [
            ["0.png", "2.png"],
            ["3.png", "4.png"],
            ["5.png"],
        ]
        for batch in batches:
            np.testing.assert_array_equal(batch.array, preprocess(batch.paths))
        failures = [[path.name for path, _ in batch.failures] for batch in batches]
        assert failures == [["1.png"], [], ["6.png"]]
        assert "0 bytes" in str(batches[2].failures[0][1])

    def test_each_picture_has_all_its_crops_as_rows(self, paths, preprocess):
        first = next(iter(preprocess_batches(paths, preprocess, 3, crops=10, workers=2)))
        assert first.array.shape == (30, 8, 9, 3)
        np.testing.assert_array_equal(first.array[10:20], preprocess.crops(paths[2]))

    def test_nothing_but_failures_is_still_reported(self, paths, preprocess):
        batches = list(preprocess_batches([paths[1], str(paths[6])], preprocess))
        assert [(batch.paths, batch.array.shape) for batch in batches] == [([], (0, 8, 9, 3))]
        assert [path for path, _ in batches[0].failures] == [paths[1], paths[6]]
        assert list(preprocess_batches([], preprocess)) == []

    def test_no_more_is_read_ahead_than_one_batch(self, paths, preprocess):
        taken = []

        def endless():
            while True:
                taken.append(paths[0])
                yield paths[0]

        batches = preprocess_batches(endless(), preprocess, 4, workers=2)
        for count in (1, 2, 3):
            next(batches)
            assert len(taken) == 4 * (count + 1)
        batches.close()

    def test_stopping_early_ends_the_threads(self, paths, preprocess):
        batches = preprocess_batches(paths, preprocess, 1, workers=3)
        next(batches)
        batches.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("zoo-preprocess")]

    def test_impossible_requests_are_refused_before_anything_is_read(self, paths, preprocess):
        straight = Preprocessor(InputSpec((8, 9)))
        with pytest.raises(UsageError, match="'resize'"):
            preprocess_batches(["absent.png"], straight, crops=10)
        with pytest.raises(UsageError, match="received 0 and 1"):
            preprocess_batches(paths, preprocess, 0, workers=1)


def test_many_threads_read_photographs_as_one_does(shared):
    paths = sorted((shared / "images").glob("*.[jJ]*"))[:12]
    preprocess = Preprocessor(IMAGENET)
    (batch,) = preprocess_batches(paths, preprocess, 12, workers=4)
    np.testing.assert_array_equal(batch.array, np.concatenate([preprocess(p) for p in paths]))
