"""What docs/surgery.md shows is what happens."""

import re
from pathlib import Path

import zoo
from zoo.cli.main import main
from zoo.surgery.operations import OPERATIONS

PAGE = (Path(__file__).parents[1] / "docs" / "surgery.md").read_text()


def test_the_example_prints_what_its_comments_say(run_python):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    expected = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert run_python("-c", code)[0].splitlines() == expected


def test_every_operation_is_in_the_table():
    (table,) = re.findall(r"\n\| What for.*?\n\n", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", table)) == set(OPERATIONS)


def test_the_commands_do_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (recipe,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    Path("recipe.yaml").write_text(recipe)
    apply, diff = re.findall(r"^\$ zoo (.*)$", PAGE, re.MULTILINE)
    assert main(apply.split()) == 0
    assert capsys.readouterr().out == "letters\n"
    assert zoo.load("letters").net.layer("letters-conv").type == "Convolution"
    assert main(diff.split()) == 0
    assert "first" in capsys.readouterr().out
