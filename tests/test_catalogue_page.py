"""What docs/catalogue.md shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.registry.known import known

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "catalogue.md").read_text()
COMMANDS = re.findall(r"```console\n\$ zoo (.*?)\n(.*?)```", PAGE, re.DOTALL)


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_a_command_prints_what_the_page_shows(command, output):
    assert run("-m", "zoo", *command.split()) == output


def test_the_python_example_prints_what_its_comment_says():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    promised = re.findall(r"^print\(.*\) +# (.*)$", code, re.MULTILINE)
    assert run("-c", code).splitlines() == promised


def test_the_counts_are_right():
    pinned = sum(entry.pinned for entry in known().values())
    assert f"zoo knows {len(known())} published" in PAGE
    assert f"For {pinned} of the models" in PAGE
