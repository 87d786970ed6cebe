"""Changing a readme touches the lines of one key, in every variety; hostile ones cost no time."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.errors import CardError
from zoo.input_spec import InputSpec
from zoo.registry.card import Card
from zoo.registry.lint import lint

FORMS = {
    "fenced": "---\nname: A\nlicense: MIT   # yes\ncaffemodel: a\n---\n\nText: here\n",
    "spaced": "---\nname: A\n\nlicense: MIT\n\ncaffemodel: a\n\n---\nText: here\n",
    "under a heading": "## Info\n\n---\nname: A\nlicense: MIT\ncaffemodel: a\n---\nText: here\n",
    "not closed": "---\nname: A\nlicense: MIT\ncaffemodel: a\n\n# Text\n",
    "heading": "##Information\n\nname: A\n\nlicense: MIT\n\ncaffemodel: a\n\n## Text\nmore\n",
    "bullets": "# Net\n\n* **Name**: A\n* **License:** MIT\n* `caffemodel`: a\n\nText\n",
    "bare": "name: A\nlicense: MIT\ncaffemodel: a\n\nText: here\n",
    "bare to the end": "name: A\nlicense: MIT\ncaffemodel: a",
    "indented": "1. Get it\n   name: A\n   license: MIT\n   caffemodel: a\n\n2. Use it\n",
    "code": "# Net\n\n```yaml\nname: A\nlicense: MIT\ncaffemodel: a\n```\n",
    "byte order mark": "\ufeffname: A\nlicense: MIT\ncaffemodel: a\n",
    "Windows": "\ufeff---\r\nname: A\r\nlicense: MIT\r\ncaffemodel: a\r\n---\r\nText\r\n",
    "old Mac": "name: A\r\rlicense: MIT\r\rcaffemodel: a\r\r# Text\r",
    "conflict": "---\nname: A\n<<<<<<< a\nlicense: MIT\n=======\n>>>>>>> b\ncaffemodel: a\n---\n",
}
TABLE = "name|license|caffemodel\n---|---|---\nA|MIT|a\n\nText\n"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


def lines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(value=TEXT)
@example(value="---\n")
@settings(max_examples=60, deadline=None)
def test_any_text_is_written_in_its_line_and_read_back(form, value):
    changed = Card.parse(form).with_values(license=value)
    assert changed.metadata == {"name": "A", "license": value, "caffemodel": "a"}
    before = [line for line in lines(form) if "icense" not in line]
    assert Card.from_bytes(changed.to_bytes()).metadata == changed.metadata
    if "\n" not in value:
        at = next(number for number, line in enumerate(lines(form)) if "icense" in line)
        after = lines(changed.text())
        assert after[:at] + after[at + 1 :] == before


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_new_key_goes_last_and_an_old_one_goes_without_a_trace(form):
    card = Card.parse(form)
    added = card.with_values(sha1="12")
    assert list(added.metadata.items())[-1] == ("sha1", "12")
    new = next(number for number, line in enumerate(lines(added.text())) if "sha1: 12" in line)
    left = lines(added.text())
    spaced = left.count("") > lines(form).count("")
    assert left[: new - spaced] + left[new + 1 :] == lines(form)
    assert added.text().count("\r") - form.count("\r") in (0, 1, 2)
    removed = card.with_values(license=None)
    assert removed.metadata == {"name": "A", "caffemodel": "a"}
    assert lines(removed.text()) == [line for line in lines(form) if "icense" not in line]


@pytest.mark.parametrize("form", [*FORMS.values(), TABLE], ids=[*FORMS, "table"])
def test_setting_what_is_there_changes_nothing(form):
    card = Card.parse(form)
    assert card.with_values(name="A", license="MIT", sha1=None).text() == form
    assert card.text() == form


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_section_of_input_has_a_place_in_every_form(form):
    spec = InputSpec((28, 20), "BGR", mean=(1, 2.5, 3), labels="labels.txt")
    card = Card.parse(form).with_values(input=spec)
    assert Card.parse(card.text()).input == spec
    assert card.with_values(input=None).metadata == Card.parse(form).metadata


@given(value=TEXT)
@settings(max_examples=100, deadline=None)
def test_a_cell_holds_what_it_can_and_refuses_the_rest(value):
    card = Card.parse(TABLE)
    try:
        changed = card.with_values(license=value)
    except CardError:
        assert value != "plain"
        return
    assert changed.metadata == {"name": "A", "license": value, "caffemodel": "a"}
    assert lines(changed.text())[:2] == lines(TABLE)[:2]


@given(
    text=st.lists(
        st.sampled_from(
            [
                "---\n",
                "name: A\n",
                "caffemodel: a\n",
                "caffemodel: b\n",
                "  sha1: 1\n",
                "- x: y\n",
                "# T\n",
                "<<<<<<< a\n",
                "=======\n",
                ">>>>>>> b\n",
                "|name|caffemodel|\n",
                "|-|-|\n",
                "text\n",
                "\n",
                "input:\n",
                "  size: 2\n",
                "x: &a [*a]\n",
                "y: !!python/object:os.system x\n",
                "\r",
                "\ufeff",
            ]
        ),
        max_size=14,
    ).map("".join)
)
@settings(max_examples=400, deadline=None)
def test_any_readme_is_read_or_refused_and_comes_back(text):
    try:
        card = Card.from_bytes(text.encode(), "readme.md")
    except CardError:
        return
    assert card.to_bytes() == text.encode()
    assert all(warning.line >= 1 for warning in card.warnings)
    lint(card)
    for model in card.each_model():
        try:
            changed = model.with_values(license="MIT")
        except CardError:
            continue
        assert changed.metadata == {**model.metadata, "license": "MIT"}


MEGABYTES = 10_000_000
LONG = {
    "fences": "---\n",
    "keys": "name: x\n",
    "bare": "name: x\ncaffemodel: y\n",
    "rules": "|-\n",
    "rows": "| name | caffemodel |\n|---|---|\n| a | b |\n",
    "one line": "a",
    "one dash": "-",
    "bullets": "- ",
    "blanks": "\n",
    "carriage returns": "\r",
    "marks": "<<<<<<< a\n=======\n---\n",
    "citations": "---\nname: x\n---\n@a{\n",
    "licences": "---\nname: x\n---\n# License\nreleased under ",
    "addresses": "caffemodel_url: http://h/x ",
    "links": "http://h",
    "colons": "a:",
    "anchors": "---\nname: <a href=\n",
}


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG)
def test_ten_megabytes_are_read_or_refused_quickly(piece):
    start, rest = piece[: piece.rfind("\n", 0, -1) + 1], piece[piece.rfind("\n", 0, -1) + 1 :]
    for text in (piece * (MEGABYTES // len(piece)), start + rest * (MEGABYTES // len(rest))):
        began = time.process_time()
        try:
            card = Card.parse(text)
            assert lint(card) is not card.citation
        except CardError:
            pass
        assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "value",
    [
        "[" * 5000,
        "{a: " * 3000,
        "- " * 9000,
        '"' * 9999,
        "&a [*a]",
        "!!python/object/apply:exit []",
    ],
)
def test_yaml_bombs_are_text(value):
    began = time.process_time()
    card = Card.parse(f"---\nname: x\nfact: {value}\nmore:\n  - {value}\n---\n")
    assert card.metadata["fact"] == value.strip()
    assert time.process_time() - began < 2
