"""Kinds from files of the user's own and from installed packages."""

import sys

import pytest

import zoo
from zoo.build.model import to_keras
from zoo.errors import NetError, ParseError, UnsupportedLayersError, UsageError
from zoo.layers.kind import known_types, lookup

pytestmark = pytest.mark.usefixtures("kinds_restored")

SAME = """
import zoo
from zoo.layers.kind import Kind

@zoo.layer("{type}")
class Same(Kind):
    def build(self, site):
        return [site.bottoms[0]]
"""
PYTHON = """
input: "data" input_shape {{ dim: 2 dim: 3 }}
layer {{ name: "py" type: "Python" {bottom} top: "py"
        python_param {{ module: "my.layers" layer: "Mine" param_str: "import os" }} }}
"""


def write(path, text):
    path.write_text(text)
    return path


def test_the_kinds_of_a_file_are_known_once_it_is_loaded(tmp_path):
    path = write(tmp_path / "my_layers.py", SAME.format(type="Mine"))
    assert lookup("Mine") is None
    module = zoo.load_plugin(path)
    assert isinstance(lookup("Mine"), module.Same)
    assert zoo.load_plugin(str(path)) is module


def test_two_files_of_one_name_do_not_meet(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        zoo.load_plugin(write(tmp_path / name / "layers.py", SAME.format(type=name)))
    assert lookup("one").__class__.__module__ != lookup("two").__class__.__module__


def test_a_file_that_is_not_there_or_no_python_is_said_to_be(tmp_path):
    with pytest.raises(UsageError, match=r"no plugin .*absent\.py"):
        zoo.load_plugin(tmp_path / "absent.py")
    with pytest.raises(UsageError, match=r"must end in \.py"):
        zoo.load_plugin(write(tmp_path / "layers.txt", SAME.format(type="Mine")))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("import zoo\n\n1 / 0\n", 3, "ZeroDivisionError: division by zero"),
        ("import zoo\ndef f(:\n", 2, "SyntaxError"),
        ("import no_such_module_at_all\n", 1, "ModuleNotFoundError"),
        (SAME.format(type="Convolution"), 5, "'Convolution' is already defined by zoo.layers"),
    ],
)
def test_a_file_that_fails_is_named_with_its_line(tmp_path, text, line, words):
    path = write(tmp_path / "broken.py", text)
    with pytest.raises(UsageError) as caught:
        zoo.load_plugin(path)
    assert f"{path} failed at line {line}: " in str(caught.value)
    assert words in str(caught.value)
    assert not [name for name in sys.modules if name.startswith("zoo_plugin_broken")]


def test_a_file_that_fails_half_way_leaves_nothing_and_can_be_repaired(tmp_path):
    path = write(tmp_path / "half.py", SAME.format(type="Mine") + "\n1 / 0\n")
    with pytest.raises(UsageError):
        zoo.load_plugin(path)
    assert lookup("Mine") is None
    write(path, SAME.format(type="Mine"))
    zoo.load_plugin(path)
    assert lookup("Mine") is not None


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that installs a package with this text as its module of kinds."""

    def install(text):
        site = tmp_path / "site"
        info = site / "my_package-1.0.dist-info"
        info.mkdir(parents=True)
        write(info / "METADATA", "Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
        write(info / "entry_points.txt", "[zoo.layers]\nlayers = my_package_layers\n")
        write(site / "my_package_layers.py", text)
        monkeypatch.syspath_prepend(site)

    yield install
    sys.modules.pop("my_package_layers", None)


def test_an_installed_package_is_asked_when_a_type_is_not_known(installed):
    installed(SAME.format(type="Installed"))
    assert lookup("ReLU") is not None
    assert "Installed" not in known_types()
    assert "my_package_layers" not in sys.modules
    assert lookup("Installed") is not None


def test_an_installed_package_that_fails_is_named(installed):
    installed("raise RuntimeError('broken')")
    with pytest.raises(UsageError, match=r"my_package_layers of the package my-package .*broken"):
        lookup("Installed")


def test_the_code_of_a_python_layer_is_named_and_not_run(tmp_path):
    path = write(tmp_path / "net.prototxt", PYTHON.format(bottom='bottom: "data"'))
    net = zoo.Net.read(path)
    assert net.unsupported == {"Python:my.layers.Mine": ["py"]}
    with pytest.raises(UnsupportedLayersError) as caught:
        to_keras(net)
    assert "Python:my.layers.Mine (1): 'py'" in str(caught.value)
    assert '@zoo.layer("Python:my.layers.Mine")' in str(caught.value)
    assert "never executed" in str(caught.value)
    assert "--plugin" in str(caught.value)


def test_a_kind_for_its_module_and_class_takes_the_place_of_a_python_layer(tmp_path):
    zoo.load_plugin(write(tmp_path / "mine.py", SAME.format(type="Python:my.layers.Mine")))
    path = write(tmp_path / "net.prototxt", PYTHON.format(bottom='bottom: "data"'))
    assert zoo.run(zoo.Net.read(path), {"data": [[1, 2, 3]]})["py"].tolist() == [[1, 2, 3]]


def test_a_python_source_of_data_can_be_replaced_too(tmp_path):
    text = """
import zoo
from zoo.layers.data import Source

@zoo.layer("Python:my.layers.Mine")
class Mine(Source):
    def tops(self, layer, bottoms):
        return [(4, 3)]
"""
    zoo.load_plugin(write(tmp_path / "mine.py", text))
    net = zoo.Net.read(write(tmp_path / "net.prototxt", PYTHON.format(bottom="")))
    assert net.inputs["py"] == (4, 3)


def test_a_misspelt_field_of_a_python_layer_is_not_kept_but_named(tmp_path):
    text = PYTHON.format(bottom='bottom: "data"').replace("python_param", "pythom_param")
    with pytest.raises(ParseError, match="Did you mean python_param"):
        zoo.Net.read(write(tmp_path / "net.prototxt", text))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("tops(self, layer, bottoms): return []", "`tops` of Mine gives 0 shape"),
        ("build(self, site): return site.bottoms * 2", "`build` of Mine gives 2 blob"),
    ],
)
def test_a_kind_must_give_one_thing_for_each_top(tmp_path, method, message):
    text = SAME.format(type="Mine").partition("class")[0]
    zoo.load_plugin(write(tmp_path / "a.py", f"{text}class Mine(Kind):\n    def {method}\n"))
    net = 'input: "x" input_shape { dim: 2 } layer { name: "m" type: "Mine" bottom: "x" top: "m" }'
    path = write(tmp_path / "net.prototxt", net)
    with pytest.raises(NetError, match=f"layer 'm': {message}"):
        to_keras(zoo.Net.read(path))
