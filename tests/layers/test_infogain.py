"""InfogainLoss against its formula: matrix as a bottom and from a file, and all divisors."""

import keras
import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

from zoo.caffe.schema.caffe_pb2 import BlobProto
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup
from zoo.layers.site import Blob, Site

RNG = np.random.default_rng(23)
CLASSES = 5
MATRIX = RNG.normal(size=(CLASSES, CLASSES)).astype(np.float32)


def text(param="", bottoms="xyh", tops="l"):
    bottom = " ".join(f'bottom: "{name}"' for name in bottoms)
    top = " ".join(f'top: "{name}"' for name in tops)
    return f'type: "InfogainLoss" {bottom} {top} {param}'


def softmax(scores, axis):
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def summed(scores, labels, axis=1, ignored=None):
    """The loss before it is divided, by a loop over positions."""
    rows = np.moveaxis(softmax(scores, axis), axis, -1).reshape(-1, CLASSES)
    total = 0.0
    for row, label in zip(rows, labels.reshape(-1).astype(int), strict=True):
        if label != ignored:
            total -= float(MATRIX[label] @ np.log(np.maximum(row, 1e-20)))
    return total


@pytest.mark.parametrize(
    ("param", "divisor"),
    [
        ("", "valid"),
        ("normalization: VALID", "valid"),
        ("normalization: FULL", "full"),
        ("normalization: BATCH_SIZE", "outer"),
        ("normalization: NONE", "one"),
        ("normalize: true", "valid"),
        ("normalize: false", "outer"),
        ("normalize: false normalization: FULL", "full"),
    ],
)
@pytest.mark.parametrize("axis", [1, -2, 3])
@pytest.mark.parametrize("ignored", [None, 2])
def test_every_class_counts_by_the_matrix(param, divisor, axis, ignored):
    shape = [2, 3, 4, 3]
    shape[axis] = CLASSES
    scores = RNG.normal(size=shape).astype(np.float32)
    labels = RNG.integers(0, CLASSES, [s for i, s in enumerate(shape) if i != axis % 4])
    expected = summed(scores, labels, axis, ignored)
    expected /= {
        "valid": int((labels != ignored).sum()),
        "full": labels.size,
        "outer": int(np.prod(shape[: axis % 4])),
        "one": 1,
    }[divisor]
    ignore = "" if ignored is None else f"ignore_label: {ignored}"
    layer = text(
        f"infogain_loss_param {{ axis: {axis} }} loss_param {{ {param} {ignore} }}", tops="lp"
    )
    loss, top = run_layer(layer, scores, labels, MATRIX.reshape(1, 1, 5, 5), batch=None)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    np.testing.assert_allclose(top, softmax(scores, axis), rtol=1e-4, atol=1e-6)


def test_the_smallest_probability_is_1e_20():
    scores = np.float32([[0, -200, 0, 0, 0]])
    (loss,) = run_layer(text(), scores, np.float32([3]), MATRIX, batch=None)
    np.testing.assert_allclose(loss, summed(scores, np.float32([3])), rtol=1e-4)


@pytest.mark.parametrize("suffix", [".binaryproto", ".npy"])
def test_the_matrix_may_come_from_a_file(tmp_path, suffix):
    path = tmp_path / f"matrix{suffix}"
    if suffix == ".npy":
        np.save(path, MATRIX)
    else:
        blob = BlobProto(num=1, channels=1, height=CLASSES, width=CLASSES, data=MATRIX.ravel())
        path.write_bytes(blob.SerializeToString())
    layer = parse(text(f'infogain_loss_param {{ source: "{path}" }}', bottoms="xy"))
    kind, shapes = lookup("InfogainLoss"), [(4, CLASSES), (4,)]
    blobs = [Blob(keras.Input(shape[1:]), shape) for shape in shapes]
    (loss,) = kind.build(Site(layer, "loss", blobs, kind.tops(layer, shapes), []))
    model = keras.Model([blob.tensor for blob in blobs], loss.tensor)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    scores, labels = RNG.normal(size=shapes[0]).astype(np.float32), np.float32([0, 4, 2, 2])
    for made in (model, again):
        np.testing.assert_allclose(made([scores, labels]), summed(scores, labels) / 4, rtol=1e-4)
    assert not model.trainable_weights


def test_a_matrix_that_is_missing_or_no_matrix_is_said(tmp_path):
    with pytest.raises(NetError, match="needs a matrix: as third bottom, or in the file"):
        shapes_of(text(bottoms="xy"), (4, 5), (4,))
    with pytest.raises(ShapeError, match="a matrix of 5 x 5 as third bottom"):
        shapes_of(text(), (4, 5), (4,), (4, 4))
    for content, error, message in [
        (None, NetError, "cannot read the infogain matrix"),
        (b"no matrix at all", NetError, "no infogain matrix in"),
        (BlobProto(data=[1, 2]).SerializeToString(), NetError, "no infogain matrix in"),
        (
            BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2]).SerializeToString(),
            ShapeError,
            "a matrix of 5 x 5 in",
        ),
    ]:
        path = tmp_path / "matrix.binaryproto"
        if content is not None:
            path.write_bytes(content)
        layer = text(f'infogain_loss_param {{ source: "{path}" }}', bottoms="xy")
        with pytest.raises(error, match=message):
            run_layer(layer, np.zeros((4, 5)), np.zeros(4), batch=None)
