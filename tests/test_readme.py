"""What the README shows is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)


def run(arguments, home):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "ZOO_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.replace(str(home), "/home/you/.cache/zoo")


def commands():
    for block in CONSOLE:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One cache for the whole tour, as a reader has."""
    return tmp_path_factory.mktemp("readme-home")


def test_there_is_a_tour_and_python():
    assert len(PYTHON) == 2
    assert len(list(commands())) == 4


@pytest.mark.parametrize(("command", "output"), list(commands()), ids=lambda text: text[:30])
def test_a_command_of_the_tour_prints_what_the_readme_shows(command, output, home):
    assert command.startswith("zoo ")
    received = run(["-m", "zoo", *command.split()[1:]], home)
    assert received == output


@pytest.mark.parametrize("code", PYTHON, ids=["first", "second"])
def test_the_python_example_prints_what_its_comments_say(code, home):
    received = run(["-c", code], home).splitlines()
    promised = re.findall(r"^print\(.*\) +# (.*)$", code, re.MULTILINE)
    assert len(received) == len(promised)
    for line, promise in zip(received, promised, strict=True):
        assert line == promise.partition(":")[0]


def test_the_contributors_example_of_a_layer_works(tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 2 }\n'
        'layer { name: "square" type: "Square" bottom: "data" top: "square" }\n'
    )
    code += f"""
net = zoo.Net.read({str(path)!r})
print(zoo.run(net, {{"data": [[2, -3]]}})["square"].tolist())
"""
    assert run(["-c", code], tmp_path) == "[[4.0, 9.0]]\n"
