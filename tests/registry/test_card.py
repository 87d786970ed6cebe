"""Cards: read kindly, written back byte for byte."""

from pathlib import Path

import pytest
import yaml

from zoo.errors import CardError
from zoo.input_spec import InputSpec
from zoo.registry.card import Card

CARD = """---
# what it is
name: ParseNet: Looking Wider to See Better{blanks}
sha1: 0123456789012345678901234567890123456789   # of the release
caffe_version: 1.10
gist_id:
input:
  size: [227, 227]
  channels: BGR      # OpenCV's order
  mean: [104, 117, 123]
weird key: 'kept'
---
Body with @sguada and a colon: here.

    @article{First, title = {A {nested} title}}

@inproceedings{second,
  year = {2014}
}

@misc{never closed,
""".replace("{blanks}", "   ")


def test_values_are_kept_as_they_are_written():
    card = Card.parse(CARD)
    assert card.name == "ParseNet: Looking Wider to See Better"
    assert card.sha1 == "0123456789012345678901234567890123456789"
    assert card.metadata["caffe_version"] == "1.10"
    assert card.gist_id is None
    assert list(card.metadata)[-1] == "weird key"
    assert card.body.startswith("Body with")


@pytest.mark.parametrize("lead", ["", "\ufeff", "\n\n", "# A model\n\n", "\ufeff \n## Info\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_stands_before_the_fence_does_not_matter(lead, end):
    text = (lead + CARD).replace("\n", end)
    card = Card.from_bytes(text.encode())
    assert card.name == "ParseNet: Looking Wider to See Better"
    assert card.input.mean == (104, 117, 123)
    assert card.to_bytes() == text.encode()


def test_one_changed_key_touches_one_line_and_keeps_its_comment():
    for end in ("\n", "\r\n"):
        text = CARD.replace("\n", end)
        changed = Card.parse(text).with_values(sha1="ff").text()
        assert changed == text.replace("0123456789012345678901234567890123456789", "ff")


def test_an_empty_key_is_filled_a_new_one_goes_last_and_none_removes():
    card = Card.parse(CARD).with_values(gist_id="42", license="CC BY 4.0: see text", input=None)
    expected = CARD.replace("gist_id:\n", "gist_id: 42\n").replace(
        "weird key: 'kept'\n", "weird key: 'kept'\nlicense: \"CC BY 4.0: see text\"\n"
    )
    section = expected[expected.index("input:") : expected.index("weird")]
    assert card.text() == expected.replace(section, "")
    assert (card.gist_id, card.license, card.input) == ("42", "CC BY 4.0: see text", None)


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "ends with colon:",
        "# no comment",
        " blanks ",
        "yes",
        "null",
        "1e5",
        "'single' and \"double\"",
        "Zoë – ünïcode 🙂",
        "two\nlines",
        "@article{a,\n  year = {2014}\n}\n",
        "  indented\nfirst",
        "tab\there",
        "- dash",
        "[not a list",
        "*star &and !bang %percent @at `tick",
    ],
)
def test_any_text_comes_back_from_valid_yaml(value):
    card = Card.parse("---\nname: x\nfact: old\n---\n").with_values(fact=value, other=value)
    assert card.metadata["fact"] == card.metadata["other"] == value
    block = card.text().split("---\n")[1]
    assert yaml.safe_load(block)["name"] == "x"


def test_a_section_of_input_survives_a_round_trip():
    spec = InputSpec((28, 20), "GRAY", mean=(33.5,), scale=0.00390625, resize=(32, 32), labels="l")
    card = Card.parse("---\r\nname: x\r\n---\r\nBody\r\n").with_values(input=spec)
    assert card.input == spec
    assert card.text().count("\n") == card.text().count("\r\n")
    again = card.with_values(input=InputSpec((1, 1), mean=(0,)))
    assert again.input.size == (1, 1)
    assert again.with_values(input=None).text() == "---\r\nname: x\r\n---\r\nBody\r\n"


def test_labels_are_named_in_the_section_or_at_the_top():
    section = "input:\n  size: 1\n  channels: RGB\n  mean: 0\n"
    top = Card.parse(f"---\nlabels: names.txt\n{section}---\n")
    inside = Card.parse(f"---\n{section}  labels: names.txt\n---\n")
    assert top.labels == inside.labels == top.input.labels == "names.txt"
    with pytest.raises(CardError, match="labels: expected the name of a file"):
        _ = Card.parse("---\nlabels: [a, b]\n---\n").labels


def test_a_wrong_section_of_input_names_file_and_field():
    card = Card.parse("---\ninput: {size: [1, -2], mean: 0, channels: BGR}\n---\n", "a/readme.md")
    with pytest.raises(CardError, match=r"a/readme\.md.*size"):
        _ = card.input


def test_bibtex_is_found_in_the_text_unless_a_key_has_it():
    card = Card.parse(CARD)
    assert card.citation == (
        "@article{First, title = {A {nested} title}}\n\n@inproceedings{second,\n  year = {2014}\n}"
    )
    assert card.with_values(citation="@misc{key}").citation == "@misc{key}"
    assert Card.parse("---\nname: x\n---\nby @someone {really}\n").citation is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no model metadata"),
        ("Just prose.\n---\nabout: x\n---\n", "no model metadata"),
        ("---\nname: x\ninput:\n  size: [1\n---\n", r"readme.md:3: the value of 'input'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_and_line(text, message):
    with pytest.raises(CardError, match=f"(?s){message}"):
        Card.parse(text, "readme.md")


def test_hostile_text_costs_no_time_and_no_memory():
    laughs = "fact:\n  a: &a [x, x]\n" + "".join(
        f"  {b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    card = Card.parse(f"---\nname: x\n{laughs}---\n")
    assert card.metadata["fact"].startswith("a: &a [x, x] b: &b [*a, *a]")
    assert "aliases are not read" in card.warnings[0].text
    deep = Card.parse("---\nname: x\nfact:\n - " + "[" * 5000 + "\n---\n")
    assert "nested too deeply" in deep.warnings[0].text
    assert Card.parse("---\nname: x\n---\n" + "@a{\n" * 500).citation is None


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(CardError, match="no-such.md: cannot be read: No such file"):
        Card.read(tmp_path / "no-such.md")


def test_a_latin_1_readme_keeps_its_bytes():
    data = "---\nname: Modèle\n---\nécrit en Latin-1\n".encode("latin-1")
    card = Card.from_bytes(data)
    assert card.name == "Modèle"
    assert card.to_bytes() == data
    assert "Ω".encode() in card.with_values(license="Ω").to_bytes()


def test_writing_replaces_a_file_whole_and_keeps_its_mode(tmp_path):
    path = tmp_path / "readme.md"
    path.write_text("old")
    path.chmod(0o640)
    Card.parse("---\nname: new\n---\n").write(path)
    assert path.read_text() == "---\nname: new\n---\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [Path(path)]
