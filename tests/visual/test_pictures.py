"""Grids of filters and maps have the right pixels, and files are replaced only when all is done."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import NetError, UsageError
from zoo.input_spec import InputSpec
from zoo.preprocess import Preprocessor
from zoo.visual import activations, filters, grid
from zoo.visual.grid import enlarged
from zoo.visual.model_input import as_seen
from zoo.visual.picture_files import Panel, write_panels, write_png, write_vector

COLOUR = """\
layer { name: "scale" type: "Power" bottom: "data" top: "scaled" power_param { scale: 0.5 } }
layer { name: "conv1" type: "Convolution" bottom: "scaled" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 3 kernel_size: 2 } }
layer { name: "conv3" type: "Convolution" bottom: "conv2" top: "conv3"
  convolution_param { num_output: 2 kernel_size: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv3" top: "conv3" }
layer { name: "fc" type: "InnerProduct" bottom: "conv3" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "head" type: "InnerProduct" bottom: "fc" top: "head"
  inner_product_param { num_output: 2 } }
layer { name: "prob" type: "Softmax" bottom: "head" top: "prob" }
"""


def random_params(net, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        for name, shapes in net.param_shapes.items()
    }


@pytest.fixture
def colour(make_model):
    def make(channels="BGR", **changes):
        model = make_model(COLOUR, {}, channels=channels, **changes)
        model.net = model.net.with_params(
            {n: p for n, p in random_params(model.net).items() if n != "bn"}
        )
        return model

    return make


def test_a_grid_is_the_one_of_caffes_notebook():
    planes = np.random.default_rng(0).normal(size=(7, 3, 4))
    # vis_square of 00-classification.ipynb: normalise, pad with ones, tile.
    data = (planes - planes.min()) / (planes.max() - planes.min())
    data = np.pad(data, ((0, 2), (0, 1), (0, 1)), constant_values=1)
    data = data.reshape(3, 3, 4, 5).transpose(0, 2, 1, 3).reshape(12, 15)
    np.testing.assert_array_equal(grid(planes), np.rint(255 * data).astype(np.uint8))
    colours = np.stack([planes] * 3, axis=-1)
    np.testing.assert_array_equal(grid(colours)[..., 1], grid(planes))


def test_equal_values_and_single_planes_are_drawn_and_nan_is_refused():
    assert grid(np.full((1, 2, 2), 3.0)).tolist() == [[0, 0, 255], [0, 0, 255], [255, 255, 255]]
    with pytest.raises(UsageError, match="1 of 4 values are NaN or infinite"):
        grid(np.array([[[1, 2], [3, np.nan]]]))
    with pytest.raises(UsageError, match="no values"):
        grid(np.zeros((0, 2, 2)))


@pytest.mark.parametrize(("channels", "step"), [("BGR", -1), ("RGB", 1)])
def test_first_filters_are_in_colour_red_first(colour, channels, step):
    model = colour(channels)
    planes = filters(model, "conv1")
    weights = model.net.params["conv1"][0]
    np.testing.assert_array_equal(planes, weights.transpose(0, 2, 3, 1)[..., ::step])
    assert filters(model, "conv1", count=2).shape == (2, 3, 3, 3)


def test_a_net_alone_counts_as_bgr(colour):
    model = colour("BGR")
    np.testing.assert_array_equal(filters(model.net, "conv1"), filters(model, "conv1"))


def test_deeper_filters_are_grey_planes_even_of_three_channels(colour):
    model = colour()
    weights = model.net.params["conv3"][0]
    np.testing.assert_array_equal(filters(model, "conv3"), weights.reshape(6, 2, 2))
    np.testing.assert_array_equal(
        filters(model, "conv2", count=5), model.net.params["conv2"][0].reshape(12, 2, 2)[:5]
    )


def test_an_inner_product_has_planes_where_it_reads_some(colour):
    model = colour()
    fc, head = (model.net.params[name][0] for name in ("fc", "head"))
    np.testing.assert_array_equal(filters(model, "fc"), fc.reshape(10, 4, 4))
    np.testing.assert_array_equal(filters(model, "head"), head[None])


def test_filters_that_cannot_be_shown_say_why(colour):
    model = colour()
    with pytest.raises(NetError, match="no layer named 'conv11'. Did you mean conv1?"):
        filters(model, "conv11")
    with pytest.raises(UsageError, match="is a ReLU and has no weights. Layers with filters are c"):
        filters(model, "relu1")
    with pytest.raises(
        UsageError, match=r"BatchNorm, whose weights of shape \(2,\) are in no rows"
    ):
        filters(model, "bn")
    with pytest.raises(UsageError, match="only the definition was read"):
        filters(zoo.Net(model.net.definition), "conv1")
    broken = model.net.with_params({"conv1": [np.full((4, 3, 3, 3), np.inf), np.zeros(4)]})
    with pytest.raises(NetError, match="'conv1': 108 of 108 weights are NaN or infinite"):
        filters(broken, "conv1")
    with pytest.raises(UsageError, match="count: expected 1 or more"):
        filters(model, "conv1", count=0)


def test_activations_are_those_of_the_blob(colour):
    model = colour(mean=[1, 2, 3])
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    given = picture.transpose(2, 0, 1)[None] - np.array([1, 2, 3], np.float32)[:, None, None]
    expected = zoo.run(model.net, {"data": given}, ["conv1", "head", "data"])
    for blob in ("conv1", "head", "data"):
        received = activations(model, picture, blob)
        np.testing.assert_allclose(received, expected[blob][0], rtol=1e-6)
    with pytest.raises(UsageError, match="no blob is named 'conv4'.*Did you mean conv"):
        activations(model, picture, "conv4")


@pytest.mark.parametrize("channels", ["BGR", "RGB", "GRAY"])
@pytest.mark.parametrize("scale", [1, 0.017, 0.00390625])
def test_what_a_model_sees_is_shown_as_it_was(channels, scale):
    spec = InputSpec((9, 7), channels, mean=(12.3,) * (1 if channels == "GRAY" else 3), scale=scale)
    picture = np.random.default_rng(2).integers(0, 256, (9, 7, 3), np.uint8)
    if channels == "GRAY":
        picture[...] = picture[..., :1]
    shown = as_seen(Preprocessor(spec).caffe([picture]), spec)
    np.testing.assert_array_equal(shown[0], picture[..., ::-1])


def test_pictures_are_written_enlarged_and_only_when_done(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with pytest.raises(TypeError):
        write_png(path, np.zeros((2, 2, 5), np.uint8))
    assert path.read_text() == "mine"
    write_png(path, picture)
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), enlarged(picture))
        np.testing.assert_array_equal(np.asarray(image)[::120, ::120], picture)


def test_figures_are_pngs_that_come_out_the_same_every_time(tmp_path):
    picture = np.zeros((8, 8, 3), np.uint8)
    heat = np.arange(16.0).reshape(4, 4)
    files = []
    for number in range(2):
        files.append(tmp_path / f"vector{number}.png")
        write_vector(files[-1], np.array([-1.0, 2, 3]), "a $blob$")
        files.append(tmp_path / f"panels{number}.png")
        write_panels(files[-1], [Panel("$x^", picture, heat), Panel("map", None, heat)])
    images = [file.read_bytes() for file in files]
    assert all(image.startswith(b"\x89PNG") for image in images)
    assert images[:2] == images[2:]


@pytest.mark.parametrize(
    ("name", "told"), [("a.jpg", "name a file that ends with .png"), ("no/a.png", "no directory")]
)
def test_names_that_cannot_be_written_are_refused(tmp_path, name, told):
    with pytest.raises(UsageError, match=told):
        write_png(tmp_path / name, np.zeros((2, 2), np.uint8))
