"""Resizing and grey, against OpenCV's own numbers and plain arithmetic."""

import numpy as np
import pytest

from zoo.resize import gray_from_bgr, resize_bilinear


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """RGB, uint8, of shape (5, 7, 3): small, odd, and without symmetry."""
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_grey_has_the_weights_of_opencv():
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert gray_from_bgr(primaries).tolist() == [[29, 150, 76, 255]]


def exact_bilinear(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The same resizing in plain loops and real numbers, not rounded."""
    result = np.zeros((*size, *image.shape[2:]))
    scale = [old / new for old, new in zip(image.shape, size, strict=False)]
    for y in range(size[0]):
        for x in range(size[1]):
            at = [(place + 0.5) * s - 0.5 for place, s in zip((y, x), scale, strict=True)]
            low = [int(np.floor(a)) for a in at]
            for i in (0, 1):
                for j in (0, 1):
                    row = min(max(low[0] + i, 0), image.shape[0] - 1)
                    column = min(max(low[1] + j, 0), image.shape[1] - 1)
                    weight = abs(1 - i - (at[0] - low[0])) * abs(1 - j - (at[1] - low[1]))
                    result[y, x] += weight * image[row, column]
    return result


@pytest.mark.parametrize("size", [(1, 1), (9, 5), (3, 3), (5, 14), (40, 1), (11, 7)])
def test_resizing_is_bilinear_without_a_filter(colours, size):
    resized = resize_bilinear(colours, size)
    assert resized.shape == (*size, 3)
    assert resized.dtype == np.uint8
    assert np.abs(resized - exact_bilinear(colours, size)).max() <= 1  # 11 bits of weight


def test_resizing_rounds_as_opencv_does():
    # Results of cv2.resize (4.x) of the same bytes.
    image = (np.arange(5 * 7, dtype=np.int64) ** 2 * 37 % 251).astype(np.uint8).reshape(5, 7)
    assert resize_bilinear(image, (3, 4)).tolist() == [
        [34, 170, 128, 130],
        [156, 181, 186, 172],
        [132, 193, 172, 120],
    ]
    assert resize_bilinear(image, (7, 9)).tolist() == [
        [0, 25, 86, 133, 82, 88, 135, 140, 77],
        [32, 63, 132, 185, 141, 155, 129, 125, 164],
        [104, 94, 148, 211, 176, 198, 122, 115, 233],
        [224, 103, 106, 177, 151, 182, 115, 117, 242],
        [65, 71, 143, 223, 206, 107, 108, 138, 152],
        [62, 124, 180, 210, 201, 139, 137, 137, 110],
        [143, 210, 210, 167, 166, 222, 179, 123, 102],
    ]


def test_grey_and_colour_resize_alike(colours):
    grey = colours[..., 1]
    np.testing.assert_array_equal(
        resize_bilinear(grey, (4, 11)), resize_bilinear(colours, (4, 11))[..., 1]
    )


def test_a_picture_of_the_right_size_is_left_alone(colours):
    assert resize_bilinear(colours, (5, 7)) is colours


def test_opencv_resizes_to_the_same_bytes():
    import cv2

    generator = np.random.default_rng(0)
    for _ in range(200):
        height, width, new_height, new_width = map(int, generator.integers(1, 50, 4))
        image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        np.testing.assert_array_equal(
            resize_bilinear(image, (new_height, new_width)),
            cv2.resize(image, (new_width, new_height)),
        )


def test_a_window_is_that_part_of_the_whole():
    generator = np.random.default_rng(1)
    for _ in range(100):
        old_height, old_width, height, width = map(int, generator.integers(1, 200, 4))
        image = generator.integers(0, 256, (old_height, old_width, 3), dtype=np.uint8)
        top, left = int(generator.integers(height)), int(generator.integers(width))
        rows = int(generator.integers(1, height - top + 1))
        columns = int(generator.integers(1, width - left + 1))
        np.testing.assert_array_equal(
            resize_bilinear(image, (height, width), (top, left, rows, columns)),
            resize_bilinear(image, (height, width))[top : top + rows, left : left + columns],
        )


def test_a_window_of_a_picture_of_the_right_size_is_cut_out(colours):
    np.testing.assert_array_equal(resize_bilinear(colours, (5, 7), (1, 2, 3, 4)), colours[1:4, 2:6])


@pytest.mark.parametrize("old", [(533, 400, 3), (37, 1200)])
@pytest.mark.parametrize("new", [(256, 256), (700, 513), (3, 2000)])
def test_large_pictures_are_resized_as_opencv_does(old, new):
    import cv2

    image = np.random.default_rng(0).integers(0, 256, old, dtype=np.uint8)
    expected = cv2.resize(image, new[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_bilinear(image, new), expected)
