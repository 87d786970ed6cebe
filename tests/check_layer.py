"""Runs one layer through Keras the ways it can occur in a network, which must all agree."""

import keras
import numpy as np
from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.layers.kind import kind_name, lookup
from zoo.layers.site import Blob, Site, to_caffe_order


def parse(text):
    return text_format.Parse(text, LayerParameter(name="the_layer"))


def shapes_of(text, *bottoms):
    """Shapes of the tops for bottoms of these shapes, after the checks that a Net makes."""
    layer = parse(text)
    kind = lookup(kind_name(layer))
    kind.check_counts(layer)
    return kind.tops(layer, list(bottoms))


def run_layer(text, *bottoms, batch=7, params=(), training=False):
    """The tops as arrays in Caffe's order.

    Built with pictures channels last and in Caffe's order, with free and with fixed spatial sizes,
    each saved in its config and made anew. The definition states another batch than comes (7),
    unless `batch` is None.
    """
    layer = parse(text)
    bottoms = [np.asarray(bottom, np.float32) for bottom in bottoms]
    ways = [(True, True), (True, False), (False, True)]
    results = [_run(layer, bottoms, batch, params, training, *way) for way in ways]
    for result in results[1:] if not training else []:
        for received, expected in zip(result, results[0], strict=True):
            np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)
    return results[0]


def _run(layer, arrays, batch, params, training, channels_last, free):
    kind = lookup(kind_name(layer))
    kind.check_counts(layer)
    shapes = [array.shape if batch is None else (batch, *array.shape[1:]) for array in arrays]
    blobs = [_input(shape, channels_last, free) for shape in shapes]
    tops = kind.tops(layer, shapes)
    values = [np.asarray(param, np.float32) for param in params]
    site = Site(layer, layer.name, blobs, tops, kind.params(layer, shapes), blobs=values)
    made = kind.build(site)
    assert [blob.shape for blob in made] == tops
    # A dict, since Keras unwraps a list of one when it makes a model anew.
    outputs = {str(i): to_caffe_order(blob, f"top{i}") for i, blob in enumerate(made)}
    model = keras.Model([blob.tensor for blob in blobs], outputs)
    if site.weight_map:
        _check_weights(site.weight_map, values)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    inputs = [
        np.moveaxis(array, 1, -1) if blob.channels_last else array
        for array, blob in zip(arrays, blobs, strict=True)
    ]
    received = again(inputs, training=training)
    results = [np.asarray(received[name]) for name in outputs]
    for output, result in zip(outputs.values(), results, strict=True):
        assert len(output.shape) == result.ndim
        assert all(a in (None, b) for a, b in zip(output.shape, result.shape, strict=True))
    return results


def _input(shape, channels_last, free):
    last = channels_last and len(shape) > 3
    sizes = tuple(None for _ in shape[2:]) if free and len(shape) > 3 else shape[2:]
    inner = (*sizes, shape[1]) if last else (*shape[1:2], *sizes)
    return Blob(keras.Input(inner), shape, last)


def _check_weights(weight_map, params):
    back = weight_map.to_caffe([np.asarray(w) for w in weight_map.keras_layer.get_weights()])
    for received, expected in zip(back, params, strict=True):
        assert received.shape == expected.shape
        np.testing.assert_array_equal(received, expected)
