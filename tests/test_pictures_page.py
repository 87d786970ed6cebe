"""docs/pictures.md: its programs print what they say, its commands and options exist."""

import re
import shlex
from pathlib import Path

import pytest

from zoo.cli.main import main

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "pictures.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=["draw", "filters", "maps"])
def test_the_programs_print_what_their_comments_say(program, capsys, tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    promised = re.findall(r"^print\(.*\)  # (.*)$", program, re.MULTILINE)
    assert promised
    exec(compile(program, "docs/pictures.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == promised


def test_the_text_is_what_the_command_prints(capsys):
    command, output = re.search(r"```console\n\$ zoo (.*?)\n(.*?)```", PAGE, re.DOTALL).groups()
    assert main(command.split()) == 0
    assert capsys.readouterr().out == output


def test_every_command_and_option_on_the_page_exists(capsys):
    commands = re.findall(r"^zoo (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) == 13
    for command in commands:
        name, *words = shlex.split(command)
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        for option in words:
            assert not option.startswith("-") or f" {option}" in shown or f"{option}," in shown
