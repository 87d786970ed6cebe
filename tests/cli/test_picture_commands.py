"""zoo draw and the commands that make pictures of a model: files, numbers, mistakes."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.visual import activations

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "examples" / "lenet_digits.prototxt"
DIGITS = ROOT / "examples" / "digits"
TWO = DIGITS / "two.png"
PICTURES = {
    "filters": ("lenet_digits", "--layer", "conv1"),
    "activations": ("lenet_digits", TWO, "--blob", "conv2"),
    "occlusion": ("lenet_digits", TWO),
    "gradcam": ("lenet_digits", TWO),
    "ascent": ("lenet_digits", "--blob", "conv2", "--unit", 1, "--steps", 3),
    "top-images": ("lenet_digits", DIGITS, "--blob", "conv2", "--unit", 1),
}


@pytest.mark.parametrize("command", PICTURES)
def test_each_command_writes_a_png_and_nothing_else(run_zoo, tmp_path, command):
    path = tmp_path / "a.png"
    path.write_text("old")
    ended = run_zoo(command, *PICTURES[command], "-o", path)
    assert ended.code == 0, ended.err
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    with Image.open(path) as image:
        assert max(image.size) >= 420
        assert len(set(image.convert("RGB").getcolors(1 << 20))) > 10
    assert ended.out.startswith("file\tvalue" if command == "top-images" else f"{path}\n")


@pytest.mark.parametrize("command", PICTURES)
def test_a_mistake_leaves_what_was_there(run_zoo, tmp_path, command):
    path = tmp_path / "a.png"
    path.write_text("mine")
    words = [str(word).replace("conv", "cnov") for word in PICTURES[command]]
    words += ["--class", "thre"] if command in ("occlusion", "gradcam") else []
    ended = run_zoo(command, *words, "-o", path)
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean" in ended.err
    assert path.read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("command", PICTURES)
def test_a_name_that_is_no_png_is_refused_before_anything_is_loaded(run_zoo, tmp_path, command):
    words = ["nowhere", *PICTURES[command][1:]]
    ended = run_zoo(command, *words, "-o", tmp_path / "a.jpg")
    assert ended.code == 2
    assert "name a file that ends with .png" in ended.err


@pytest.mark.parametrize("command", PICTURES)
@pytest.mark.parametrize(("name", "told"), [("", "is empty"), ("a.png", "is a folder")])
def test_what_can_be_no_file_is_refused_before_anything_is_loaded(
    run_zoo, tmp_path, monkeypatch, command, name, told
):
    monkeypatch.chdir(tmp_path)
    Path("a.png").mkdir()
    ended = run_zoo(command, "nowhere", *PICTURES[command][1:], "-o", name)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


MISTAKES = [
    ("activations", "nowhere.png", "--blob", "conv1", "-o", "a.png"),
    ("activations", "empty.jpg", "--blob", "conv1", "-o", "a.png"),
    ("activations", "text.jpg", "--blob", "conv1", "-o", "a.png"),
    ("top-images", "empty.jpg", "--blob", "conv1", "--unit", "1", "-o", "a.png"),
    ("top-images", "text.jpg", "--blob", "conv1", "--unit", "1", "-o", "a.png"),
    ("classify", "text.jpg"),
    ("gradcam", "two.png", "--class", "9", "-o", "a.png"),
    ("gradcam", "two.png", "--class", "fuenf", "-o", "a.png"),
    ("occlusion", "two.png", "--class", "9", "-o", "a.png"),
    ("heatmap", "two.png", "--class", "fuenf", "-o", "a.png"),
    ("heatmap", "empty.jpg", "-o", "a.png"),
]


def test_wrong_pictures_and_classes_are_told_without_tensorflow(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    shutil.copy(TWO, tmp_path)
    code = (
        f"import os, sys\nfrom zoo.cli.main import main\nos.chdir({str(tmp_path)!r})\n"
        f"codes = [main([first, 'lenet_digits', *rest]) for first, *rest in {MISTAKES!r}]\n"
        "print('codes', codes, 'tensorflow' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == f"codes {[2] * len(MISTAKES)} False", ended.stderr
    assert not (tmp_path / "a.png").exists()


def test_json_of_filters_and_activations(run_zoo, tmp_path):
    path = tmp_path / "a.png"
    weights = zoo.load("lenet_digits").net.params["conv1"][0]
    facts = run_zoo("filters", *PICTURES["filters"], "-o", path, "--json").json
    assert (facts["planes"], facts["height"], facts["width"], facts["colour"]) == (8, 5, 5, False)
    assert facts["largest"] == pytest.approx(float(weights.max()))
    words = ("lenet_digits", TWO, "--blob", "ip1", "-o", path, "--json")
    facts = run_zoo("activations", *words).json
    assert facts["shape"] == [64]
    values = activations("lenet_digits", TWO, "ip1")
    assert facts["zeros"] == pytest.approx(float((values == 0).mean()))


def test_json_of_maps(run_zoo, tmp_path):
    path = tmp_path / "a.png"
    words = ("occlusion", "lenet_digits", TWO, "--patch", 8, "--stride", 4, "-o", path, "--json")
    facts = run_zoo(*words).json
    assert (facts["class"], facts["label"], facts["output"]) == (2, "two", str(path))
    assert np.shape(facts["map"]) == (6, 6)
    assert facts["probability_without_box"] == np.min(facts["map"])
    assert facts["box"]["width"] == 8
    facts = run_zoo("gradcam", "lenet_digits", TWO, "--class", "three", "-o", path, "--json").json
    assert (facts["class"], facts["label"], facts["blob"]) == (3, "three", "conv2")
    assert facts["probability"] < 0.5
    assert np.shape(facts["map"]) == (8, 8)
    assert set(facts["box"]) == {"left", "top", "width", "height"}


def test_json_of_top_images(run_zoo, tmp_path):
    words = (*PICTURES["top-images"], "--count", 2, "-o", tmp_path / "a.png", "--json")
    facts = run_zoo("top-images", *words).json
    values = {
        path: activations("lenet_digits", path, "conv2")[1].max() for path in DIGITS.iterdir()
    }
    best = sorted(values, key=values.get, reverse=True)[:2]
    assert [image["file"] for image in facts["images"]] == list(map(str, best))
    assert facts["images"][0]["value"] == pytest.approx(float(values[best[0]]), rel=1e-5)
    assert facts["images"][0]["box"]["width"] == 14  # what conv2 sees


def test_json_of_ascent(run_zoo, tmp_path):
    words = ("ascent", "lenet_digits", "--blob", "ip2", "--unit", 2, "--steps", 20, "--seed", 5)
    facts = run_zoo(*words, "-o", tmp_path / "a.png", "--json").json
    assert (facts["blob"], facts["unit"], facts["seed"]) == ("ip2", 2, 5)
    assert len(facts["values"]) == 21
    assert facts["values"][-1] > facts["values"][0]


def test_pictures_that_cannot_be_read_end_with_2(run_zoo, tmp_path):
    shutil.copytree(DIGITS, tmp_path / "digits")
    (tmp_path / "digits" / "two.png").write_text("no picture")
    words = ("lenet_digits", tmp_path / "digits", "--blob", "conv2", "--unit", 1)
    ended = run_zoo("top-images", *words, "-o", tmp_path / "a.png")
    assert ended.code == 2
    assert "two.png" in ended.err
    assert len(ended.out.splitlines()) == 5
    assert (tmp_path / "a.png").exists()


def test_draw_prints_text_and_writes_files(run_zoo, tmp_path):
    text = run_zoo("draw", DEFINITION).out
    assert text.splitlines()[2].split() == [
        "conv1",
        "Convolution",
        "5x5",
        "1x8x24x24",
        "208",
        "params",
    ]
    assert run_zoo("draw", "lenet_digits").out == text
    path = tmp_path / "net.svg"
    ended = run_zoo("draw", DEFINITION, "-o", path)
    assert (ended.code, ended.out) == (0, f"{path}\n")
    ElementTree.fromstring(path.read_text())
    facts = run_zoo("draw", DEFINITION, "--json").json
    assert facts["boxes"][5] == {
        "layers": ["ip1", "relu1"],
        "kind": "InnerProduct + ReLU",
        "shapes": ["1x64"],
        "params": 16448,
        "lr_mult": 1,
        "unknown": False,
        "changed": None,
    }
    assert facts["arrows"][0] == ["data", "conv1", "data"]


def test_draw_marks_what_differs_from_another_net(run_zoo, tmp_path):
    other = tmp_path / "other.prototxt"
    other.write_text(DEFINITION.read_text().replace('"ip2"', '"ip2_new"'))
    text = run_zoo("draw", other, "--against", "lenet_digits").out
    assert "removed: ip2" in text
    assert [line.split()[0] for line in text.splitlines() if "* added" in line] == ["ip2_new"]
    facts = run_zoo("draw", other, "--against", DEFINITION, "--json").json
    assert {box["layers"][0]: box["changed"] for box in facts["boxes"] if box["changed"]} == {
        "ip2_new": "added", "prob": "changed",
    }  # fmt: skip


def test_draw_without_graphviz(run_zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = run_zoo("draw", DEFINITION, "-o", tmp_path / "net.html")
    assert ended.code == 0
    assert "drawn without Graphviz" in ended.err
    ended = run_zoo("draw", DEFINITION, "-o", tmp_path / "net.png")
    assert (ended.code, ended.out) == (4, "")
    assert "apt-get install graphviz" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["net.html"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nowhere.prototxt",), 2, "nowhere.prototxt"),
        (("nowhere",), 4, "no model named 'nowhere'"),
        ((DEFINITION, "-o", "net.pdf"), 2, ".svg, .png or .html"),
        ((DEFINITION, "-o", "no/net.svg"), 2, "make it first"),
        ((DEFINITION, "-o", ""), 2, "is empty"),
        ((DEFINITION, "-o", "."), 2, "is a folder"),
        ((DEFINITION, "--shape", "dta=1,1,28,28"), 2, "Did you mean data?"),
        ((DEFINITION, "--against", "nowhere.prototxt"), 2, "nowhere.prototxt"),
    ],
)
def test_wrong_drawings(run_zoo, tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    ended = run_zoo("draw", *words)
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err
    assert list(tmp_path.iterdir()) == []
