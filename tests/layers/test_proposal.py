"""Proposal, against py-faster-rcnn's steps written in numpy, and against OpenCV."""

import numpy as np
import pytest
from check_layer import run_layer, shapes_of
from opencv_reference import opencv_values

import zoo
from zoo.errors import NetError, ShapeError
from zoo.layers.proposal import anchors

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 5, 6
SIZE = np.array([[80, 90, 1.5]], np.float32)


def maps(number):
    """Scores and deltas for so many anchors."""
    scores = RNG.permutation(2 * number * HEIGHT * WIDTH).reshape(1, 2 * number, HEIGHT, WIDTH)
    deltas = RNG.normal(size=(1, 4 * number, HEIGHT, WIDTH), scale=0.3)
    return (scores / scores.size).astype(np.float32), deltas.astype(np.float32)


def proposals(scores, deltas, size, boxes, stride, min_size, before, after, threshold):
    """The rows of the two tops."""
    number = len(boxes)
    found = []
    for i in range(HEIGHT):
        for j in range(WIDTH):
            for a, box in enumerate(boxes):
                x1, y1, x2, y2 = box + np.array([j, i, j, i]) * stride
                wide, high = x2 - x1 + 1, y2 - y1 + 1
                dx, dy, dw, dh = deltas[0, 4 * a : 4 * a + 4, i, j].astype(float)
                x, y = x1 + wide / 2 + dx * wide, y1 + high / 2 + dy * high
                wide, high = np.exp(dw) * wide, np.exp(dh) * high
                corners = [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]
                limits = [size[1] - 1, size[0] - 1] * 2
                x1, y1, x2, y2 = np.clip(corners, 0, limits)
                scale_x = size[3] if len(size) > 3 else size[2]
                if x2 - x1 + 1 >= min_size * scale_x and y2 - y1 + 1 >= min_size * size[2]:
                    found.append((scores[0, number + a, i, j], x1, y1, x2, y2))
    found = sorted(found, reverse=True)[: before if before > 0 else None]
    kept = []
    for one in found:
        if len(kept) < after and all(overlap(one[1:], other[1:]) <= threshold for other in kept):
            kept.append(one)
    rows = np.array(kept)
    return np.insert(rows[:, 1:], 0, 0, axis=1), rows[:, 0]


def overlap(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0]) + 1
    high = min(one[3], other[3]) - max(one[1], other[1]) + 1
    both = max(wide, 0) * max(high, 0)
    areas = [(x2 - x1 + 1) * (y2 - y1 + 1) for x1, y1, x2, y2 in (one, other)]
    return both / (sum(areas) - both)


def text(param, tops=("rois", "scores"), type_name="Proposal"):
    top = " ".join(f'top: "{name}"' for name in tops)
    return f'type: "{type_name}" bottom: "scores" bottom: "deltas" bottom: "size" {top} {param}'


def python(param_str, tops=("rois", "scores")):
    param = f'module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{param_str}"'
    return text(f"python_param {{ {param} }}", tops, "Python")


def test_anchors_are_those_that_the_authors_print():
    # The comment in py-faster-rcnn's generate_anchors.py, counted from 0 as its code does.
    assert anchors(16, (0.5, 1, 2), (8, 16, 32)).tolist() == [
        [-84, -40, 99, 55],
        [-176, -88, 191, 103],
        [-360, -184, 375, 199],
        [-56, -56, 71, 71],
        [-120, -120, 135, 135],
        [-248, -248, 263, 263],
        [-36, -80, 51, 95],
        [-80, -168, 95, 183],
        [-168, -344, 183, 359],
    ]


