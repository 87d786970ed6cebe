"""What docs/diagnosis.md shows is what happens."""

import re
from pathlib import Path

import zoo.transfer.watch as package

PAGE = (Path(__file__).parents[3] / "docs" / "diagnosis.md").read_text()


def test_the_program_of_the_page_prints_what_it_says(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (printed,) = re.findall(r"prints\n\n```\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out == printed


def test_the_page_has_every_finding():
    folder = Path(package.__file__).parent
    text = "".join(path.read_text() for path in folder.glob("*_rules.py"))
    made = set(re.findall(r'Finding\(\n\s+"([a-z-]+)"', text))
    explained = {
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`([a-z-]+)`", row)
    }
    assert made == explained != set()
