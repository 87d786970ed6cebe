"""What docs/data.md shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from zoo.cli.main import _parse, main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "data.md").read_text()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folders of the page."""
    for name, size in (("ant/a", 80), ("ant/b", 80), ("ant/slim", 20), ("bee/a", 80)):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (size, 70), (150, 100, 50)).save(path)
    (tmp_path / "photos" / "bee" / "broken.png").touch()
    for name in ("ant/a", "ant/b", "bee/a", "bee/b"):
        path = tmp_path / "good" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 70)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_prints_what_the_page_shows(folder, capsys):
    (block,) = re.findall(r"```console\n\$ zoo (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert main(block[0].split()) == 0
    printed = capsys.readouterr()
    assert printed.out + printed.err == block[1]


def test_the_example_prints_what_its_comments_say(folder):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.stdout.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)


def test_every_command_of_the_page_is_one_that_zoo_takes(folder):
    commands = re.findall(r"`zoo (data .*?)`", PAGE)
    assert len(commands) == 6
    for command in commands:
        _parse(command.split())


def test_the_conversions_of_the_page_work(folder, capsys):
    for command in re.findall(r"^\| `zoo (data .*?)` \|", PAGE, re.MULTILINE):
        assert main(command.replace("photos", "good").split()) == 0, capsys.readouterr().err
    assert {"train_lmdb", "train.lmdb", "train.h5", "train.txt", "train", "mean.binaryproto"} <= {
        path.name for path in folder.iterdir()
    }
