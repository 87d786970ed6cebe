"""What every operation on a net has to keep to, whatever it does."""

from collections import Counter

import numpy as np
from google.protobuf import text_format
from growing_net import random_params
from reference import relative_error

import zoo
from zoo.caffe.schema.caffe_pb2 import NetParameter

INPUT = """layer { name: "data" type: "Input" top: "data"
                   input_param { shape { dim: 2 dim: 6 dim: 9 dim: 9 } } }\n"""


def read(text, seed=0, phase="TEST"):
    """A net from its layers behind an input (2, 6, 9, 9), with random weights and statistics."""
    net = zoo.Net(text_format.Parse(INPUT + text, NetParameter()), phase=phase)
    return net.with_params(random_params(net, np.random.default_rng(seed))).initialized()


def layer(name, kind, bottom, settings="", top=None):
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top or name}"'
        f" {settings} }}\n"
    )


def convolution(name, bottom, outputs, settings="", kind="Convolution", param=""):
    settings = f"convolution_param {{ num_output: {outputs} {settings} }} {param}"
    return layer(name, kind, bottom, settings)


def inner_product(name, bottom, outputs, settings="", param=""):
    settings = f"inner_product_param {{ num_output: {outputs} {settings} }} {param}"
    return layer(name, "InnerProduct", bottom, settings)


def values_for(net, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in net.inputs.items()}


def check_same(before, after, inputs=None, blobs=None, tolerance=1e-5):
    """The same outputs for the same inputs, whatever else was changed."""
    inputs = values_for(before) if inputs is None else inputs
    blobs = before.outputs if blobs is None else blobs
    expected, received = zoo.run(before, inputs, blobs), zoo.run(after, inputs, blobs)
    for name in blobs:
        assert relative_error(received[name], expected[name]) < tolerance, name


def check_counts(before, after, report):
    """Every value of the new net has one fate, and every blob of the old one is accounted for."""
    counts = report.counts()
    assert sum(counts.values()) - counts["dropped"] == after.param_count
    places = Counter((blob.layer, blob.index) for blob in report.blobs if blob.shape is not None)
    assert places == Counter(
        (name, index) for name, shapes in after.param_shapes.items() for index in range(len(shapes))
    )
    kept = {(blob.origin, blob.index) for blob in report.blobs if blob.origin is not None}
    assert kept == {
        (name, index)
        for name, shapes in before.param_shapes.items()
        for index in range(len(shapes))
    }
    for blob in report.blobs:
        if blob.shape is not None:
            assert after.param_shapes[blob.layer][blob.index] == blob.shape


def check_round_trip(net, folder, inputs=None):
    """Written and read again it is the same net with the same values."""
    net.save(folder / "again.prototxt", folder / "again.caffemodel")
    again = zoo.Net.read(
        folder / "again.prototxt", folder / "again.caffemodel", phase=net.phase.lower()
    )
    inputs = values_for(net) if inputs is None else inputs
    expected, received = zoo.run(net, inputs), zoo.run(again, inputs)
    for name in net.outputs:
        np.testing.assert_array_equal(received[name], expected[name])


def unchanged(net):
    """A function that tells whether a net is still what it was."""
    text = net.to_prototxt()
    params = {name: [blob.copy() for blob in blobs] for name, blobs in net.params.items()}

    def check():
        assert net.to_prototxt() == text
        assert list(net.params) == list(params)
        for name, blobs in params.items():
            for received, expected in zip(net.params[name], blobs, strict=True):
                np.testing.assert_array_equal(received, expected)

    return check
