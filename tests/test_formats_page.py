"""What docs/formats.md shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.main import _parse

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "formats.md").read_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs Python in one folder for the whole page, as a reader does."""
    folder = tmp_path_factory.mktemp("formats-page")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "ZOO_HOME": str(folder / "home"),
    }

    def run_python(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr

    return run_python


def test_the_commands_print_what_the_page_shows(run):
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for part in re.split(r"^\$ zoo ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        printed, told = run("-m", "zoo", *command.split())
        assert printed + told == output


def test_the_example_prints_what_its_comments_say(run):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert run("-c", code)[0].splitlines() == re.findall(
        r"^print\(.*\)  # (.*)$", code, re.MULTILINE
    )


def test_every_command_of_the_page_is_one_that_zoo_takes():
    commands = re.findall(r"\| `zoo (convert .*?)` \|", PAGE)
    assert len(commands) == 8
    for command in commands:
        _parse(command.split())
