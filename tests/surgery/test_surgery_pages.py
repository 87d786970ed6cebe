"""What docs/shrink.md and docs/diff.md show is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import zoo.surgery
from zoo.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["shrink.md", "diff.md"])
def test_the_examples_print_what_their_comments_say(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))
    promised = re.findall(r"^print\(.*\) +# (.*)$", code, re.MULTILINE)
    assert promised
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, page, "exec"), {})
    assert printed.getvalue().splitlines() == promised
    for command, output in re.findall(
        r"```console\n\$ zoo (.*?)\n(.*?)```", (DOCS / page).read_text(), re.S
    ):
        assert main(command.split()) == 0
        assert capsys.readouterr().out == output


def test_every_operation_of_the_table_is_there():
    rows = re.findall(r"^\| `(\w+)\(net", (DOCS / "shrink.md").read_text(), re.MULTILINE)
    assert len(rows) == 11
    assert set(rows) <= set(zoo.surgery.__all__)
