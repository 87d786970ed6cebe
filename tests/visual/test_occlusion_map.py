"""Hiding parts of a picture finds the part that a network looks at."""

import numpy as np
import pytest

import zoo
from zoo.errors import UsageError
from zoo.visual import occlusion

LAYERS = """\
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture
def corner(make_model):
    """A model that looks only at the pixels of rows 4 and 5, columns 6 and 7."""
    seen = np.zeros((1, 8, 12))
    seen[:, 4:6, 6:8] = 0.005
    weights = np.stack([np.zeros(96), seen.ravel()]).astype(np.float32)
    return make_model(LAYERS, {"ip": [weights, np.zeros(2, np.float32)]}, size=(8, 12), mean=100)


PICTURE = np.full((8, 12), 255, np.uint8)


def test_the_part_that_is_looked_at_is_found(corner):
    found = occlusion(corner, PICTURE, patch=2, stride=2)
    assert (found.index, found.label) == (1, "dog")
    assert found.map.shape == (4, 6)
    assert found.place.to_dict() == {"left": 6, "top": 4, "width": 2, "height": 2}
    assert found.probability == pytest.approx(1 / (1 + np.exp(-0.005 * 4 * 155)), rel=1e-5)
    # The square has the mean, which is 0 in the input, so nothing speaks for the class.
    expected = np.full((4, 6), found.probability)
    expected[2, 3] = 0.5
    np.testing.assert_allclose(found.map, expected, rtol=1e-5)
    loss = np.zeros((8, 12))
    loss[4:6, 6:8] = found.probability - 0.5
    np.testing.assert_allclose(found.loss, loss, atol=1e-6)


def test_every_pixel_is_hidden_even_where_the_stride_does_not_fit(corner):
    found = occlusion(corner, PICTURE, "dog", patch=3, stride=4)
    assert (found.tops, found.lefts) == ((0, 4, 5), (0, 4, 8, 9))
    given = {"data": np.full((1, 1, 8, 12), 155, np.float32)}
    for row, top in enumerate(found.tops):
        for column, left in enumerate(found.lefts):
            hidden = given["data"].copy()
            hidden[..., top : top + 3, left : left + 3] = 0
            expected = zoo.run(corner.net, {"data": hidden})["prob"][0, 1]
            assert found.map[row, column] == pytest.approx(float(expected), rel=1e-5)


def test_batches_make_no_difference(corner):
    picture = np.random.default_rng(0).integers(0, 256, (8, 12), np.uint8)
    counts = []
    maps = [
        occlusion(
            corner,
            picture,
            patch=2,
            stride=1,
            batch_size=size,
            progress=lambda done, total: counts.append((done, total)),
        ).map
        for size in (100, 7)
    ]
    np.testing.assert_allclose(*maps, rtol=1e-6)
    assert counts == [(77, 77)] + [(done, 77) for done in (*range(7, 77, 7), 77)]


def test_another_class_loses_nothing_where_it_has_nothing(corner):
    found = occlusion(corner, PICTURE, "cat", patch=2, stride=2)
    assert found.probability < 0.5
    assert found.map[2, 3] == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_array_equal(found.picture, np.full((8, 12, 3), 255))


def test_the_default_square_suits_small_pictures(corner):
    found = occlusion(corner, PICTURE)
    assert (found.patch, found.tops) == (2, tuple(range(7)))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"patch": 9}, "a square of 9 pixels every 4 does not fit: the input of seeing has 8 x 12"),
        ({"patch": 2, "stride": -1}, "does not fit"),
        ({"batch_size": 0}, "batch_size"),
        ({"target": "cow"}, "no class 'cow'"),
        ({"target": "7"}, "no class 7"),
    ],
)
def test_wrong_arguments_are_told(corner, settings, told):
    with pytest.raises(UsageError, match=told):
        occlusion(corner, PICTURE, **settings)
