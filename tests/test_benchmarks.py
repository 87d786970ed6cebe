"""What measures zoo works by itself: sections are replaced in place, photographs are alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import run
from benchmarks.pipeline import photographs
from zoo.images import read_image

RESULTS = "# Results\n\nintroduction\n\n## A\n\nold\n\n| a |\n\n## B\n\nb\n\n## Where\n\nlast\n"


def test_a_section_takes_the_place_of_the_one_with_its_heading():
    assert run.replaced(RESULTS, "## A\n\nnew") == RESULTS.replace("old\n\n| a |", "new")


def test_a_section_that_is_new_comes_before_the_reasons():
    expected = RESULTS.replace("## Where", "## C\n\nc\n\n## Where")
    assert run.replaced(RESULTS, "## C\n\nc") == expected


def test_only_the_named_sections_are_measured(tmp_path, monkeypatch):
    (tmp_path / "RESULTS.md").write_text(RESULTS)
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "SECTIONS", {"a": lambda: "## A\n\nnew", "b": lambda: 1 / 0})
    run.main(["a"])
    assert (tmp_path / "RESULTS.md").read_text() == RESULTS.replace("old\n\n| a |", "new")
    with pytest.raises(SystemExit, match="no section 'c'; there are a, b"):
        run.main(["c"])


def test_each_section_is_named_as_its_file():
    for name, section in run.SECTIONS.items():
        assert Path(section.__code__.co_filename).stem == name


def test_photographs_have_the_size_and_the_detail_of_real_ones(tmp_path):
    photographs(tmp_path / "photographs", 41)
    files = sorted((tmp_path / "photographs").iterdir())
    assert len(files) == 41
    with Image.open(files[7]) as picture:
        assert picture.size == (400, 533)
    assert 20_000 < sum(file.stat().st_size for file in files) / 41 < 40_000
    assert len({file.read_bytes() for file in files}) == 41
    np.testing.assert_array_equal(read_image(files[0]), read_image(files[40]))
