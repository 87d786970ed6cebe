"""The pictures that excite a unit most, cut out where it sees them."""

import numpy as np
import pytest
from PIL import Image

from zoo.errors import UsageError
from zoo.visual import top_images

LAYERS = """\
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 2 } }
"""


@pytest.fixture
def bright(make_model):
    """Unit 1 adds up what it sees; unit 0 sees nothing."""
    weights = np.stack([np.zeros((1, 3, 3)), np.ones((1, 3, 3))]).astype(np.float32)
    params = {"conv": [weights, np.zeros(2, np.float32)]}
    return make_model(LAYERS, params, size=(9, 11))


@pytest.fixture
def folder(tmp_path):
    """Black pictures but for one spot in each; the brightest is d, then b; a and c are equal."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    spots = {"a": (2, 2, 50), "b": (4, 6, 90), "c": (6, 4, 50), "deep/d": (8, 10, 200)}
    for name, (row, column, value) in spots.items():
        pixels = np.zeros((9, 11), np.uint8)
        pixels[row, column] = value
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def test_the_planted_picture_is_found_with_its_part(bright, folder):
    found = top_images(bright, folder, "conv", 1, count=3)
    assert [image.file.name for image in found.images] == ["d.png", "b.png", "a.png"]
    assert [image.value for image in found.images] == [200, 90, 50]
    first, second, third = found.images
    assert first.position == (4, 5)
    # Its window reaches over the edge, where there is no picture.
    assert first.place.to_dict() == {"left": 9, "top": 7, "width": 2, "height": 2}
    assert first.patch[..., 1].tolist() == [[0, 0], [0, 200]]
    assert second.place.to_dict() == {"left": 5, "top": 3, "width": 3, "height": 3}
    assert second.patch[1, 1].tolist() == [90, 90, 90]
    assert third.file == folder / "a.png"  # as bright as c, which comes behind it


def test_equal_values_stay_in_order_and_there_may_be_fewer_than_asked(bright, folder):
    found = top_images(bright, folder, "conv", 0)
    assert [image.file.name for image in found.images] == ["a.png", "b.png", "c.png", "d.png"]


def test_batches_make_no_difference(bright, folder):
    one, all_at_once = (
        top_images(bright, [folder], "conv", 1, batch_size=size).images for size in (1, 32)
    )
    assert [image.file for image in one] == [image.file for image in all_at_once]


def test_a_unit_that_sees_everything_shows_the_whole_picture(bright, folder):
    for image in top_images(bright, folder, "ip", 1).images:
        assert image.position == ()
        assert image.patch.shape == (9, 11, 3)


def test_patches_of_different_sizes_stand_in_one_grid(bright, folder):
    pixels = top_images(bright, folder, "conv", 1, count=2).grid()
    assert pixels.shape == (4, 8, 3)
    assert pixels[:3, :3, 0].tolist() == [[0, 0, 128], [0, 200, 128], [128, 128, 128]]
    assert pixels[:3, 4:7, 0].tolist() == [[0, 0, 0], [0, 90, 0], [0, 0, 0]]


def test_what_cannot_be_read_is_told_and_the_rest_is_done(bright, folder):
    (folder / "b.png").write_text("no picture")
    counts = []
    found = top_images(
        bright, folder, "conv", 1, progress=lambda done, total: counts.append((done, total))
    )
    assert [image.file.name for image in found.images] == ["d.png", "a.png", "c.png"]
    assert [path.name for path, _ in found.failures] == ["b.png"]
    assert counts[-1] == (4, 4)


@pytest.mark.parametrize(
    ("blob", "unit", "count", "told"),
    [
        ("conv", 2, 9, "blob 'conv' of shape 1x2x5x6 has no unit 2: they go from 0 to 1"),
        ("conv", -1, 9, "has no unit -1"),
        ("conv", 0, 0, "count: expected 1 or more"),
        ("con", 0, 9, "no blob is named 'con'.*Did you mean conv?"),
    ],
)
def test_wrong_arguments_are_told(bright, folder, blob, unit, count, told):
    with pytest.raises(UsageError, match=told):
        top_images(bright, folder, blob, unit, count=count)


def test_a_folder_without_a_picture_that_can_be_read_is_an_error(bright, folder):
    for path in folder.rglob("*.png"):
        path.write_text("no picture")
    with pytest.raises(UsageError, match="not one picture can be read"):
        top_images(bright, folder, "conv", 1)
