"""Which file of a model is what, and which names are never used."""

import pytest

from zoo.errors import CardError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import (
    check_model_name,
    definition_file,
    is_companion,
    labels_file,
    train_val_file,
    weights_file,
)


def card(**keys):
    lines = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return Card.parse(f"---\nname: x\n{lines}---\n", "x/readme.md")


@pytest.mark.parametrize(
    "name", ["", "..", ".", ".hidden", "a/b", "/etc", "..\\b", "c:x", "a\n", " a", "a" * 300]
)
def test_a_path_is_no_name_of_a_model(name):
    with pytest.raises(UsageError, match="cannot be the name of a model"):
        check_model_name(name)


@pytest.mark.parametrize("key", ["caffemodel", "labels", "prototxt"])
@pytest.mark.parametrize("name", ["../../.bashrc", "/etc/passwd", "sub/file", ".hidden"])
def test_a_card_cannot_name_a_file_elsewhere(key, name):
    chooser = {"caffemodel": weights_file, "labels": labels_file, "prototxt": definition_file}[key]
    with pytest.raises(CardError, match=f"{key}: .* is not the name of a file beside the readme"):
        chooser([name], card(**{key: name}))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["deploy.prototxt", "train_val.prototxt", "old_deploy.prototxt"], "deploy.prototxt"),
        (["lenet_deploy.prototxt", "train_val.prototxt"], "lenet_deploy.prototxt"),
        (["lenet.prototxt", "quick_solver.prototxt"], "lenet.prototxt"),
        (["train_val.prototxt", "solver.prototxt"], "train_val.prototxt"),
        (["train_val.prototxt", "more.prototxt"], "train_val.prototxt"),
    ],
)
def test_the_definition_is_chosen_by_its_name(names, chosen):
    assert definition_file(names, card()) == chosen


def test_the_card_decides_which_definition():
    names = ["deploy.prototxt", "full.prototxt"]
    assert definition_file(names, card(prototxt="full.prototxt")) == "full.prototxt"
    with pytest.raises(CardError, match="'gone.prototxt' is not there; found deploy"):
        definition_file(names, card(prototxt="gone.prototxt"))


@pytest.mark.parametrize(
    "names", [["age_deploy.prototxt", "gender_deploy.prototxt"], ["a.prototxt", "b.prototxt"]]
)
def test_an_open_choice_lists_the_candidates(names):
    with pytest.raises(CardError, match=f"{names[0]}, {names[1]}.*prototxt: <file>"):
        definition_file(names, card())


def test_no_definition_says_what_was_expected():
    with pytest.raises(CardError, match=r"expected deploy\.prototxt"):
        definition_file(["solver.prototxt", "readme.md"], card())


def test_weights_are_those_of_the_card_or_the_only_ones():
    snapshots = ["a.caffemodel", "b.caffemodel"]
    assert weights_file(snapshots, card(caffemodel="b.caffemodel")) == "b.caffemodel"
    assert weights_file(snapshots, card(caffemodel="a")) == "a.caffemodel"
    assert weights_file(snapshots, card(caffemodel="c.caffemodel")) is None
    assert weights_file(["a.caffemodel"], card()) == "a.caffemodel"
    with pytest.raises(CardError, match="names no caffemodel, and there are 2"):
        weights_file(snapshots, card())


def test_labels_are_those_of_the_card_or_the_only_ones():
    assert labels_file(["synset_words.txt", "notes.txt"], card()) == "synset_words.txt"
    assert labels_file(["labels.txt", "synsets.txt"], card()) is None
    assert labels_file(["labels.txt", "n.txt"], card(labels="n.txt")) == "n.txt"
    assert labels_file(["labels.txt"], card(labels="gone.txt")) is None


def test_the_training_definition_is_found():
    assert train_val_file(["train_val.prototxt", "x_train.prototxt"]) == "train_val.prototxt"
    assert train_val_file(["x_train.prototxt", "train_solver.prototxt"]) == "x_train.prototxt"
    assert train_val_file(["deploy.prototxt"]) is None


def test_what_belongs_to_a_model_is_text_means_and_licence():
    taken = ["readme.md", "solver.prototxt", "LICENSE", "mean.binaryproto", "labels.txt"]
    left = ["other.caffemodel", "x.solverstate", "data.zip", "zoo.json", "run.sh"]
    assert all(map(is_companion, taken))
    assert not any(map(is_companion, left))
