"""The layers of SSD, against numpy written from SSD's rules and against OpenCV's dnn module.

OpenCV clips priors where the definition does not say, knows no img_size, and takes sizes that are
no whole numbers as they are; SSD does otherwise, and numpy decides there. When it finds nothing,
OpenCV gives one row of zeros.
"""

import math

import numpy as np
import pytest
from check_layer import parse, run_layer, shapes_of
from opencv_reference import opencv_values

import zoo
from zoo.build.predict import predictor
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import lookup

RNG = np.random.default_rng(0)
FEATURES = np.zeros((2, 3, 5, 4), np.float32)
PICTURES = np.zeros((2, 3, 40, 30), np.float32)
FOUR = (0.1, 0.1, 0.2, 0.2)
VARIANCES = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"


def prior_box(param, type_name="PriorBox"):
    return f'type: "{type_name}" bottom: "f" bottom: "x" top: "y" prior_box_param {{ {param} }}'


def priors(sizes, step=(8, 7.5), picture=(40, 30), offset=0.5, variance=(0.1,) * 4):
    """Boxes of (width, height) around the 5 x 4 places, and their variances, in float64."""
    rows = []
    for y in range(5):
        for x in range(4):
            cx, cy = (x + offset) * step[1], (y + offset) * step[0]
            for width, height in sizes:
                box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
                rows += [value / picture[1 - i % 2] for i, value in enumerate(box)]
    return np.array([[rows, np.tile(variance, len(rows) // 4)]])


R2, R3 = math.sqrt(2), math.sqrt(3)


@pytest.mark.parametrize(
    ("param", "expected", "in_opencv"),
    [
        (f"min_size: 6 clip: false {VARIANCES}", priors([(6, 6)], variance=FOUR), 1),
        ("min_size: 6 clip: false variance: 0.3", priors([(6, 6)], variance=(0.3,) * 4), 1),
        ("min_size: 6", priors([(6, 6)]), 0),
        (
            "min_size: 4 max_size: 9 aspect_ratio: 2 clip: false variance: 0.1",
            priors([(4, 4), (6, 6), (4 * R2, 4 / R2), (4 / R2, 4 * R2)]),
            1,
        ),
        (
            "min_size: 4 max_size: 9 aspect_ratio: 3 flip: false variance: 0.1 clip: false",
            priors([(4, 4), (6, 6), (4 * R3, 4 / R3)]),
            1,
        ),
        (
            "min_size: 4 min_size: 9 max_size: 9 max_size: 16 aspect_ratio: 2 variance: 0.1"
            " flip: false clip: false",
            priors([(4, 4), (6, 6), (4 * R2, 4 / R2), (9, 9), (12, 12), (9 * R2, 9 / R2)]),
            1,
        ),
        (  # an inverse that is written again does not count twice
            "min_size: 4 aspect_ratio: 2 aspect_ratio: 0.5 aspect_ratio: 1 aspect_ratio: 2",
            priors([(4, 4), (4 * R2, 4 / R2), (4 / R2, 4 * R2)]),
            0,
        ),
        ("min_size: 6.9 max_size: 24.9", priors([(6, 6), (12, 12)]), 0),
        (
            "min_size: 4 step: 3 offset: 0.25 clip: false variance: 0.1",
            priors([(4, 4)], step=(3, 3), offset=0.25),
            1,
        ),
        (
            "min_size: 4 step_h: 3 step_w: 5 clip: false variance: 0.1",
            priors([(4, 4)], step=(3, 5)),
            1,
        ),
        (
            "min_size: 4 img_h: 50 img_w: 20",
            priors([(4, 4)], step=(10, 5), picture=(50, 20)),
            0,
        ),
        ("min_size: 4 img_size: 60", priors([(4, 4)], step=(12, 15), picture=(60, 60)), 0),
    ],
)
def test_prior_boxes_stand_around_each_place(param, expected, in_opencv, tmp_path):
    (top,) = run_layer(prior_box(param), FEATURES, PICTURES)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)
    if in_opencv:
        check_priors_against_opencv(prior_box(param), tmp_path)


def check_priors_against_opencv(layer, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(f"""
        input: "f" input_dim: [2, 3, 5, 4] input: "x" input_dim: [2, 3, 40, 30]
        layer {{ name: "the_layer" {layer} }}""")
    net = zoo.Net.read(path)
    inputs = {"f": FEATURES, "x": PICTURES}
    expected = opencv_values(net, inputs, ["y"], tmp_path)["y"]
    np.testing.assert_allclose(predictor(net)(inputs)["y"], expected, rtol=1e-5, atol=1e-6)


def test_clip_keeps_priors_in_the_picture(tmp_path):
    param = "min_size: 20 clip: true variance: 0.1"
    (top,) = run_layer(prior_box(param), FEATURES, PICTURES)
    expected = priors([(20, 20)])
    expected[0, 0] = np.clip(expected[0, 0], 0, 1)
    assert {0, 1} <= set(expected[0, 0])
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)
    check_priors_against_opencv(prior_box(param), tmp_path)


def test_clustered_priors_have_the_written_sizes():
    param = f"width: 3.5 height: 7 width: 8 height: 2 {VARIANCES}"
    (top,) = run_layer(prior_box(param, "PriorBoxClustered"), FEATURES, PICTURES)
    expected = priors([(3.5, 7), (8, 2)], variance=FOUR)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("", "min_size above 0"),
        ("min_size: 0", "min_size above 0"),
        ("min_size: 4 max_size: 4", "each larger"),
        ("min_size: 4 max_size: 5 max_size: 6", "as many max_size"),
        ("min_size: 4 aspect_ratio: 0", "aspect_ratio above 0"),
        ("min_size: 4 variance: 0.1 variance: 0.2", "1 or 4 variances"),
        ("min_size: 4 variance: 0", "variances above 0"),
        ("min_size: 4 step: 3 step_h: 3 step_w: 3", "expected step, or step_h and step_w"),
        ("min_size: 4 step_h: 3", "expected step, or step_h and step_w"),
        ("min_size: 4 img_size: 3 img_h: 3", "expected img_size, or img_h and img_w"),
    ],
)
def test_prior_boxes_refuse_what_makes_no_boxes(param, message):
    with pytest.raises(NetError, match=f"the_layer.*{message}"):
        shapes_of(prior_box(param), FEATURES.shape, PICTURES.shape)


def test_clustered_priors_want_as_many_widths_as_heights():
    with pytest.raises(NetError, match="as many width as height"):
        shapes_of(prior_box("width: 3", "PriorBoxClustered"), FEATURES.shape, PICTURES.shape)


# Detections


def detection_output(param):
    return (
        'type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "y"'
        f" detection_output_param {{ {param} }}"
    )


def random_bottoms(classes, sets, boxes=60, batch=3, seed=0):
    rng = np.random.default_rng(seed)
    offsets = rng.normal(scale=0.7, size=(batch, boxes * sets * 4))
    scores = rng.random(size=(batch, boxes * classes))
    low = rng.random(size=(boxes, 2)) * 0.6
    corners = np.concatenate([low, low + 0.15 + 0.2 * rng.random(size=(boxes, 2))], axis=1)
    variances = np.tile([0.1, 0.1, 0.2, 0.2], boxes)
    anchors = np.stack([corners.reshape(-1), variances])[None]
    return [array.astype(np.float32) for array in (offsets, scores, anchors)]


def decoded(code, prior, offset):
    xmin, ymin, xmax, ymax = prior
    width, height = xmax - xmin, ymax - ymin
    if code == "CORNER":
        return prior + offset
    if code == "CORNER_SIZE":
        return prior + offset * [width, height, width, height]
    cx, cy = (xmin + xmax) / 2 + offset[0] * width, (ymin + ymax) / 2 + offset[1] * height
    w, h = math.exp(offset[2]) * width / 2, math.exp(offset[3]) * height / 2
    return np.array([cx - w, cy - h, cx + w, cy + h])


def overlap(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def detections(
    offsets,
    scores,
    anchors,
    *,
    classes,
    share=True,
    background=0,
    code="CORNER",
    in_target=False,
    least=-math.inf,
    threshold=0.3,
    eta=1.0,
    top_k=-1,
    keep=-1,
):
    """What SSD's layer finds: rows of picture, class, score and box."""
    priors, variances = anchors[0].reshape(2, -1, 4).astype(np.float64)
    batch = len(offsets)
    offsets = offsets.reshape(batch, len(priors), -1, 4).astype(np.float64)
    scores = scores.reshape(batch, len(priors), classes)
    rows = []
    for picture in range(batch):
        found = []
        for label in range(classes):
            if label == background:
                continue
            column = offsets[picture, :, 0 if share else label]
            boxes = [
                decoded(code, prior, offset if in_target else offset * variance)
                for prior, offset, variance in zip(priors, column, variances, strict=True)
            ]
            points = scores[picture, :, label]
            order = [index for index in np.argsort(-points, kind="stable") if points[index] > least]
            kept, limit = [], threshold
            for index in order if top_k < 0 else order[:top_k]:
                if all(overlap(boxes[index], boxes[other]) <= limit for other in kept):
                    kept.append(index)
                    limit = limit * eta if eta < 1 and limit > 0.5 else limit
            found += [(picture, label, points[index], *boxes[index]) for index in kept]
        if -1 < keep < len(found):
            best = sorted(found, key=lambda row: -row[2])[:keep]
            found = [row for row in found if row in best]
        rows += found
    if not rows:
        rows = [(picture, *[-1] * 6) for picture in range(batch)]
    return np.array(rows)[None, None]


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
@pytest.mark.parametrize("in_target", [False, True])
@pytest.mark.parametrize("share", [False, True])
def test_detections_are_what_ssd_finds(code, in_target, share, tmp_path):
    bottoms = random_bottoms(4, 1 if share else 4)
    text = (
        (
            f"num_classes: 4 background_label_id: 0 code_type: {code}"
            f" variance_encoded_in_target: {in_target} share_location: {share}"
            " confidence_threshold: 0.4 keep_top_k: 12 nms_param { nms_threshold: 0.45 top_k: 15 }"
        )
        .replace("True", "true")
        .replace("False", "false")
    )
    expected = detections(
        *bottoms, classes=4, share=share, code=code, in_target=in_target, least=0.4,
        threshold=0.45, top_k=15, keep=12,
    )  # fmt: skip
    (top,) = run_layer(detection_output(text), *bottoms, batch=None)
    assert top.shape == (1, 1, 36, 7)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)
    if code != "CORNER_SIZE" and not in_target:  # OpenCV knows neither
        theirs = in_opencv(text, bottoms, tmp_path)
        np.testing.assert_allclose(sorted_rows(theirs), sorted_rows(top), rtol=1e-5, atol=1e-6)


def sorted_rows(top):
    """By picture and score: that is how OpenCV gives out what keep_top_k has left."""
    return top[0, 0][np.lexsort((-top[0, 0, :, 2], top[0, 0, :, 0]))]


def in_opencv(param, bottoms, tmp_path):
    path = tmp_path / "net.prototxt"
    inputs = dict(zip(("loc", "conf", "priors"), bottoms, strict=True))
    path.write_text(
        "".join(
            f'input: "{name}" input_shape {{ {" ".join(f"dim: {n}" for n in array.shape)} }}\n'
            for name, array in inputs.items()
        )
        + f'layer {{ name: "the_layer" {detection_output(param)} }}'
    )
    return opencv_values(zoo.Net.read(path), inputs, ["y"], tmp_path)["y"]


@pytest.mark.parametrize(
    ("param", "options"),
    [
        ("", {}),
        ("background_label_id: -1", {"background": -1}),
        ("background_label_id: 2", {"background": 2}),
        ("keep_top_k: 1", {"keep": 1}),
        ("keep_top_k: 500", {"keep": 500}),
        ("nms_param { top_k: 3 }", {"top_k": 3}),
        ("nms_param { top_k: 500 nms_threshold: 0 }", {"top_k": 500, "threshold": 0}),
        ("nms_param { nms_threshold: 1 }", {"threshold": 1}),
        ("nms_param { nms_threshold: 0.9 eta: 0.8 }", {"threshold": 0.9, "eta": 0.8}),
        ("confidence_threshold: 0.95 keep_top_k: 4", {"least": 0.95, "keep": 4}),
        ("confidence_threshold: 0.9999", {"least": 0.9999}),
        ("keep_top_k: 0", {"keep": 0}),
        ("nms_param { top_k: 0 }", {"top_k": 0}),
        ("visualize: true save_output_param { output_directory: 'x' }", {}),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_limits_of_detection(param, options, seed):
    bottoms = random_bottoms(3, 1, seed=seed)
    expected = detections(*bottoms, classes=3, **options)
    (top,) = run_layer(detection_output(f"num_classes: 3 {param}"), *bottoms, batch=None)
    np.testing.assert_allclose(top, expected, rtol=1e-5, atol=1e-6)


def test_without_a_detection_there_is_a_row_for_each_picture():
    bottoms = random_bottoms(3, 1)
    text = detection_output("num_classes: 3 confidence_threshold: 2")
    (top,) = run_layer(text, *bottoms, batch=None)
    assert top.tolist() == [[[[n, -1, -1, -1, -1, -1, -1] for n in range(3)]]]


def test_a_picture_without_detections_has_no_row_while_others_have():
    offsets, scores, anchors = random_bottoms(2, 1)
    scores[1] = 0
    text = detection_output("num_classes: 2 confidence_threshold: 0.5 keep_top_k: 2")
    (top,) = run_layer(text, offsets, scores, anchors, batch=None)
    assert top[0, 0, :, 0].tolist() == [0, 0, 2, 2]


def test_of_equal_scores_the_first_box_wins():
    offsets, scores, anchors = random_bottoms(2, 1, boxes=2, batch=1)
    offsets[:], scores[:] = 0, 0.5
    anchors[0, 0] = [0.1, 0.1, 0.5, 0.5, 0.1, 0.1, 0.5, 0.4]
    (top,) = run_layer(detection_output("num_classes: 2"), offsets, scores, anchors, batch=None)
    np.testing.assert_allclose(top[0, 0], [[0, 1, 0.5, 0.1, 0.1, 0.5, 0.5]], rtol=1e-6)


def test_boxes_turned_inside_out_overlap_nothing():
    offsets, scores, anchors = random_bottoms(2, 1, boxes=2, batch=1)
    offsets[:] = 0
    anchors[0, 0] = [0.5, 0.5, 0.1, 0.1, 0.5, 0.5, 0.1, 0.1]
    (top,) = run_layer(detection_output("num_classes: 2"), offsets, scores, anchors, batch=None)
    assert top.shape == (1, 1, 2, 7)


@pytest.mark.parametrize(
    ("param", "shapes", "error", "message"),
    [
        ("", [(1, 8), (1, 4), (1, 2, 8)], NetError, "num_classes of at least 1"),
        ("num_classes: 2 nms_param { nms_threshold: -1 }", [(1, 8), (1, 4), (1, 2, 8)], NetError,
         "nms_threshold of at least 0"),
        ("num_classes: 2 nms_param { eta: 0 }", [(1, 8), (1, 4), (1, 2, 8)], NetError, "eta in"),
        ("num_classes: 2", [(1, 9), (1, 4), (1, 2, 8)], ShapeError, "expected 8 offsets and 4"),
        ("num_classes: 2 share_location: false", [(1, 8), (1, 4), (1, 2, 8)], ShapeError,
         "expected 16 offsets"),
        ("num_classes: 2", [(1, 8), (2, 4), (1, 2, 8)], ShapeError, "expected offsets"),
        ("num_classes: 2", [(1, 8), (1, 4), (1, 8)], ShapeError, "priors"),
    ],
)  # fmt: skip
def test_detection_refuses_what_does_not_fit(param, shapes, error, message):
    with pytest.raises(error, match=f"the_layer.*{message}"):
        shapes_of(detection_output(param), *shapes)


def test_the_loss_of_ssd_has_a_shape_and_says_what_to_use_instead():
    text = (
        'type: "MultiBoxLoss" bottom: "loc" bottom: "conf" bottom: "priors" bottom: "label"'
        ' top: "loss" multibox_loss_param { num_classes: 2 code_type: CENTER_SIZE'
        " nms_param { nms_threshold: 0.4 } mining_type: MAX_NEGATIVE }"
    )
    shapes = [(1, 8), (1, 4), (1, 2, 8), (1, 1, 1, 8)]
    assert shapes_of(text, *shapes) == [()]
    from zoo.layers.site import Site

    with pytest.raises(NetError, match="DetectionOutput in its place.*loc, conf, priors"):
        lookup("MultiBoxLoss").build(Site(parse(text), "loss", [], [()], []))


def test_a_box_that_does_not_stay_suppresses_none():
    from zoo.keras_layers.suppression import overlaps, surviving

    row = np.array([[[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]]], np.float32)
    valid = np.ones((1, 3), bool)
    assert np.asarray(surviving(row, valid, 0.5)).tolist() == [[True, False, True]]
    assert float(overlaps(row[0, 0], row[0, 1])) == pytest.approx(70 / 130)
