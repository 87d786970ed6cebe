"""`--plugin` on the command line."""

import numpy as np
import pytest

from zoo.cli.main import COMMANDS, _parser

PLUGIN = """
import zoo
from zoo.layers.kind import Kind

@zoo.layer("{type}")
class Same(Kind):
    def build(self, site):
        return [site.bottoms[0]]
"""
DEFINITION = """
input: "data" input_shape { dim: 1 dim: 3 }
layer { name: "a" type: "KindA" bottom: "data" top: "a" }
layer { name: "b" type: "KindB" bottom: "a" top: "b" }
"""


@pytest.fixture
def net(tmp_path, kinds_restored):
    path = tmp_path / "net.prototxt"
    path.write_text(DEFINITION)
    for letter in "AB":
        (tmp_path / f"{letter}.py").write_text(PLUGIN.format(type=f"Kind{letter}"))
    return path


def test_plugins_make_types_known_wherever_the_option_stands(net, tmp_path, run_zoo):
    done = run_zoo("inspect", "--net", net, "--json")
    assert [kind["type"] for kind in done.json["unsupported"]] == ["KindA", "KindB"]
    one, two = tmp_path / "A.py", tmp_path / "B.py"
    done = run_zoo("inspect", "--plugin", one, "--net", net, "--plugin", two, "--json")
    assert (done.code, done.json["unsupported"]) == (0, [])


def test_a_plugin_that_is_not_there_or_fails_is_an_error_of_usage(net, tmp_path, run_zoo):
    done = run_zoo("inspect", "--net", net, "--plugin", tmp_path / "absent.py")
    assert done.code == 2
    assert "no plugin" in done.err
    broken = tmp_path / "broken.py"
    broken.write_text("import zoo\nzoo.no_such_name\n")
    done = run_zoo("inspect", "--net", net, "--plugin", broken, "--json")
    assert done.code == 2
    assert f"{broken} failed at line 2" in done.out + done.err


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("    def tops(self, layer, bottoms):\n        return [bottoms[7]]", 7, "IndexError"),
        ("    def build(self, site):\n        return site.nothing", 7, "AttributeError"),
    ],
)
def test_a_kind_that_fails_is_no_bug_of_zoo(net, tmp_path, run_zoo, body, line, what):
    plugin = tmp_path / "mine.py"
    imports = "import zoo\nfrom zoo.layers.kind import Kind\n\n"
    plugin.write_text(f'{imports}@zoo.layer("KindA", "KindB")\nclass Mine(Kind):\n{body}\n')
    arrays, out = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(arrays, data=np.ones((1, 3), np.float32))
    done = run_zoo("run", "--net", net, "--input", arrays, "-o", out, "--plugin", plugin)
    assert done.code == 2
    assert f"the plugin {plugin} failed at line {line}: {what}" in done.err
    assert not out.exists()


@pytest.mark.parametrize("module", COMMANDS, ids=lambda module: module.NAME)
def test_every_command_takes_plugins(module, capsys):
    with pytest.raises(SystemExit):
        _parser().parse_args([module.NAME, "--help"])
    assert "--plugin FILE" in capsys.readouterr().out
