"""Readmes as they are: real ones field by field, and invented ones of every kind."""

import json

import pytest
from reference import SHARED

from zoo.errors import CardError
from zoo.registry.card import Card

FIELDS = (
    "name",
    "caffemodel",
    "caffemodel_url",
    "sha1",
    "license",
    "gist_id",
    "caffe_commit",
    "caffe_version",
    "other_keys",
    "empty_keys",
    "models",
    "license_from_body",
    "kind",
)
OUTSIDE = ("prose", "symlink text")

# The reference entry of 010 drops the "BAIR/" that its readme has (that of 001 keeps it); values
# are to be taken as written, so here the readme itself is the reference.
AS_IN_THE_FILE = {("010", "name"): "BAIR/BVLC AlexNet Model"}


def references():
    return sorted((SHARED / "readmes").glob("*.json"))


def texts(card):
    return [warning.text for warning in card.warnings]


@pytest.mark.parametrize("reference", references(), ids=lambda path: path.stem)
def test_a_real_readme_is_read_as_a_person_reads_it(shared, reference):
    expected = json.loads(reference.read_text())
    readme = reference.with_suffix(".md")
    if expected["kind"] in OUTSIDE:
        with pytest.raises(CardError, match="no model metadata found"):
            Card.read(readme)
        return
    card = Card.read(readme)
    wrong = {
        field: getattr(card, field)
        for field in FIELDS
        if getattr(card, field) != AS_IN_THE_FILE.get((reference.stem, field), expected[field])
    }
    assert wrong == {}


@pytest.mark.parametrize("reference", references(), ids=lambda path: path.stem)
def test_a_real_readme_comes_back_byte_for_byte(shared, reference):
    readme = reference.with_suffix(".md")
    if json.loads(reference.read_text())["kind"] not in OUTSIDE:
        assert Card.read(readme).to_bytes() == readme.read_bytes()


def test_all_the_real_readmes_are_there(shared):
    assert len(references()) == 29


def test_a_readme_as_it_should_be_has_no_warnings(shared):
    for number in ("001", "003", "005", "010", "016", "019", "020", "035", "040", "042"):
        assert Card.read(shared / "readmes" / f"{number}.md").warnings == []


def test_a_card_without_a_fault_beside_text_full_of_colons():
    card = Card.parse(
        "---\nname: X\ncaffemodel: x.caffemodel\n---\n\nNote: this.\n\nname: other\n"
        "caffemodel: other.caffemodel\nlicense: other\n\n---\n\nKey: value\n\n---\n"
    )
    assert (card.kind, card.metadata) == ("fenced", {"name": "X", "caffemodel": "x.caffemodel"})
    assert card.warnings == []


@pytest.mark.parametrize("fence", ["---\n", ""])
def test_an_example_in_a_code_block_is_not_meant_where_there_is_metadata(fence):
    example = f"```\n{fence}name: Example\ncaffemodel: example\n{fence}```\n"
    card = Card.parse(f"{fence}name: A\ncaffemodel: a\n{fence}\n# Use\n\n{example}")
    assert card.metadata == {"name": "A", "caffemodel": "a"}
    assert Card.parse(f"# Use\n\n{example}").name == "Example"


@pytest.mark.parametrize(
    ("above", "kind", "line"),
    [
        ("", "fenced", None),
        ("\n\n", "fenced", 3),
        ("##Information\n\n", "fenced, under a heading", 3),
        ("A Net\n=====\n\n", "fenced, under a heading", 4),
        ("```\n", "fenced, not at the top", 2),
        ("<!--\n", "fenced, not at the top", 2),
        ("# A Net\n\nIt counts.\n\n```\nname: no\n```\n", "fenced, not at the top", 8),
        ("---\ntitle: A page\ntags:\n- net\n---\n\n", "fenced, not at the top", 7),
        ("<<<<<<< HEAD\ntext\n=======\n", "fenced, not at the top", 4),
    ],
)
def test_the_fences_may_stand_anywhere(above, kind, line):
    card = Card.parse(f"{above}---\nname: A: net\ncaffemodel: a.caffemodel\n---\nText\n")
    assert (card.kind, card.name, card.caffemodel) == (kind, "A: net", "a.caffemodel")
    told = [w.line for w in card.warnings if "does not begin in the first line" in w.text]
    assert told == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("below", "stop"),
    [
        ("", 4),
        ("\n# Title\n\nAbout: it.\n", 4),
        ("\nProse: here.\nMore of it.\n\n---\n\nThe end.\n", 4),
    ],
)
def test_the_second_fence_may_be_missing(below, stop):
    card = Card.parse(f"---\nname: A\ncaffemodel: a\nauthor: me\n{below}")
    assert card.metadata == {"name": "A", "caffemodel": "a", "author": "me"}
    assert card.warnings[0].line == 1
    assert f"never closed by a line '---'; it is read up to line {stop}" in card.warnings[0].text
    assert card.with_values(sha1="1").text() == (
        f"---\nname: A\ncaffemodel: a\nauthor: me\nsha1: 1\n{below}"
    )


