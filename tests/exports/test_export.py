"""Exports: loaded by their own runtimes as their users would, and refused where they must be."""

import warnings

import numpy as np
import pytest
from reference import SHARED, load_fill, read_case, recipe_inputs, recipe_params, relative_error

from zoo.api import run
from zoo.errors import NetError, UnavailableError, UsageError, VerificationError
from zoo.exports import EXPORTS, export
from zoo.exports.export import TOLERANCE, Exporter
from zoo.exports.trial import compare
from zoo.net import Net

FORMATS = list(EXPORTS)
NAMES = sorted(path.stem for path in (SHARED / "golden" / "nets").glob("*.json"))
LIGHT = {
    "cifar10_full",
    "cifar10_full_sigmoid_bn",
    "lenet",
    "lenet_train_test",
    "mnist_autoencoder",
}


def target(tmp_path, format):
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    return folder / f"net{EXPORTS[format].suffix}"


def channels_last(array):
    return array.transpose(0, 2, 3, 1)


@pytest.fixture(params=FORMATS)
def format(request):
    return request.param


@pytest.mark.parametrize(
    "name",
    [name if name in LIGHT else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_a_published_network_is_exported(shared, tmp_path, name, format):
    case, stored = read_case(shared, name)
    fill = load_fill(shared)
    net = Net.read(shared / "golden" / "nets" / f"{name}.prototxt")
    net = net.with_params(recipe_params(fill, net, case["gain"]))
    inputs = recipe_inputs(fill, case)
    report = export(net, target(tmp_path, format), format, inputs=inputs)
    assert report.relative <= TOLERANCE
    assert report.outputs == tuple(net.outputs)
    assert report.bytes > 3.9 * net.param_count
    exporter = EXPORTS[format]
    received = exporter.open(source_of(net), report.path)(inputs)
    tolerance = 5e-4 if len(net.layers) > 50 else 1e-4
    for blob in net.outputs:
        expected, stride = stored[f"blob:{blob}"], case["blobs"][blob].get("stored_stride", 1)
        values = received[blob].reshape(-1)[::stride]
        assert relative_error(values, expected.reshape(-1)) <= tolerance


def source_of(net):
    from zoo.exports.source import Source

    return Source(net)


def test_keras_loads_it_with_zoos_layers(two_inputs, tmp_path):
    import keras

    import zoo.keras_layers  # noqa: F401

    report = export(two_inputs, target(tmp_path, "keras"))
    assert (report.format, report.layout) == ("keras", "NHWC")
    with warnings.catch_warnings():
        # Keras has a dot where the blob has a slash, and says so.
        warnings.simplefilter("ignore")
        model = keras.saving.load_model(report.path)
    left, right = pictures(two_inputs)
    outputs = model({"left/in": channels_last(left), "right.in": channels_last(right)})
    assert_outputs(two_inputs, (left, right), outputs, last=True)


def test_tensorflow_serves_it_by_its_signature(two_inputs, tmp_path):
    import tensorflow as tf

    report = export(two_inputs, target(tmp_path, "savedmodel"), "savedmodel")
    loaded = tf.saved_model.load(str(report.path))
    left, right = pictures(two_inputs)
    outputs = loaded.signatures["serving_default"](
        left_in=tf.constant(channels_last(left)), right_in=tf.constant(channels_last(right))
    )
    assert_outputs(two_inputs, (left, right), outputs, last=True)


def test_tflite_runs_it_with_built_in_operators(two_inputs, tmp_path):
    import tensorflow as tf

    report = export(two_inputs, target(tmp_path, "tflite"))
    assert report.notes == ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(report.path))
    operators = {entry["op_name"] for entry in interpreter._get_ops_details()}
    assert not any(name.startswith("Flex") or "VAR" in name for name in operators)
    left, right = pictures(two_inputs)
    outputs = interpreter.get_signature_runner("serving_default")(
        left_in=channels_last(left), right_in=channels_last(right)
    )
    assert_outputs(two_inputs, (left, right), outputs, last=True)


def test_onnx_runtime_runs_it_with_caffes_names_and_order(two_inputs, tmp_path):
    import onnx
    import onnxruntime

    report = export(two_inputs, target(tmp_path, "onnx"))
    assert (report.format, report.layout) == ("onnx", "NCHW")
    onnx.checker.check_model(str(report.path), full_check=True)
    session = onnxruntime.InferenceSession(str(report.path))
    assert [entry.name for entry in session.get_inputs()] == ["left/in", "right.in"]
    left, right = pictures(two_inputs)
    names = [entry.name for entry in session.get_outputs()]
    values = session.run(None, {"left/in": left, "right.in": right})
    assert_outputs(two_inputs, (left, right), dict(zip(names, values, strict=True)), last=False)


def pictures(net):
    """A batch and sizes that the definition does not state."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3, 4, 15, 22)).astype(np.float32) for _ in net.inputs]


def assert_outputs(net, arrays, outputs, last):
    expected = run(net, dict(zip(net.inputs, arrays, strict=True)))
    assert set(outputs) == set(expected)
    for name, values in expected.items():
        values = channels_last(values) if last else values
        np.testing.assert_allclose(np.asarray(outputs[name]), values, atol=1e-5)


def test_tflite_says_when_sizes_are_fixed(tmp_path):
    path = tmp_path / "pooled.prototxt"
    path.write_text("""
        input: "data" input_shape { dim: 1 dim: 4 dim: 9 dim: 9 }
        layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
                pooling_param { kernel_size: 3 stride: 2 } }
        layer { name: "conv" type: "Convolution" bottom: "pool" top: "conv"
                convolution_param { num_output: 4 kernel_size: 3
                                    weight_filler { type: "xavier" } } }""")
    net = Net.read(path).initialized(1)
    report = export(net, target(tmp_path, "tflite"))
    assert report.notes == (
        "TFLite cannot compute this for free sizes; the file is for those of the definition.",
    )


def test_a_written_file_that_computes_otherwise_is_not_kept(lenet, tmp_path, format, monkeypatch):
    made = target(tmp_path, format)
    export(lenet.net, made, format)
    kept = sorted((path, path.stat().st_size) for path in made.parent.rglob("*"))
    tampered = lenet.net.with_params({"ip2": [2 * blob for blob in lenet.net.params["ip2"]]})
    exporter = EXPORTS[format]

    def write(source, path):
        return exporter.write(source_of(tampered), path)

    broken = Exporter(exporter.suffix, exporter.layout, write, exporter.open)
    monkeypatch.setitem(EXPORTS, format, broken)
    with pytest.raises(VerificationError, match="output 'prob' of the export differs") as caught:
        export(lenet.net, made, format, overwrite=True)
    assert caught.value.exit_code == 3
    assert "Nothing was kept" in str(caught.value)
    assert sorted((path, path.stat().st_size) for path in made.parent.rglob("*")) == kept


def test_what_is_there_is_replaced_only_when_that_is_said(lenet, tmp_path, format):
    made = target(tmp_path, format)
    export(lenet.net, made, format)
    with pytest.raises(UsageError, match="exists and was left as it is"):
        export(lenet.net, made, format)
    changed = lenet.net.with_params({"ip2": [blob + 1 for blob in lenet.net.params["ip2"]]})
    report = export(changed, made, format, overwrite=True)
    data = {"data": np.ones((1, 1, 28, 28), np.float32)}
    received = EXPORTS[format].open(source_of(changed), report.path)(data)
    assert compare(received, run(changed, data)).relative < TOLERANCE
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_a_folder_with_other_things_is_never_replaced(lenet, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(UsageError, match="folder with other things in it"):
        export(lenet.net, tmp_path / "photos", "savedmodel", overwrite=True)
    (tmp_path / "net.onnx").mkdir()
    (tmp_path / "net.onnx" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(UsageError, match="folder with other things in it"):
        export(lenet.net, tmp_path / "net.onnx", overwrite=True)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("net.pb", None, r"ends with \.keras, \.tflite, \.onnx, or the format"),
        ("net.onnx", "onxx", "there is no format 'onxx'. Did you mean onnx"),
        ("net.tflite", "onnx", r"the name of a onnx file ends with \.onnx"),
        ("missing/net.onnx", None, "there is no folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(lenet, tmp_path, name, format, message):
    with pytest.raises(UsageError, match=message):
        export(lenet.net, tmp_path / name, format)
    assert not list(tmp_path.iterdir())


def test_a_net_needs_weights_and_the_test_phase(two_inputs, tmp_path):
    bare = Net(two_inputs.definition)
    with pytest.raises(UsageError, match="no weights to export: fire/conv"):
        export(bare, tmp_path / "net.onnx")
    train = Net.read(tmp_path / "two_inputs.prototxt", phase="train").initialized()
    with pytest.raises(UsageError, match="read for the TRAIN phase"):
        export(train, tmp_path / "net.onnx")


def test_an_operator_that_tflite_lacks_is_named(two_inputs, tmp_path, monkeypatch):
    import keras
    import tensorflow as tf

    from zoo.exports.source import Source

    class Svd(keras.layers.Layer):
        def call(self, inputs):
            return tf.linalg.svd(inputs, compute_uv=False)

    def model(self):
        given = keras.Input((None, None, 4), name="data")
        return keras.Model(given, Svd()(given))

    path = tmp_path / "one.prototxt"
    path.write_text('input: "data" input_shape { dim: 1 dim: 4 dim: 5 dim: 5 }')
    monkeypatch.setattr(Source, "model", model)
    with pytest.raises(NetError, match=r"no operator for tf\.Svd"):
        export(Net.read(path), target(tmp_path, "tflite"))
    assert not list((tmp_path / "made").iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_said_with_how_to_get_it(lenet, tmp_path, monkeypatch, package):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UnavailableError, match="pip install 'onnx>=1.17,<2' 'onnxruntime>=1.21,<2'"
    ):
        export(lenet.net, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_difference_counts_what_is_not_finite():
    nan, inf = np.float32(np.nan), np.float32(np.inf)
    assert compare({"a": np.array([nan, inf, 1])}, {"a": np.array([nan, inf, 1])}).relative == 0
    assert compare({"a": np.array([1, nan])}, {"a": np.array([1, 2])}).absolute == np.inf
    assert compare({"a": np.array([1, 2])}, {"a": np.array([1, inf])}).absolute == np.inf
    assert compare({"a": np.ones((2, 1))}, {"a": np.ones((1, 2))}).absolute == np.inf
    assert compare({"a": np.array([1, 3])}, {"a": np.array([1, 4])}).relative == 0.25
