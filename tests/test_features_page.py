"""docs/features.md: its program runs, its options exist, its table is that of the program."""

import re
from pathlib import Path

from zoo.cli.main import main
from zoo.transfer.advise import TABLE

PAGE = Path(__file__).parent.parent / "docs" / "features.md"


def test_the_program_on_the_page_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(program, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "['dark' 'dark' 'light' 'light']\n"


def test_every_option_on_the_page_exists(capsys):
    for command in re.findall(
        r"^zoo (features|similar|probe) (.*)$", PAGE.read_text(), re.MULTILINE
    ):
        assert main([command[0], "--help"]) == 0
        shown = capsys.readouterr().out
        for option in re.findall(r"(?<= )--?[a-z]+", command[1]):
            assert option in shown


def test_the_table_is_the_one_that_advise_applies():
    text = PAGE.read_text()
    assert all(cell in text for cell in TABLE.values())
