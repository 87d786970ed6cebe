"""Preprocessing as part of an export: pictures in, probabilities out."""

import numpy as np
import pytest

import zoo
from zoo.errors import UsageError
from zoo.exports import EXPORTS, export
from zoo.exports.source import PICTURE, PROBABILITIES, Source
from zoo.images import read_image
from zoo.input_spec import InputSpec
from zoo.preprocess import Preprocessor

FORMATS = list(EXPORTS)
SPECS = [
    InputSpec((22, 20), mean=(104, 117, 123), resize=(25, 26)),
    InputSpec((10, 15), "RGB", mean=(1, 2.5, 3), scale=0.017, resize=(11, 77)),
    InputSpec((28, 28), "GRAY", mean=(33.3,), scale=1 / 256),
    InputSpec((64, 64)),
]
SIZES = [(25, 26), (28, 28), (27, 27), (64, 64), (333, 517), (50, 1300), (11, 3)]


def pictures(height, width, count=2):
    """RGB bytes."""
    random = np.random.default_rng(height * width)
    return random.integers(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.channels)
def test_the_layer_prepares_bit_for_bit_what_the_preprocessor_does(spec):
    import keras
    import tensorflow as tf

    from zoo.keras_layers.picture import PictureInput

    layer = PictureInput(spec.size, spec.channels, spec.mean, spec.scale, spec.resize or spec.size)
    layer = PictureInput.from_config(layer.get_config())
    given = keras.Input((None, None, 3), dtype="uint8")
    model = keras.Model(given, layer(given))
    assert model.output_shape == (None, *spec.size, len(spec.mean))
    # Compiled for any size: constants are folded then, which may round otherwise.
    function = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    for size in SIZES:
        batch = pictures(*size)
        expected = Preprocessor(spec)([picture[:, :, ::-1] for picture in batch])
        np.testing.assert_allclose(function(batch).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.channels)
def test_onnx_prepares_bit_for_bit_what_the_preprocessor_does(spec, tmp_path):
    path = tmp_path / "net.prototxt"
    height, width = spec.size
    path.write_text(
        f'input: "data" input_shape {{ dim: 1 dim: {len(spec.mean)} dim: {height} dim: {width} }}\n'
        'layer { name: "as_is" type: "Reshape" bottom: "data" top: "as_is"\n'
        "        reshape_param { shape { dim: 0 dim: -1 dim: 1 dim: 1 } } }\n"
        'layer { name: "copy" type: "Power" bottom: "as_is" top: "copy" power_param { scale: 9 } }'
        'layer { name: "prob" type: "Sigmoid" bottom: "copy" top: "prob" }'
    )
    from zoo.exports.onnx_model import onnx_model
    from zoo.exports.onnx_packages import import_onnxruntime

    net = zoo.Net.read(path)
    model = onnx_model(net, ["prob"], spec)
    # The tensor that the network reads, beside what it makes of it.
    (reads,) = [node.input[0] for node in model.graph.node if node.name.startswith("as_is:")]
    model.graph.output[0].name = reads
    session = import_onnxruntime().InferenceSession(model.SerializeToString())
    for size in SIZES:
        batch = pictures(*size)
        expected = Preprocessor(spec).caffe([picture[:, :, ::-1] for picture in batch])
        (received,) = session.run(None, {PICTURE: batch})
        np.testing.assert_allclose(received, expected, rtol=1e-6)


@pytest.fixture(params=FORMATS)
def format(request):
    return request.param


def test_a_real_picture_gets_the_same_top_5(shared, tmp_path, format):
    model = zoo.load(shared / "models" / "squeezenet_v1.0")
    paths = [shared / "images" / name for name in ("cat.jpg", "fish-bike.jpg")]
    path = tmp_path / f"squeezenet{EXPORTS[format].suffix}"
    report = export(model.net, path, format, preprocess=model.preprocess)
    assert (report.inputs, report.outputs) == ((PICTURE,), (PROBABILITIES,))
    assert report.layout == "NHWC"
    run = EXPORTS[format].open(Source.of(model.net, model.preprocess), path)
    for classified in model.classify(paths):
        picture = np.ascontiguousarray(read_image(classified.file)[None, :, :, ::-1])
        probabilities = run({PICTURE: picture})[PROBABILITIES]
        assert probabilities.shape == (1, 1000)
        best = np.argsort(-probabilities[0])[:5]
        assert best.tolist() == [each.index for each in classified.predictions]
        for index, each in zip(best, classified.predictions, strict=True):
            assert probabilities[0, index] == pytest.approx(each.score, abs=1e-5)


def test_a_grey_model_that_ends_in_probabilities(lenet, tmp_path, format):
    path = tmp_path / f"lenet{EXPORTS[format].suffix}"
    report = export(lenet.net, path, format, preprocess=lenet.spec)
    assert report.relative < 1e-4
    run = EXPORTS[format].open(Source.of(lenet.net, lenet.preprocess), path)
    picture = read_image("examples/digits/two.png")[None, :, :, ::-1]
    assert run({PICTURE: np.ascontiguousarray(picture)})[PROBABILITIES].argmax() == 2


def test_pictures_that_the_network_does_not_read_are_refused(lenet, tmp_path):
    with pytest.raises(UsageError, match="preprocessing gives BGR pictures of 28 x 28"):
        export(lenet.net, tmp_path / "net.onnx", preprocess=InputSpec((28, 28)))
    with pytest.raises(UsageError, match="preprocessing gives GRAY pictures of 20 x 28"):
        export(lenet.net, tmp_path / "net.onnx", preprocess=InputSpec((20, 28), "GRAY"))


def test_a_network_of_two_inputs_or_without_scores_is_refused(two_inputs, tmp_path):
    with pytest.raises(UsageError, match="no output with one score a class"):
        export(two_inputs, tmp_path / "net.onnx", preprocess=InputSpec((12, 10)))
    path = tmp_path / "two.prototxt"
    path.write_text(
        'input: "a" input_shape { dim: 1 dim: 3 }\ninput: "b" input_shape { dim: 1 dim: 3 }\n'
        'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }'
    )
    with pytest.raises(UsageError, match="one input; '' has a, b"):
        export(zoo.Net.read(path), tmp_path / "net.onnx", preprocess=InputSpec((12, 10)))
