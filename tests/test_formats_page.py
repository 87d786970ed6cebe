"""What docs/formats.md shows is what happens."""

import re
from pathlib import Path

from zoo.cli.main import _parse

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "formats.md").read_text()


def test_the_commands_print_what_the_page_shows(run_python):
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for part in re.split(r"^\$ zoo ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        printed, told = run_python("-m", "zoo", *command.split())
        assert printed + told == output


def test_the_example_prints_what_its_comments_say(run_python):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert run_python("-c", code)[0].splitlines() == re.findall(
        r"^print\(.*\)  # (.*)$", code, re.MULTILINE
    )


def test_every_command_of_the_page_is_one_that_zoo_takes():
    commands = re.findall(r"\| `zoo (convert .*?)` \|", PAGE)
    assert len(commands) == 8
    for command in commands:
        _parse(command.split())
