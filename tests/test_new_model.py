"""`zoo new`: what the files of a directory tell is filled in, the rest is asked for."""

import pytest
from publishable import FROM_LENET, SHA1, WEIGHTS, flaws_of, write_digits

import zoo
from zoo.errors import UsageError
from zoo.new_model import new_model
from zoo.registry.card import Card


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "published"


def test_a_new_model_is_filled_from_its_files(tmp_path, place):
    directory = write_digits(tmp_path)
    (directory / "readme.md").unlink()
    new = new_model(directory, name="Digits: again")
    card = Card.read(directory / "readme.md")
    assert (card.name, card.caffemodel, card.sha1) == (
        "Digits: again",
        "my_digits.caffemodel",
        SHA1,
    )
    assert (card.size_bytes, card.labels) == (len(WEIGHTS), "labels.txt")
    assert (card.input.size, card.input.channels) == ((28, 28), "GRAY")
    assert any("the mean" in note for note in new.notes)
    found = " ".join(flaws_of(directory, place))
    for words in ("license: missing", "citation: missing", "still the text of `zoo new`"):
        assert words in found


def test_a_new_model_takes_what_the_training_definition_says(tmp_path):
    directory = write_digits(tmp_path)
    (directory / "readme.md").unlink()
    (directory / "train_val.prototxt").write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label"\n'
        "  transform_param { crop_size: 28 mean_value: 33 scale: 0.5 }\n"
        '  data_param { source: "mnist" batch_size: 1 } }\n'
    )
    new_model(directory)
    spec = Card.read(directory / "readme.md").input
    assert (spec.mean, spec.scale) == ((33.0,), 0.5)


def test_a_new_model_says_what_it_was_made_from(tmp_path):
    zoo.fetch("lenet_digits")
    new = new_model(tmp_path / "mine", source="lenet_digits")
    card = Card.read(new.readme)
    assert card.value("derived_from") == FROM_LENET
    assert card.license == "Apache-2.0"
    assert card.input.size == (28, 28)
    assert card.input.labels is None
    assert any("any use" in note for note in new.notes)


def test_a_new_model_is_made_from_the_weights_that_were_named_and_no_others(tmp_path):
    with pytest.raises(UsageError, match=f"lenet_digits have sha1 {SHA1}"):
        new_model(tmp_path / "mine", source="lenet_digits@sha1:00000000")
    assert not (tmp_path / "mine").exists()
    source = tmp_path / "base"
    source.mkdir()
    (source / "readme.md").write_text("---\nname: base\nlicense: MIT\n---\n")
    new_model(tmp_path / "mine", source=f"{source}@sha1:01234567")
    card = Card.read(tmp_path / "mine/readme.md")
    assert card.value("derived_from") == f"{source}@sha1:01234567"


def test_an_empty_new_model_has_every_key_to_fill_in(tmp_path):
    new = new_model(tmp_path / "a/b")
    card = Card.read(new.readme)
    assert card.name == "b"
    for key in ("license", "derived_from", "caffemodel_url", "labels", "tags", "task"):
        assert key in card.metadata


def test_a_readme_is_never_replaced(digits):
    before = (digits / "readme.md").read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        new_model(digits)
    assert (digits / "readme.md").read_bytes() == before
    (digits.parent / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        new_model(digits.parent / "file")
