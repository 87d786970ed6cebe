"""zoo similar: what is like a picture, stored twice, or near on a map; and mistakes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.cli.main import main

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five digits, one of them stored twice and one with a little noise, and their features."""
    top = tmp_path_factory.mktemp("similar")
    for file in sorted(DIGITS.glob("*.png")):
        (top / "photos" / file.stem).mkdir(parents=True)
        shutil.copy(file, top / "photos" / file.stem / "a.png")
    shutil.copy(DIGITS / "two.png", top / "photos" / "two" / "b.png")
    with Image.open(DIGITS / "four.png") as image:
        pixels = np.asarray(image.convert("L")).copy()
    pixels[::9, ::7] ^= 64
    Image.fromarray(pixels).save(top / "photos" / "four" / "b.png")
    words = ["features", "lenet_digits", top / "photos", "--blob", "ip1", "-o", top / "feats.h5"]
    assert main([*map(str, words), "--quiet"]) == 0
    return top


@pytest.fixture
def feats(folder):
    return folder / "feats.h5"


@pytest.mark.parametrize("binary", [(), ("--binary",)])
def test_the_same_picture_comes_first_with_1(run_zoo, feats, binary):
    ended = run_zoo("similar", DIGITS / "two.png", "--in", feats, "-n", 3, *binary)
    assert ended.code == 0, ended.err
    heading, *rows = [line.split("\t") for line in ended.out.splitlines()]
    assert heading == ["file", "label", "similarity"]
    assert rows[:2] == [["two/a.png", "two", "1.0000"], ["two/b.png", "two", "1.0000"]]
    assert len(rows) == 3
    facts = run_zoo("similar", DIGITS / "two.png", "--in", feats, *binary, "--json").json
    assert (facts["model"], facts["blob"], facts["binary"]) == ("lenet_digits", "ip1", bool(binary))
    assert len(facts["neighbours"]) == facts["rows"] == 7
    assert facts["neighbours"][0]["similarity"] == 1


def test_duplicates_are_the_two_pairs(run_zoo, feats):
    ended = run_zoo("similar", "--in", feats, "--duplicates", "--above", 0.99)
    assert ended.code == 0, ended.err
    rows = [line.split("\t") for line in ended.out.splitlines()][1:]
    assert [row[:4] for row in rows] == [
        ["two/a.png", "two", "two/b.png", "two"],
        ["four/a.png", "four", "four/b.png", "four"],
    ]
    facts = run_zoo("similar", "--in", feats, "--duplicates", "--above", 1, "--json").json
    assert (facts["count"], facts["above"]) == (1, 1)
    assert facts["pairs"][0]["second"] == {"row": 5, "file": "two/b.png", "label": "two"}
    ended = run_zoo("similar", "--in", feats, "--duplicates", "--above", -1, "-n", 1)
    assert len(ended.out.splitlines()) == 2
    assert "21 pairs of 7 rows" in ended.err
    assert "-n lists more" in ended.err


def test_the_map_is_written_and_the_same_each_time(run_zoo, feats, tmp_path):
    ended = run_zoo("similar", "--in", feats, "--map", tmp_path / "a.png")
    assert (ended.code, ended.out) == (0, f"{tmp_path / 'a.png'}\n")
    facts = run_zoo("similar", "--in", feats, "--map", tmp_path / "b.png", "--json").json
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert [point["file"] for point in facts["points"]][:2] == ["four/a.png", "four/b.png"]
    with Image.open(tmp_path / "a.png") as image:
        assert len(set(image.convert("RGB").getcolors(1 << 20))) > 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_rows_that_cannot_be_compared_are_told(run_zoo, tmp_path):
    rows = np.eye(6, dtype=np.float32)
    rows[1] = 0
    np.savez(tmp_path / "bare.npz", **{"features/fc": rows})
    ended = run_zoo("similar", "--in", tmp_path / "bare.npz", "--duplicates", "--above", 0)
    assert ended.code == 0
    assert "1 rows are all zero or not finite and are left out: row 1" in ended.err
    assert "10 pairs of 5 rows" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--duplicates", "--blob", "ip"], "Did you mean ip1?"),
        (["--duplicates", "--above", "2"], "at most 1"),
        (["IMAGE", "--model", "tiny"], "Did you mean lenet_digits?"),
        (["IMAGE", "--duplicates"], "say one thing to do"),
        ([], "say one thing to do"),
        (["--map", "map.jpg"], "name a file that ends with .png"),
        (["no such.png"], "no such.png: cannot be opened"),
        (["--duplicates", "--abov", "1"], "Did you mean --above?"),
    ],
)
def test_mistakes_end_with_2_and_say_what_is_meant(run_zoo, feats, models, words, told):
    words = [DIGITS / "two.png" if word == "IMAGE" else word for word in words]
    ended = run_zoo("similar", "--in", feats, "--source", models, *words)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_a_file_that_is_not_there_or_is_another_ends_with_2(run_zoo, feats):
    ended = run_zoo("similar", "--in", feats.with_name("feat.h5"), "--duplicates")
    assert ended.code == 2
    assert "Did you mean feats.h5?" in ended.err
    ended = run_zoo("similar", "--in", DIGITS / "two.png", "--duplicates")
    assert ended.code == 2
    assert "no file of features" in ended.err
