"""What every operation on a net has to keep to: counts that add up, files, OpenCV's numbers."""

from collections import Counter

import numpy as np
from opencv_reference import opencv_values
from reference import relative_error
from surgery_nets import random_inputs

import zoo


def check_counts(before, after, report):
    """Every value of the new net has one fate, and every blob of the old one is accounted for."""
    counts = report.counts()
    assert sum(counts.values()) - counts["dropped"] == after.param_count
    places = Counter((blob.layer, blob.index) for blob in report.blobs if blob.shape is not None)
    assert places == Counter(_places(after))
    # What comes from another net than the old one has that net's name in front of its layer's.
    origins = {(blob.origin, blob.index) for blob in report.blobs if blob.origin is not None}
    ours = {(layer, index) for layer, index in origins if ":" not in layer}
    assert ours == set(_places(before)) or (not before.params and ours <= set(_places(before)))
    for blob in report.blobs:
        if blob.shape is not None:
            assert after.param_shapes[blob.layer][blob.index] == blob.shape
        if blob.fate == "kept" and blob.layer in before.params and blob.layer in after.params:
            old, new = (net.params[blob.layer][blob.index] for net in (before, after))
            np.testing.assert_array_equal(new, old)
    assert str(report).startswith(report.operation)
    assert report.to_dict()["counts"] == counts


def _places(net):
    return [(name, i) for name, shapes in net.param_shapes.items() for i in range(len(shapes))]


def check_same(before, after, inputs=None, earlier=None, blobs=None, tolerance=1e-5):
    """The same outputs, for the same inputs or those that the old net was given."""
    inputs = random_inputs(before) if inputs is None else inputs
    blobs = before.outputs if blobs is None else blobs
    expected = zoo.run(before, inputs if earlier is None else earlier, blobs)
    received = zoo.run(after, inputs, blobs)
    for name in blobs:
        assert relative_error(received[name], expected[name]) < tolerance, name


def reread(net, folder):
    net.save(folder / "again.prototxt", folder / "again.caffemodel")
    return zoo.Net.read(folder / "again.prototxt", folder / "again.caffemodel", phase=net.phase)


def check_round_trip(net, folder, inputs=None):
    """Written and read again it is the same net with the same values; gives its outputs."""
    again = reread(net, folder)
    assert again.definition == net.definition
    assert again.blobs == net.blobs
    inputs = random_inputs(net) if inputs is None else inputs
    expected, received = zoo.run(net, inputs), zoo.run(again, inputs)
    for name in net.outputs:
        np.testing.assert_array_equal(received[name], expected[name])
    return expected


def check_files(net, inputs, folder):
    """The net computes the same when it was written and read, and in OpenCV; gives its outputs."""
    expected = check_round_trip(net, folder, inputs)
    for name, value in opencv_values(net, inputs, list(expected), folder).items():
        assert value.size == expected[name].size
        assert relative_error(value.reshape(expected[name].shape), expected[name]) < 1e-5, name
    return expected


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