@pytest.mark.parametrize(
    ("above", "kind"),
    [
        ("", "bare"),
        ("##Information\n\n", "heading"),
        ("# A net\n\n## Info ##\n", "heading"),
        ("Information\n-----------\n\n", "heading"),
        ("# A net\n\nGet it here:\n", "bare"),
        ("---\ntitle: A page\ntags:\n- nets\n---\n\n", "bare, after a foreign front matter"),
        ("\n---\ntitle: A page\n---\n", "bare, after a foreign front matter"),
        ("---\nlicense: mit\n---\n", "bare, after a foreign front matter"),
    ],
)
@pytest.mark.parametrize("blank", ["", "\n"])
@pytest.mark.parametrize("lead", ["", "- ", "* ", "   ", "> "])
def test_no_fences_are_needed(above, kind, blank, lead):
    lines = ('name: A "net": 2', "caffemodel: a", "mean_file: http://h/m", "license: free: yes")
    text = (
        above + "".join(f"{lead}{line}\n{blank}" for line in lines) + "\nSee http://h/a. Note: b\n"
    )
    card = Card.parse(text)
    assert card.kind == kind
    assert card.metadata == {
        "name": 'A "net": 2',
        "caffemodel": "a",
        "mean_file": "http://h/m",
        "license": "free: yes",
    }
    first = 1 + above.count("\n")
    assert (card.warnings[0].line, card.line("name")) == (first, first)
    added = card.with_values(sha1="ab").text()
    assert added.replace(f"{blank}{lead}sha1: ab\n", "", 1) == text


@pytest.mark.parametrize(
    "block",
    [
        "name: A\n caffemodel: a\n  sha1: 12\n",
        " name: A\ncaffemodel: a\nsha1: 12\n",
        "- name: A\n- caffemodel: a\n- sha1: 12\n",
        "name: A\nThis is no key.\ncaffemodel: a\n\n\nsha1: 12\n",
        "NAME: A\nCaffeModel: a\nSHA-1: 12\n",
    ],
)
def test_a_crooked_block_is_read_and_told(block):
    card = Card.parse(f"---\n{block}---\n")
    assert card.metadata == {"name": "A", "caffemodel": "a", "sha1": "12"}
    assert card.warnings


TABLES = {
    "closed": "| name | caffemodel | sha1 |\n| --- | :---: | --- |\n| A | a | 12 |\n",
    "open": "name|caffemodel |sha1\n---|---|---|\nA |a | 12\n",
    "half": "| **name** | caffemodel | `SHA1` |\n|---|---|---|\n| A | a | sha1: 12\n",
    "upright": "| key | value |\n|---|---|\n| name | A |\n| caffemodel | a |\n| sha1 | 12 |\n",
    "upright, no title": "name | A\n--- | ---\ncaffemodel | a\nsha1 | 12\n",
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_is_read_and_written(table):
    text = f"# Nets\n\n{table}\nText | with a pipe\n"
    card = Card.parse(text)
    assert card.kind == "table"
    assert card.metadata == {"name": "A", "caffemodel": "a", "sha1": "12"}
    assert card.with_values(sha1="34").text() == text.replace("sha1: 12", "12").replace("12", "34")
    assert card.with_values(sha1=None).sha1 is None
    added = card.with_values(license="A | B")
    assert {**card.metadata, "license": "A | B"} == added.metadata
    kept = [line for line in text.splitlines() if line not in table.splitlines()]
    assert [line for line in added.text().splitlines() if line in kept] == kept
    with pytest.raises(CardError, match="no room for several lines"):
        card.with_values(license="A\nB")


def test_a_table_of_other_things_is_no_metadata():
    with pytest.raises(CardError, match="no model metadata found"):
        Card.parse("| name | size |\n|---|---|\n| A | 12 |\n\ncaffemodel | accuracy\n")


def test_weights_inside_a_sentence_are_found_but_not_in_code():
    text = "We use AlexNet (caffemodel_url: http://h/alex.caffemodel).\n"
    card = Card.parse(f"# Code\n\n{text}")
    assert (card.kind, card.name) == ("inline", None)
    assert card.caffemodel_url == "http://h/alex.caffemodel"
    assert "a sentence" in card.warnings[0].text
    changed = card.with_values(caffemodel_url="http://g/b")
    assert changed.text() == f"# Code\n\n{text.replace('http://h/alex.caffemodel', 'http://g/b')}"
    with pytest.raises(CardError, match="cannot be added to a sentence"):
        card.with_values(sha1="12")
    with pytest.raises(CardError, match="no model metadata found"):
        Card.parse(f"```\n{text}```\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("../caffe/models/a/readme.md", "was a link that has become text"),
        (
            "# A\n\nGet [it](http://h/a.caffemodel)!\n",
            "Line 3 links to weights: http://h/a.caffemodel",
        ),
        ("---\ntitle: Zoo\nlayout: page\n---\n# Zoo\n", "Expected a line '---'"),
        ("usage:\ncaffemodel: the weights\ndeploy: the net\n", "Expected a line '---'"),
    ],
)
def test_what_has_no_metadata_is_refused_with_a_hint(text, told):
    with pytest.raises(CardError, match="no model metadata found") as raised:
        Card.parse(text, "r.md")
    assert told in str(raised.value)


@pytest.mark.parametrize("lead", ["", "\ufeff", "\n\n", "\ufeff\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "latin-1", "cp1252"])
@pytest.mark.parametrize("form", ["---\nname: {}\nsha1: 1\n---\n", "name: {}\n\ncaffemodel: a\n"])
def test_bytes_are_kept_whatever_the_encoding_and_the_line_ends(lead, end, encoding, form):
    name = "Modèle “A”" if encoding != "latin-1" else "Modèle \x81"
    if encoding in ("latin-1", "cp1252"):
        lead = lead.strip("\ufeff")
    mark = "\ufeff" if encoding == "utf-16-le" and not lead.startswith("\ufeff") else ""
    text = (mark + lead + form.format(name) + "tëxt\n").replace("\n", end)
    card = Card.from_bytes(text.encode(encoding))
    assert (card.name, card.encoding) == (name, encoding)
    assert card.to_bytes() == text.encode(encoding)
    changed = card.with_values(name="Réseau")
    assert changed.to_bytes() == text.replace(name, "Réseau").encode(encoding)
    assert any("not UTF-8" in told for told in texts(card)) == (encoding != "utf-8")
