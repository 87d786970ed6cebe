"""Losses and Accuracy, against numpy."""

import keras
import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of

from zoo.errors import ShapeError
from zoo.layers.kind import lookup
from zoo.layers.site import Blob, Site

RNG = np.random.default_rng(0)
SCORES = RNG.normal(scale=2, size=(4, 5)).astype(np.float32)
LABELS = np.array([0, 3, 4, 3], np.float32)
MAPS = RNG.normal(scale=2, size=(2, 3, 4, 5)).astype(np.float32)
MAP_LABELS = RNG.integers(0, 3, (2, 1, 4, 5)).astype(np.float32)


def loss(type_name, more="", tops="l", bottoms="xy"):
    bottom = " ".join(f'bottom: "{name}"' for name in bottoms)
    top = " ".join(f'top: "{name}"' for name in tops)
    return f'type: "{type_name}" {bottom} {top} {more}'


def log_softmax(scores, axis=1):
    shifted = scores.astype(np.float64) - scores.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def cross_entropies(scores, labels, axis=1):
    """-log softmax at the label for each position, in the shape of the labels."""
    index = labels.astype(int).reshape(*scores.shape[:axis], 1, *scores.shape[axis + 1 :])
    return -np.take_along_axis(log_softmax(scores, axis), index, axis=axis)


def close(received, expected):
    np.testing.assert_allclose(received, expected, rtol=2e-5, atol=1e-6)


def test_softmax_loss_is_the_mean_over_the_batch_that_comes():
    (top,) = run_layer(loss("SoftmaxWithLoss"), SCORES, LABELS)
    assert top.shape == ()
    close(top, cross_entropies(SCORES, LABELS).mean())


@pytest.mark.parametrize("label_shape", [(2, 1, 4, 5), (2, 4, 5), (2, 20)])
@pytest.mark.parametrize(
    ("param", "divisor"),
    [
        ("", "valid"),
        ("normalization: VALID", "valid"),
        ("normalization: FULL", 40),
        ("normalization: BATCH_SIZE", 2),
        ("normalization: NONE", 1),
        ("normalize: true", "valid"),
        ("normalize: false", 2),
        ("normalize: false normalization: FULL", 40),
    ],
)
def test_softmax_loss_of_maps_divides_as_it_is_told(param, divisor, label_shape):
    text = loss("SoftmaxWithLoss", f"loss_param {{ ignore_label: 1 {param} }}")
    (top,) = run_layer(text, MAPS, MAP_LABELS.reshape(label_shape))
    counted = MAP_LABELS != 1
    total = (cross_entropies(MAPS, MAP_LABELS) * counted).sum()
    close(top, total / (counted.sum() if divisor == "valid" else divisor))


@pytest.mark.parametrize("axis", [2, -1])
def test_softmax_loss_may_have_its_classes_on_another_axis(axis):
    text = loss("SoftmaxWithLoss", f"softmax_param {{ axis: {axis} }} loss_param {{ {{}} }}")
    size = MAPS.shape[axis]
    rest = tuple(np.delete(MAPS.shape, axis))
    labels = RNG.integers(0, size, rest)
    expected = cross_entropies(MAPS, labels, axis % 4).sum()
    (mean,) = run_layer(text.replace("{}", ""), MAPS, labels)
    close(mean, expected / labels.size)
    (by_batch,) = run_layer(text.replace("{}", "normalization: BATCH_SIZE"), MAPS, labels)
    close(by_batch, expected / np.prod(MAPS.shape[: axis % 4]))


def test_softmax_loss_ignores_labels_that_are_no_class():
    text = loss("SoftmaxWithLoss", "loss_param { ignore_label: 255 }")
    (top,) = run_layer(text, SCORES, [0, 255, 4, 255])
    close(top, cross_entropies(SCORES, LABELS)[[0, 2]].mean())


def test_softmax_loss_of_nothing_but_ignored_labels_is_zero():
    text = loss("SoftmaxWithLoss", "loss_param { ignore_label: -1 }")
    (top,) = run_layer(text, SCORES, [-1, -1, -1, -1])
    assert top == 0


def test_softmax_loss_is_no_larger_than_the_smallest_float_allows():
    (top,) = run_layer(loss("SoftmaxWithLoss"), [[0.0, 500.0]], [0])
    close(top, -np.log(np.finfo(np.float32).tiny))


