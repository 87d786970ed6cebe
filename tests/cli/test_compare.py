"""`zoo compare`: the table, the verdict and its exit code, and every wrong use."""

import numpy as np
import pytest
from PIL import Image

import zoo


@pytest.fixture
def net(models):
    folder = models / "tiny"
    return zoo.Net.read(folder / "deploy.prototxt", folder / "tiny.caffemodel")


@pytest.fixture
def records(net, tmp_path):
    """An npz file of the blobs of `tiny`, and one of its input alone."""
    data = np.random.default_rng(0).uniform(-100, 100, (2, 3, 8, 8)).astype(np.float32)
    blobs = zoo.run(net, {"data": data}, ["conv/a", "ip", "prob"])
    np.savez(tmp_path / "recorded.npz", data=data, **blobs)
    np.savez(tmp_path / "in.npz", data=data)
    np.savez(tmp_path / "shifted.npz", data=data + np.array([5, 0, 0], np.float32)[:, None, None])
    return tmp_path


def other_weights(net, path):
    net.with_params({"ip": [2 * blob for blob in net.params["ip"]]}).save(weights=path)
    return path


def test_records_that_agree(run_zoo, models, records):
    ended = run_zoo("compare", models / "tiny", records / "recorded.npz")
    assert ended.code == 0
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert rows[0] == ["blob", "shape", "max abs", "relative", "ULP", "cosine", "verdict"]
    assert [(row[0], row[1], row[-1]) for row in rows[1:]] == [
        ("conv/a", "2x4x6x6", "same"),
        ("ip", "2x3", "same"),
        ("prob", "2x3", "same"),
    ]
    assert "note: All 3 blob(s) agree" in ended.err


def test_the_first_difference_is_named_and_ends_with_3(run_zoo, models, net, records):
    weights = other_weights(net, records / "other.caffemodel")
    definition = models / "tiny" / "deploy.prototxt"
    words = ("compare", "--net", definition, "--weights", weights, records / "recorded.npz")
    ended = run_zoo(*words)
    assert ended.code == 3
    assert "\tsame\nip\t" in ended.out
    assert "The first is 'ip', made by ip (InnerProduct, line 7)" in ended.err
    assert "It is 2 times the reference." in ended.err


def test_a_wrong_mean_is_what_it_says(run_zoo, models, records):
    words = ("--input", records / "shifted.npz")
    ended = run_zoo("compare", models / "tiny", records / "recorded.npz", *words)
    assert ended.code == 3
    assert "The first is the input 'data'" in ended.err
    assert "A constant is added to each channel: +5, +0, +0." in ended.err
    assert "Look at the mean file or the mean values." in ended.err


def test_json(run_zoo, models, records):
    words = ("--input", records / "shifted.npz", "--json")
    ended = run_zoo("compare", models / "tiny", records / "recorded.npz", *words)
    assert ended.code == 3
    facts = ended.json
    assert (facts["agrees"], facts["first"], facts["tolerance"]) == (False, "data", 1e-4)
    assert facts["hints"][0].startswith("A constant is added")
    assert [blob["blob"] for blob in facts["blobs"]] == ["data", "conv/a", "ip", "prob"]
    assert facts["blobs"][0]["max_abs"] == pytest.approx(5, abs=1e-4)
    assert facts["blobs"][1]["layers"] == ["conv/a (Convolution, line 4)", "relu (ReLU, line 6)"]


def test_a_picture_is_prepared_as_the_card_says(run_zoo, models, tmp_path):
    picture = tmp_path / "grey.png"
    Image.new("RGB", (20, 20), (130, 120, 110)).save(picture)
    mean = np.array([104, 117, 123], np.float32)
    data = np.ones((1, 3, 8, 8)) * (np.array([110, 120, 130]) - mean)[:, None, None]
    np.savez(tmp_path / "right.npz", data=data)
    np.savez(tmp_path / "wrong.npz", data=data + 4)
    words = ("compare", models / "tiny", "--input", picture)
    assert run_zoo(*words, tmp_path / "right.npz").code == 0
    ended = run_zoo(*words, tmp_path / "wrong.npz")
    assert ended.code == 3
    assert "A constant is added to each channel: -4, -4, -4." in ended.err


def test_two_models(run_zoo, models, net, records):
    words = ("compare", models / "tiny", "--input", records / "in.npz")
    assert run_zoo(*words, "--with", models / "tiny").code == 0
    definition = models / "tiny" / "deploy.prototxt"
    weights = other_weights(net, records / "other.caffemodel")
    ended = run_zoo(*words, "--with", definition, "--with-weights", weights)
    assert ended.code == 3
    assert "It is 0.5 times the reference." in ended.err
    assert run_zoo(*words, "--with", definition).code == 2


def test_a_device_against_the_cpu(run_zoo, models, records):
    words = ("compare", models / "tiny", "--device", "cpu", "--input", records / "in.npz")
    assert run_zoo(*words).code == 0


def test_an_engine_against_tensorflow(run_zoo, models, records):
    ended = run_zoo(
        "compare", models / "tiny", "--engine", "onnxruntime", "--input", records / "in.npz"
    )
    assert ended.code == 0
    assert "differs" not in ended.out


def test_a_tolerance_of_ones_own(run_zoo, models, records):
    words = ("compare", models / "tiny", records / "recorded.npz")
    words = (*words, "--input", records / "shifted.npz")
    assert run_zoo(*words, "--tolerance", "10").code == 0


def test_a_data_source_takes_its_shape_from_the_records(run_zoo, models, net, records):
    definition = models / "tiny" / "train.prototxt"
    text = (models / "tiny" / "deploy.prototxt").read_text()
    source = 'layer { name: "data" type: "Data" top: "data" data_param { batch_size: 2 } }\n'
    first = text.index("input:")
    definition.write_text(text[:first] + source + text[text.index("layer {") :])
    weights = models / "tiny" / "tiny.caffemodel"
    words = ("--net", definition, "--weights", weights, records / "recorded.npz")
    assert run_zoo("compare", *words).code == 0


def test_what_is_no_blob_is_noted(run_zoo, models, records):
    with np.load(records / "recorded.npz") as blobs:
        np.savez(records / "more.npz", fc8=np.zeros(3), **blobs)
    ended = run_zoo("compare", models / "tiny", records / "more.npz")
    assert ended.code == 0
    assert "no blob of the net: fc8" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "expected a model, or --net FILE"),
        (("tiny",), "there is nothing to compare with"),
        (("tiny", "a.npz", "--with", "b"), "received both"),
        (("tiny", "a.npz", "--with-weights", "b"), "--with-weights belongs to --with"),
        (("tiny", "--with", "b"), "expected --input FILE"),
        (("tiny", "nowhere.npz"), "nowhere.npz"),
        (("tiny", "a.npz", "--tolerance", "-1"), "--tolerance must be 0 or more"),
        (("tiny", "a.npz", "--tolerance", "nan"), "--tolerance must be 0 or more"),
        (("--net", "d.prototxt"), "there is nothing to compare with"),
    ],
)
def test_wrong_usage(run_zoo, words, told):
    ended = run_zoo("compare", *words)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_an_empty_name_is_no_model(run_zoo, models, tmp_path, monkeypatch):
    monkeypatch.chdir(models / "tiny")  # which an empty path would mean
    np.savez(tmp_path / "in.npz", data=np.zeros((1, 3, 8, 8), np.float32))
    ended = run_zoo("compare", "", tmp_path / "in.npz")
    assert ended.code == 2
    assert "'' is no address of a model" in ended.err
