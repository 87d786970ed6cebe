"""What docs/gradients.md shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "gradients.md").read_text()
PROGRAM = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
DEFINITION = re.search(r"```\n(name:.*?)```", PAGE, re.DOTALL)[1]
COMMANDS = re.findall(r"^\$ zoo (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the page names, where the commands are typed."""
    (tmp_path / "net.prototxt").write_text(DEFINITION)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", data=rng.normal(size=(4, 3, 8, 8)), label=[0, 1, 2, 1])
    np.savez(tmp_path / "top.npz", score=rng.normal(size=(4, 3)))
    net = zoo.Net.read(tmp_path / "net.prototxt")
    net.initialized().save(weights=tmp_path / "net.caffemodel")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_program_of_the_page_prints_what_its_comments_say(folder, capsys):
    exec(PROGRAM, {})
    promised = re.findall(r"print\(.*\)  # (\(.*?\))", PROGRAM)
    assert capsys.readouterr().out.splitlines() == promised


def test_the_commands_of_the_page_work(folder):
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *command.split()],
            env={"PYTHONPATH": str(ROOT), "ZOO_HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert len(COMMANDS) == 4
    with np.load("out.npz") as arrays:
        assert {"loss", "bottomdiff/data", "paramdiff/conv/1"} <= set(arrays.files)