def test_softmax_loss_gives_the_softmax_as_second_top():
    text = loss("SoftmaxWithLoss", tops="lp")
    assert shapes_of(text, MAPS.shape, (2, 4, 5)) == [(), MAPS.shape]
    top, softmax = run_layer(text, MAPS, MAP_LABELS)
    close(top, cross_entropies(MAPS, MAP_LABELS).mean())
    close(softmax, np.exp(log_softmax(MAPS)))


def test_a_loss_may_have_no_top():
    assert shapes_of(loss("SoftmaxWithLoss", tops=""), (4, 5), (4,)) == []
    assert shapes_of(loss("EuclideanLoss", tops=""), (4, 5), (4, 5)) == []


def test_the_value_of_a_loss_does_not_contain_its_weight():
    (top,) = run_layer(loss("SoftmaxWithLoss", "loss_weight: 0.25"), SCORES, LABELS)
    close(top, cross_entropies(SCORES, LABELS).mean())
    assert lookup("SoftmaxWithLoss").loss_weight == 1
    assert lookup("Accuracy").loss_weight == 0


@pytest.mark.parametrize(
    ("param", "divisor"),
    [
        ("", 2),
        ("normalization: VALID", "valid"),
        ("normalization: FULL", 120),
        ("normalization: NONE", 1),
        ("normalize: true", "valid"),
        ("normalize: false", 2),
    ],
)
def test_sigmoid_loss_divides_by_the_batch_unless_told(param, divisor):
    targets = RNG.integers(0, 3, MAPS.shape).astype(np.float32)
    text = loss("SigmoidCrossEntropyLoss", f"loss_param {{ ignore_label: 2 {param} }}")
    (top,) = run_layer(text, MAPS, targets)
    counted = targets != 2
    terms = np.logaddexp(0, MAPS) - MAPS * targets
    close(top, terms[counted].sum() / (counted.sum() if divisor == "valid" else divisor))


def test_sigmoid_loss_of_large_scores_is_finite():
    (top,) = run_layer(loss("SigmoidCrossEntropyLoss"), [[1000.0, -1000.0]], [[0.0, 0.5]])
    close(top, 1000 + 500)


def test_euclidean_loss_is_half_the_mean_of_squares():
    other = RNG.normal(size=MAPS.shape)
    (top,) = run_layer(loss("EuclideanLoss"), MAPS, other)
    close(top, np.square(MAPS - other).sum() / 4)


def test_euclidean_loss_compares_values_in_the_order_of_caffe():
    other = RNG.normal(size=(2, 60))
    (top,) = run_layer(loss("EuclideanLoss"), MAPS, other)
    close(top, np.square(MAPS.reshape(2, 60) - other).sum() / 4)


@pytest.mark.parametrize("type_name", ["EuclideanLoss", "SigmoidCrossEntropyLoss"])
def test_bottoms_in_different_orders_are_compared_value_by_value(type_name):
    layer, shape = parse(loss(type_name)), MAPS.shape
    bottoms = [Blob(keras.Input((4, 5, 3)), shape, True), Blob(keras.Input((3, 4, 5)), shape)]
    (top,) = lookup(type_name).build(Site(layer, "loss", bottoms, [()], []))
    model = keras.Model([bottom.tensor for bottom in bottoms], top.tensor)
    other = np.clip(RNG.normal(size=shape), 0, 1).astype(np.float32)
    (expected,) = run_layer(loss(type_name), MAPS, other)
    close(model([np.moveaxis(MAPS, 1, -1), other]), expected)


@pytest.mark.parametrize("norm", ["L1", "L2"])
@pytest.mark.parametrize("scores", [SCORES, RNG.normal(size=(4, 3, 2, 2)).astype(np.float32)])
def test_hinge_loss_wants_a_margin_of_one(norm, scores):
    text = loss("HingeLoss", f"hinge_loss_param {{ norm: {norm} }}")
    (top,) = run_layer(text, scores, LABELS)
    signed = scores.reshape(4, -1).copy()
    signed[range(4), LABELS.astype(int)] *= -1
    terms = np.maximum(0, 1 + signed) ** (1 if norm == "L1" else 2)
    close(top, terms.sum() / 4)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 1, 1)])
def test_contrastive_loss_draws_together_and_apart(legacy, shape):
    first, second = RNG.normal(size=(2, *shape)).astype(np.float32)
    similar = np.array([1, 0, 0, 1])
    param = f"contrastive_loss_param {{ margin: 3 legacy_version: {str(legacy).lower()} }}"
    (top,) = run_layer(loss("ContrastiveLoss", param, bottoms="xyz"), first, second, similar)
    square = np.square(first - second).reshape(4, 3).sum(axis=1)
    apart = np.maximum(3 - square, 0) if legacy else np.maximum(3 - np.sqrt(square), 0) ** 2
    close(top, np.where(similar, square, apart).sum() / 8)


