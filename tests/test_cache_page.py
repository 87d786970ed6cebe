"""What docs/cache.md shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.main import _parse, main
from zoo.registry.cache import LAYOUT, Cache

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "cache.md").read_text()


@pytest.fixture(scope="module")
def page_home(tmp_path_factory):
    return tmp_path_factory.mktemp("cache-page")


@pytest.fixture
def home(page_home, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(page_home / "home"))
    monkeypatch.chdir(page_home)
    return page_home / "home"


def test_the_commands_print_what_the_page_shows(home, capsys):
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for part in re.split(r"^\$ zoo ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        assert main(command.split()) == 0
        shown = "".join(capsys.readouterr()).replace(str(home), "HOME")
        pattern = re.escape(expected).replace("SIZE", r"[\d.]+ kB").replace("FREE", r"[\d.]+ .B")
        assert re.fullmatch(pattern, shown), command


def test_the_tree_is_what_lies_there(home):
    (block,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert block.split()[:2] == ["LAYOUT", str(LAYOUT)]
    cache = Cache()
    (blob,) = cache.blobs.sizes()
    documented = {line.split()[0].replace("HASH", blob) for line in block.splitlines()}
    lying = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    lying = {path for path in lying if not path.startswith(("locks/", "usage/"))}
    assert {path for path in documented if not path.endswith("/")} == lying
    assert (home / "locks").is_dir()
    model = cache.get("lenet_digits")
    assert model.weights.samefile(cache.blobs.path(blob))


def test_every_command_of_the_page_is_one_that_zoo_takes():
    commands = re.findall(r"(?:`|^|models )zoo ((?:cache|verify|remove|fetch|cite) [^`#\n]*)",
                          PAGE, re.MULTILINE)  # fmt: skip
    assert len(commands) > 10
    for command in commands:
        assert _parse(command.split()).run


def test_a_home_that_another_program_reads_needs_no_zoo(home):
    """The record is JSON, and the hashes in it are those of the files."""
    code = (
        "import hashlib, json, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).glob('models/*/zoo.json'):\n"
        "    for name, file in json.loads(path.read_text())['files'].items():\n"
        "        content = (path.parent / name).read_bytes()\n"
        "        assert hashlib.sha256(content).hexdigest() == file['sha256']\n"
        "        print(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(home)], capture_output=True, text=True, check=True
    )
    assert "lenet_digits.caffemodel" in done.stdout
