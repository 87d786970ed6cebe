"""What every operation on a net has to keep: files, OpenCV's numbers, counts that add up."""

import numpy as np
from google.protobuf import text_format
from opencv_reference import opencv_values
from reference import relative_error

import zoo
from zoo.caffe.schema.caffe_pb2 import NetParameter


def net_of(text, seed=3, phase="TEST"):
    """A net of a definition with random weights, biases and statistics."""
    net = zoo.Net(text_format.Parse(text, NetParameter()), phase=phase)
    rng = np.random.default_rng(seed)
    params = {}
    for layer in net.layers:
        blobs = [rng.normal(size=shape) / 3 for shape in layer.param_shapes]
        if layer.type == "BatchNorm":
            blobs[1:] = [rng.uniform(1, 3, layer.param_shapes[1]), np.full(1, 2.5)]
        if blobs:
            params[layer.name] = [blob.astype(np.float32) for blob in blobs]
    return net.with_params(params)


def data(shape="1 3 9 9", name="data"):
    dims = " ".join(f"dim: {size}" for size in shape.split())
    return (
        f'layer {{ name: "{name}" type: "Input" top: "{name}"'
        f" input_param {{ shape {{ {dims} }} }} }}\n"
    )


def layer(kind, name, bottom, settings="", top=None):
    bottoms = " ".join(f'bottom: "{each}"' for each in bottom.split())
    tops = " ".join(f'top: "{each}"' for each in (top or name).split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {settings} }}\n'


def conv(name, bottom, outputs=4, settings="kernel_size: 3"):
    return layer(
        "Convolution", name, bottom, f"convolution_param {{ num_output: {outputs} {settings} }}"
    )


def product(name, bottom, outputs=5, settings=""):
    return layer(
        "InnerProduct", name, bottom, f"inner_product_param {{ num_output: {outputs} {settings} }}"
    )


def random_inputs(net, seed=0, **shapes):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=shapes.get(name, shape)).astype(np.float32)
        for name, shape in net.inputs.items()
    }


def check_counts(report, after):
    """All learned values of the new net have one fate."""
    counts = report.counts()
    assert sum(counts.values()) - counts["dropped"] == after.param_count
    assert str(report).startswith(report.operation)
    assert report.to_dict()["counts"] == counts


def reread(net, folder):
    net.save(folder / "again.prototxt", folder / "again.caffemodel")
    return zoo.Net.read(folder / "again.prototxt", folder / "again.caffemodel", net.phase)


def check_files(net, inputs, folder, *, opencv=True):
    """The net computes the same when it was written and read, and in OpenCV; gives its outputs."""
    expected = zoo.run(net, inputs)
    again = reread(net, folder)
    assert again.definition == net.definition
    for name, value in zoo.run(again, inputs).items():
        np.testing.assert_array_equal(value, expected[name])
    if opencv:
        for name, value in opencv_values(net, inputs, list(expected), folder).items():
            assert value.size == expected[name].size
            assert relative_error(value.reshape(expected[name].shape), expected[name]) < 1e-5, name
    return expected