def test_contrastive_loss_of_equal_vectors_has_a_finite_gradient():
    import tensorflow as tf

    from zoo.keras_layers.loss import ContrastiveLoss

    vectors = tf.ones((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        value = ContrastiveLoss()([vectors, tf.ones((2, 3)), tf.zeros(2)])
    np.testing.assert_array_equal(tape.gradient(value, vectors), np.zeros((2, 3)))


def test_multinomial_loss_takes_the_logarithm_of_probabilities():
    probabilities = np.exp(log_softmax(SCORES))
    probabilities[1, 3] = 0
    (top,) = run_layer(loss("MultinomialLogisticLoss"), probabilities, LABELS)
    picked = np.maximum(probabilities[range(4), LABELS.astype(int)], 1e-20)
    close(top, -np.log(picked).mean())


def test_infogain_loss_knows_its_shapes():
    text = loss("InfogainLoss", bottoms="xyz", tops="lp")
    assert shapes_of(text, (4, 5), (4,), (1, 1, 5, 5)) == [(), (4, 5)]
    with pytest.raises(ShapeError, match="a matrix of 5 x 5.*received"):
        shapes_of(text, (4, 5), (4,), (1, 1, 4, 5))


def accuracy(param="", tops="a"):
    return loss("Accuracy", f"accuracy_param {{ {param} }}", tops)


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_accuracy_counts_labels_among_the_highest(top_k):
    (top,) = run_layer(accuracy(f"top_k: {top_k}"), SCORES, LABELS)
    best = np.argsort(-SCORES, axis=1)[:, :top_k]
    close(top, np.mean([label in row for label, row in zip(LABELS, best, strict=True)]))


def test_accuracy_of_maps_leaves_ignored_labels_out_and_can_be_split_by_class():
    top, by_class = run_layer(accuracy("ignore_label: 1", "ab"), MAPS, MAP_LABELS)
    right = MAPS.argmax(axis=1)[:, None] == MAP_LABELS
    close(top, right[MAP_LABELS != 1].mean())
    close(by_class, [right[MAP_LABELS == 0].mean(), 0, right[MAP_LABELS == 2].mean()])


def test_accuracy_may_have_its_classes_on_the_last_axis():
    labels = RNG.integers(0, 5, (2, 3, 4))
    (top,) = run_layer(accuracy("axis: -1"), MAPS, labels)
    close(top, (MAPS.argmax(axis=-1) == labels).mean())


def test_accuracy_counts_a_tie_as_wrong():
    scores = [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    assert run_layer(accuracy(), scores, [0, 1])[0] == 0
    assert run_layer(accuracy("top_k: 2"), scores, [0, 1])[0] == 1


def test_accuracy_of_nothing_is_zero():
    assert run_layer(accuracy("ignore_label: 2"), [[1.0, 0.0, 0.0]], [2])[0] == 0


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (loss("SoftmaxWithLoss"), [(4, 5), (3,)], r"same batch.*\(4, 5\) and \(3,\)"),
        (loss("SoftmaxWithLoss"), [(2, 3, 4, 5), (2,)], "expected 40 labels.*received 2"),
        (loss("EuclideanLoss"), [(4, 5), (4, 6)], r"as many values.*\(4, 5\) and \(4, 6\)"),
        (loss("SigmoidCrossEntropyLoss"), [(4, 5), (4,)], "as many values"),
        (loss("HingeLoss"), [(4, 5), (4, 2)], "one label for each of the 4"),
        (loss("MultinomialLogisticLoss"), [(4, 5), (4, 2)], "one label for each of the 4"),
        (loss("ContrastiveLoss", bottoms="xyz"), [(4, 5), (4, 6), (4,)], "one vector a pair"),
        (loss("ContrastiveLoss", bottoms="xyz"), [(4, 5), (4, 5), (4, 2)], "one number a pair"),
        (accuracy(), [(4, 5), (4, 2)], "expected 4 labels.*received 8"),
        (accuracy("top_k: 6"), [(4, 5), (4,)], "top_k from 1 to the 5 classes, received 6"),
    ],
)
def test_bottoms_that_do_not_fit_are_refused(text, shapes, message):
    with pytest.raises(ShapeError, match=f"the_layer.*{message}"):
        shapes_of(text, *shapes)