@pytest.mark.parametrize(
    ("param", "ratios", "scales", "rest"),
    [
        ("", (0.5, 1, 2), (8, 16, 32), (16, 16, 6000, 300, 0.7)),
        (
            "ratio: 1 ratio: 2 scale: 1 scale: 2 scale: 3 feat_stride: 10 base_size: 8 min_size: 9"
            " pre_nms_topn: 40 post_nms_topn: 7 nms_thresh: 0.3",
            (1, 2),
            (1, 2, 3),
            (10, 9, 40, 7, 0.3),
        ),
        ("scale: 0.5 pre_nms_topn: 0 min_size: 0 nms_thresh: 0.5", (0.5, 1, 2), (0.5,), None),
    ],
)
@pytest.mark.parametrize("size", [SIZE, [[80, 90, 1.2, 0.7, 1, 1]]])
def test_proposals_are_moved_cut_filtered_sorted_and_suppressed(param, ratios, scales, rest, size):
    boxes = anchors(8 if "base_size" in param else 16, ratios, scales)
    scores, deltas = maps(len(boxes))
    rest = rest or (16, 0, 0, 300, 0.5)
    layer = text(f"proposal_param {{ {param} }}")
    rois, kept = run_layer(layer, scores, deltas, np.array(size, np.float32), batch=None)
    expected = proposals(scores, deltas, np.ravel(size), boxes, *rest)
    np.testing.assert_allclose(rois, expected[0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(kept, expected[1], rtol=1e-6)
    assert shapes_of(layer, scores.shape, deltas.shape, (1, 3)) == [(rest[3], 5), (rest[3],)]


def test_the_python_layer_of_faster_rcnn_is_known_by_its_module_and_class():
    boxes = anchors(16, (0.5, 1, 2), (8, 16, 32))
    scores, deltas = maps(9)
    rois, kept = run_layer(python("'feat_stride': 16"), scores, deltas, SIZE, batch=None)
    expected = proposals(scores, deltas, SIZE[0], boxes, 16, 16, 6000, 300, 0.7)
    np.testing.assert_allclose(rois, expected[0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(kept, expected[1][:, None], rtol=1e-6)
    layer = python("{'feat_stride': 8, 'scales': [4, 8], 'ratios': [1]}", tops=["rois"])
    assert shapes_of(layer, (1, 4, 3, 3), (1, 8, 3, 3), (1, 3)) == [(300, 5)]


@pytest.mark.parametrize("param_str", ["", "16", "'feat_stride': [", "'stride': 16"])
def test_a_python_layer_without_its_stride_says_so(param_str):
    with pytest.raises(NetError, match="param_str"):
        shapes_of(python(param_str), (1, 18, 3, 3), (1, 36, 3, 3), (1, 3))


def test_maps_for_other_anchors_or_more_pictures_are_refused():
    with pytest.raises(ShapeError, match=r"\(1, 18, H, W\).*one\s+picture and 9 anchors"):
        shapes_of(text(""), (1, 24, 3, 3), (1, 48, 3, 3), (1, 3))
    with pytest.raises(ShapeError, match="one picture"):
        shapes_of(text(""), (2, 18, 3, 3), (2, 36, 3, 3), (2, 3))
    with pytest.raises(ShapeError, match="height, width and scale"):
        shapes_of(text(""), (1, 18, 3, 3), (1, 36, 3, 3), (1, 2))


def test_a_region_network_runs_from_maps_to_pooled_regions(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        f"""input: "scores" input_shape {{ dim: 1 dim: 18 dim: {HEIGHT} dim: {WIDTH} }}
        input: "deltas" input_shape {{ dim: 1 dim: 36 dim: {HEIGHT} dim: {WIDTH} }}
        input: "im_info" input_shape {{ dim: 1 dim: 3 }}
        layer {{ name: "proposal" type: "Python" bottom: "scores" bottom: "deltas"
          bottom: "im_info" top: "rois"
          python_param {{ module: 'rpn.proposal_layer' layer: 'ProposalLayer'
                          param_str: "'feat_stride': 16" }} }}
        layer {{ name: "pool" type: "ROIPooling" bottom: "scores" bottom: "rois" top: "pool"
          roi_pooling_param {{ pooled_w: 2 pooled_h: 3 spatial_scale: 0.0625 }} }}"""
    )
    net = zoo.Net.read(path)
    assert net.blobs["pool"] == (300, 18, 3, 2)
    scores, deltas = maps(9)
    blobs = zoo.run(net, {"scores": scores, "deltas": deltas, "im_info": SIZE}, ["rois", "pool"])
    assert blobs["rois"].shape[0] == blobs["pool"].shape[0] > 1
    assert blobs["pool"].shape[1:] == (18, 3, 2)


def test_opencv_proposes_the_same(tmp_path):
    # Without a least size, which it does not look at.
    path = tmp_path / "net.prototxt"
    path.write_text(
        f"""input: "scores" input_shape {{ dim: 1 dim: 18 dim: {HEIGHT} dim: {WIDTH} }}
        input: "deltas" input_shape {{ dim: 1 dim: 36 dim: {HEIGHT} dim: {WIDTH} }}
        input: "im_info" input_shape {{ dim: 1 dim: 3 }}
        layer {{ name: "rois" type: "Proposal" bottom: "scores" bottom: "deltas"
          bottom: "im_info" top: "rois"
          proposal_param {{ feat_stride: 16 base_size: 16 min_size: 0 ratio: 0.5 ratio: 1 ratio: 2
            scale: 2 scale: 4 scale: 8 pre_nms_topn: 100 post_nms_topn: 20 nms_thresh: 0.5 }} }}"""
    )
    net = zoo.Net.read(path)
    scores, deltas = maps(9)
    inputs = {"scores": scores, "deltas": deltas, "im_info": np.array([[80, 96, 1]], np.float32)}
    expected = opencv_values(net, inputs, ["rois"], tmp_path)["rois"]
    received = zoo.run(net, inputs)["rois"]
    np.testing.assert_allclose(received, expected[: len(received)], rtol=1e-4, atol=1e-2)
