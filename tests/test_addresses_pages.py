"""The pages about addresses and security: their examples run, and their limits are the code's."""

import re
from pathlib import Path

import pytest

from zoo.registry import download
from zoo.registry.address import parse_address
from zoo.registry.storage import archive, bounded

DOCS = Path(__file__).parent.parent / "docs"


def test_every_address_in_the_table_means_what_it_says():
    table = (DOCS / "addresses.md").read_text().partition("\n\n|")[2].partition("\n\n")[0]
    shown = [row.split("|")[0 if row.startswith(" ") else 1] for row in table.splitlines()]
    addresses = [text for cell in shown for text in re.findall(r"`([^`]+)`", cell)]
    real = "034c6ac3865563b69e60"
    kinds = {}
    for text in addresses:
        text = (
            text.replace("REVISION", "a" * 40).replace("ID", real).replace("gs://...", "gs://b/m")
        )
        if not text.startswith("./"):
            kinds[text] = parse_address(text).kind
    assert len(kinds) >= 14
    assert set(kinds.values()) == {"name", "gist", "hub", "fsspec", "site", "weights"}


def test_the_example_runs(capsys):
    code = (DOCS / "addresses.md").read_text().partition("```python\n")[2].partition("```")[0]
    exec(compile(code, "addresses.md", "exec"), {})
    assert "lenet_digits.caffemodel" in capsys.readouterr().out


@pytest.mark.parametrize("extra", ["hub", "s3", "gs"])
def test_every_extra_is_explained(extra):
    assert f'"model-zoo-kit[{extra}]"' in (DOCS / "addresses.md").read_text()


def test_the_limits_on_the_page_are_those_of_the_code():
    page = " ".join((DOCS / "security.md").read_text().split())
    for limit, unit in (
        (download.LARGEST >> 30, "GiB for weights"),
        (bounded.LARGEST_COMPANION >> 20, "MiB for other files"),
        (bounded.LARGEST_CARD >> 20, "MiB for cards"),
    ):
        assert f"{limit} {unit}" in page
    assert f"grow more than {archive._MOST_GROWTH} times" in page
