"""What docs/publishing.md shows is what happens, from its first command to its last."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from publishable import DIGITS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "publishing.md").read_text()
BLOCKS = re.findall(r"```(console|markdown|python)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """The folder with a trained network of which the page tells."""
    (tmp_path / "my_digits").mkdir()
    for name in ("deploy.prototxt", "labels.txt", "lenet_digits.caffemodel"):
        to = tmp_path / "my_digits" / name.replace("lenet_digits", "my_digits")
        to.write_bytes((DIGITS / name).read_bytes())
    return tmp_path


def run(arguments, folder):
    there = {"/srv/models": folder / "models"}
    done = subprocess.run(
        [sys.executable, *(str(there.get(word, word)) for word in arguments)],
        cwd=folder,
        env={
            **os.environ,
            "ZOO_HOME": str(folder / "cache"),
            "ZOO_CONFIG": str(folder / "config.toml"),
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    received = done.stdout.replace(str(folder / "models"), "/srv/models")
    received = received.replace(str(folder / "config.toml"), "/home/you/.config/zoo/config.toml")
    return received.replace(str(folder / "cache"), "/home/you/.cache/zoo")


def lines(text):
    """As a set: a program's two streams may come in another order."""
    return sorted(text.splitlines())


def test_the_page_is_true_from_its_first_command_to_its_last(folder):
    commands = 0
    for kind, text in BLOCKS:
        if kind == "markdown":
            readme = folder / "my_digits/readme.md"
            front = readme.read_text().split("\n---\n")[0]
            readme.write_text(f"{front}\n---\n\n{text}")
        elif kind == "python":
            code = text.replace("/srv/models", str(folder / "models"))
            promised = re.search(r"^print\(.*\) +# (.*) \.\.\.$", text, re.MULTILINE)[1]
            assert run(["-c", code], folder).startswith(promised)
        else:
            for part in re.split(r"^\$ zoo ", text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                received = run(["-m", "zoo", *shlex.split(command)], folder)
                assert lines(received) == lines(output), command
                commands += 1
    assert commands == 6


def test_the_refusal_that_the_page_quotes_is_that_of_zoo():
    from zoo.registry.licence import restricts

    quoted = re.search(r"```\n(license: MIT does not.*?)```", PAGE, re.DOTALL)[1]
    assert restricts("MIT", "CC-BY-NC-4.0") in " ".join(quoted.split())
