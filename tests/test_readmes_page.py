"""What docs/readmes.md shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from zoo.cli.main import main
from zoo.registry.card import Card

PAGE = (Path(__file__).parents[1] / "docs" / "readmes.md").read_text()
SECTION = PAGE.partition("## Where the metadata may stand")[2].partition("## What is put")[0]
READMES = re.findall(r"^`([a-z, ]+)`.*?```markdown\n(.*?)```", SECTION, re.DOTALL | re.MULTILINE)


def test_every_variety_has_an_example():
    assert [kind for kind, _ in READMES] == [
        "fenced",
        "fenced, under a heading",
        "heading",
        "bare",
        "bare, after a foreign front matter",
        "table",
    ]


@pytest.mark.parametrize(("kind", "text"), READMES)
def test_the_readmes_of_the_page_are_read_as_it_says(kind, text):
    card = Card.parse(text)
    assert (card.kind, card.name, card.caffemodel) == (kind, "A net: small", "net.caffemodel")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_print_what_their_comments_say(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "readmes.md", "exec"), {})
    wanted = re.findall(r"^print\(.*?\)  # (.*)$", code, re.MULTILINE)
    assert printed.getvalue().splitlines() == wanted


@pytest.mark.parametrize(
    ("written", "key", "value"),
    [
        ("Licence: x", "license", "x"),
        ("author: **x**", "author", "x"),
        ("SHA-1: x", "sha1", "x"),
        ("Caffemodel URL: x", "caffemodel_url", "x"),
        ("caffemodel\\_url: x", "caffemodel_url", "x"),
        ("caffemodel_url: [here](http://host/a)", "caffemodel_url", "http://host/a"),
        ("caffemodel_url: <http://host/a>", "caffemodel_url", "http://host/a"),
        ('caffemodel_url: <a href="http://host/a">it</a>', "caffemodel_url", "http://host/a"),
        ("sha1:405fc5", "sha1", "405fc5"),
        ("  sha1: 405fc5", "sha1", "405fc5"),
        ("gist_id:", "gist_id", None),
        ('gist_id: ""', "gist_id", None),
        ("no key here", "name", "A"),
    ],
)
def test_the_table_of_repairs_is_true(written, key, value):
    card = Card.parse(f"---\nname: A\n{written}\ntask: none\n---\n")
    assert card.metadata[key] == value
    assert [warning.line for warning in card.warnings] == [3] * len(card.warnings) != []


def test_lint_prints_what_the_page_shows(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```console\n\$ zoo (.*?)\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("readme.md").write_text("name: A net\ncaffemodel: net\n")
    assert main(block[0].split()) == 2
    assert capsys.readouterr().out == block[1]
