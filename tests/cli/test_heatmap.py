"""`zoo heatmap`: a classifier at every place of a picture, against the classifier in windows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reference import relative_error

import zoo
from zoo.preprocess import InputSpec, Preprocessor
from zoo.visual.score_map import score_map

TWO = Path(__file__).parents[2] / "examples" / "digits" / "two.png"


def test_the_map_has_what_the_classifier_says_of_each_window(run_zoo, tmp_path):
    path = tmp_path / "map.png"
    words = ("lenet_digits", TWO, "--size", 40, "-o", path, "--npz", "--json")
    facts = run_zoo("heatmap", *words).json
    assert (facts["shape"], facts["size"]) == ([4, 4], [40, 40])
    assert facts["files"] == [str(path), str(tmp_path / "map.npz")]
    with Image.open(path) as image:
        assert max(image.size) >= 400
    model = zoo.load("lenet_digits")
    spec = InputSpec((40, 40), model.spec.channels, model.spec.mean, model.spec.scale)
    picture = Preprocessor(spec).caffe([TWO])
    with np.load(tmp_path / "map.npz") as arrays:
        found = arrays["prob"][0]
    for place in facts["places"]:
        window = place["window"]
        top, left = window["top"], window["left"]
        assert (top, left) == (4 * place["row"], 4 * place["column"])
        data = picture[:, :, top : top + window["height"], left : left + window["width"]]
        expected = zoo.run(model.net, {"data": data})["prob"][0]
        received = found[:, place["row"], place["column"]]
        assert relative_error(received, expected) < 1e-5
        first = place["predictions"][0]
        assert first["index"] == expected.argmax()
        assert first["label"] == model.labels[first["index"]]
        assert first["score"] == pytest.approx(float(expected.max()), abs=1e-6)
        plane = facts["map"][place["row"]][place["column"]]
        assert plane == pytest.approx(float(expected[facts["class"]]), abs=1e-6)


def test_without_a_size_there_are_8_x_8_places(run_zoo, tmp_path):
    facts = run_zoo("heatmap", "lenet_digits", TWO, "-o", tmp_path / "a.png", "--json").json
    assert facts["shape"] == [8, 8]
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_a_class_can_be_asked_for_by_name(run_zoo, tmp_path):
    words = ("heatmap", "lenet_digits", TWO, "--class", "zero", "-o", tmp_path / "a.png")
    ended = run_zoo(*words)
    assert ended.out == f"{tmp_path / 'a.png'}\n"
    assert "zero" in ended.err
    assert "pixels from" in ended.err


def test_logits_become_probabilities_of_each_place(models, pictures):
    directory = models / "tiny"
    text = (directory / "deploy.prototxt").read_text()
    softmax = 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }'
    with_softmax = score_map(directory, pictures / "a colour.png", size=11)
    (directory / "deploy.prototxt").write_text(text.replace(softmax, ""))
    found = score_map(directory, pictures / "a colour.png", size=11)
    assert found.probabilities.shape == (3, 4, 4)
    np.testing.assert_allclose(found.probabilities, with_softmax.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.probabilities.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--class", "thre"), "Did you mean three"),
        (("--class", "7"), "there is no class 7"),
        (("--size", "20"), "expected 28 or more"),
        (("--size", "0"), "whole number"),
    ],
)
def test_mistakes_are_exit_2_and_leave_what_was_there(run_zoo, tmp_path, words, message):
    path = tmp_path / "a.png"
    path.write_text("mine")
    ended = run_zoo("heatmap", "lenet_digits", TWO, *words, "-o", path)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert path.read_text() == "mine"


def test_a_network_that_is_convolutional_already_is_run_as_it_is(models, pictures):
    directory = models / "tiny"
    (directory / "deploy.prototxt").write_text("""\
        input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
        layer { name: "conv/a" type: "Convolution" bottom: "data" top: "conv/a"
                convolution_param { num_output: 3 kernel_size: 8 } }
        layer { name: "prob" type: "Softmax" bottom: "conv/a" top: "prob" }""")
    net = zoo.Net.read(directory / "deploy.prototxt").initialized()
    net.save(weights=directory / "tiny.caffemodel")
    assert score_map(directory, pictures / "a colour.png", size=10).map.shape == (3, 3)
