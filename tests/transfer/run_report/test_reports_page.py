"""docs/reports.md shows what happens."""

import re
from pathlib import Path

import pytest

from zoo.cli.main import _parse, main
from zoo.transfer.run_report.build import REPORT
from zoo.transfer.run_report.stored_run import CHECKPOINTS, EVENTS, FACTS, LOG, METRICS, PICTURES

PAGE = (Path(__file__).parents[3] / "docs" / "reports.md").read_text(encoding="utf-8")
COMMANDS, SUMMARY = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
LINES = """\
solver.cpp:293] Solving LeNet
solver.cpp:347] Iteration 0, Testing net (#0)
solver.cpp:414]     Test net output #0: accuracy = 0.1
solver.cpp:239] Iteration 0 (0 iter/s, 1s/100 iters), loss = 2.30259
solver.cpp:239] Iteration 100 (90 iter/s, 1.1s/100 iters), loss = 0.412
solver.cpp:347] Iteration 100, Testing net (#0)
solver.cpp:414]     Test net output #0: accuracy = 0.87
solver.cpp:332] Optimization Done.
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    lines = [f"I0615 12:00:00.000000  4242 {line}\n" for line in LINES.splitlines()]
    (tmp_path / "caffe.log").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)


def test_every_command_of_the_page_is_one_that_zoo_takes():
    found = re.findall(r"^\$ zoo (.*)$", PAGE, re.MULTILINE)
    assert len(found) == 5
    for command in found:
        _parse(command.split())


def test_the_summary_is_what_the_page_shows(log, capsys):
    command, _, shown = SUMMARY.removeprefix("$ zoo ").partition("\n")
    assert main(command.split()) == 0
    assert capsys.readouterr().out == shown


def test_the_program_prints_what_the_page_says(log, capsys):
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    exec(program, {})
    assert capsys.readouterr().out == re.search(r"prints\n\n```\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_page_names_everything_in_the_directory():
    for name in (FACTS, LOG, METRICS, REPORT):
        assert f"`{name}`" in PAGE
    for name in (PICTURES, EVENTS, CHECKPOINTS):
        assert f"`{name}/`" in PAGE
