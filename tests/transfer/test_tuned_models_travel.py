"""A tuned model and a probe are published, fetched elsewhere and used, as any other model."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli.main import main


@pytest.fixture
def picture(digits, tmp_path):
    """A nine as a file, and its pixels."""
    with np.load(digits / "val.npz") as file:
        pixels = file["data"][np.flatnonzero(file["label"] == "nine")[0]]
    Image.fromarray(pixels).save(tmp_path / "nine.png")
    return tmp_path / "nine.png"


def travels(directory, picture, capsys):
    """Publish, fetch, classify; returns what was fetched, and the first line of the answer."""
    shelf = directory.parent / "shelf"
    shelf.mkdir()
    assert main(["publish", str(directory), "--to", str(shelf)]) == 0, capsys.readouterr().err
    assert main(["fetch", directory.name, "--source", str(shelf)]) == 0
    capsys.readouterr()
    assert main(["classify", directory.name, str(picture), "--top", "1"]) == 0
    answer = capsys.readouterr().out
    model = zoo.load(directory.name)
    assert shelf not in model.directory.parents
    for layer, blobs in zoo.load(directory).net.params.items():
        for blob, theirs in zip(blobs, model.net.params[layer], strict=True):
            np.testing.assert_array_equal(blob, theirs)
    return model, answer


def test_a_tuned_model_is_published_fetched_and_used(digits, picture, tmp_path, capsys):
    train = str(digits / "train.npz")
    words = ["finetune", "lenet_digits", train, "--plan", "head", "-o", str(tmp_path / "upper")]
    assert main(words) == 0
    model, answer = travels(tmp_path / "upper", picture, capsys)
    assert "nine" in answer
    assert model.labels == ["eight", "five", "nine", "seven", "six"]
    assert model.card.value("derived_from").startswith("lenet_digits@sha1:")
    assert model.card.license == "Apache-2.0"
    assert "lecun1998gradient" in model.card.citation


def test_a_probe_is_published_fetched_and_used(digits, picture, tmp_path, capsys):
    words = ["probe", "lenet_digits", str(digits / "train.npz"), "--blob", "ip1"]
    assert main([*words, "-o", str(tmp_path / "probed")]) == 0
    model, answer = travels(tmp_path / "probed", picture, capsys)
    assert "nine" in answer
    assert model.card.value("derived_from").startswith("lenet_digits@sha1:")


def test_a_tuned_model_can_be_tuned_again(digits, tmp_path):
    train = digits / "train.npz"
    zoo.fine_tune("lenet_digits", train, output=tmp_path / "once", stages="head")
    run = zoo.fine_tune(tmp_path / "once", train, output=tmp_path / "twice", stages="head")
    assert run.load().card.value("derived_from").startswith("once@sha1:")
    (tmp_path / "shelf").mkdir()
    zoo.publish(run.directory, str(tmp_path / "shelf"), dry_run=True, sources=[str(tmp_path)])
