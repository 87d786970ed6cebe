"""What docs/speed.md shows is what happens."""

import re
from pathlib import Path

from benchmarks.networks import network, resnet50

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "speed.md").read_text()


def test_the_examples_print_what_their_comments_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    known = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, known)
        expected = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
        assert capsys.readouterr().out.splitlines() == expected
    assert (tmp_path / "folded.caffemodel").is_file()


def test_resnet_is_left_with_as_many_layers_as_the_page_says():
    from zoo.surgery.fold import fold

    net = network(resnet50())
    before, after = re.search(r"ResNet-50's (\d+) layers (\d+) are left", PAGE).groups()
    assert (len(net.layers), len(fold(net)[0].layers)) == (int(before), int(after))
