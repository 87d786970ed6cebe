"""What every operation of surgery has to keep to, and small nets to operate on."""

import numpy as np
from google.protobuf import text_format
from growing_net import random_params
from reference import relative_error

import zoo
from zoo.build.predict import Predictor
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.layers.kind import count

PICTURE = """layer { name: "data" type: "Input" top: "data"
    input_param { shape { dim: 2 dim: 3 dim: 11 dim: 11 } } }\n"""


def read(text, phase="TEST", seed=3):
    """A net with random weights."""
    net = zoo.Net(text_format.Parse(text, NetParameter()), phase=phase)
    return net.with_params(random_params(net, np.random.default_rng(seed)))


def picture(net, blob="data", seed=0):
    rng = np.random.default_rng(seed)
    return {blob: rng.normal(size=net.inputs[blob]).astype(np.float32)}


def values(net, inputs, blobs=None):
    return Predictor(net, blobs or net.outputs)(inputs)


def check_counts(before, after, report):
    """The report is of all params of both nets, each once."""
    counts = report.counts()
    assert sum(counts.values()) - counts["dropped"] == after.param_count
    assert sum(blob.values for blob in report.blobs if blob.shape is not None) == after.param_count
    old = {(blob.origin, number): blob.old_shape for number, blob in enumerate(report.blobs)}
    known = sum(count(shape) for (origin, _), shape in old.items() if origin is not None)
    assert known == before.param_count
    for blob in report.of("kept"):
        np.testing.assert_array_equal(
            after.params[blob.layer][blob.index], before.params[blob.layer][blob.index]
        )
    assert str(report).startswith(report.operation)
    assert report.to_dict()["counts"] == counts


def check_same(before, after, inputs, earlier=None, blobs=None, tolerance=1e-5):
    """Both nets compute the same, up to rounding."""
    names = before.outputs if blobs is None else blobs
    expected = values(before, inputs if earlier is None else earlier, names)
    received = values(after, inputs, names)
    for name in names:
        assert relative_error(received[name], expected[name]) < tolerance, name


def reread(net, folder):
    files = folder / "net.prototxt", folder / "net.caffemodel"
    net.save(*files)
    return zoo.Net.read(*files, phase=net.phase)


def check_files(net, folder):
    """From files it comes as it was."""
    again = reread(net, folder)
    assert again.definition == net.definition
    assert again.blobs == net.blobs
    inputs = picture(net, next(iter(net.inputs)))
    if len(net.inputs) == 1:
        check_same(net, again, inputs)
