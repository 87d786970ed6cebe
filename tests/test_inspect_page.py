"""What docs/inspect.md shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "inspect.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_table_is_what_the_command_prints():
    command, output = re.search(r"```console\n\$ zoo (.*?)\n(.*?)```", PAGE, re.DOTALL).groups()
    assert run("-m", "zoo", *command.split()) == output


@pytest.mark.parametrize("code", PYTHON, ids=["fields", "compare"])
def test_the_examples_print_what_their_comments_say(code):
    promised = re.findall(r"^print\(.*\) +# (.*)$", code, re.MULTILINE)
    assert promised
    assert run("-c", code).splitlines() == promised
