"""What docs/plugins.md shows is what happens."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.layers.kind import lookup

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
FIRST, PYTHON_LAYER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
DEFINITION = re.search(r"```\n(name:.*?)```", PAGE, re.DOTALL)[1]
COMMANDS = re.findall(r"^\$ zoo (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the page names, where the commands are typed."""
    (tmp_path / "my_layers.py").write_text(FIRST)
    (tmp_path / "bent.prototxt").write_text(DEFINITION)
    x = np.random.default_rng(0).normal(size=(2, 3, 2, 2)).astype(np.float32)
    np.savez(tmp_path / "in.npz", data=x)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_work(folder, kinds_restored):
    power = np.array([1, 2, 3], np.float32)
    zoo.load_plugin("my_layers.py")
    net = zoo.Net.read("bent.prototxt")
    net.with_params({"bend": [power]}).save(weights="bent.caffemodel")
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *command.split()],
            env={"PYTHONPATH": str(ROOT), "ZOO_HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert len(COMMANDS) == 2
    expected = (0.5 * np.abs(np.load("in.npz")["data"])) ** power.reshape(3, 1, 1)
    np.testing.assert_allclose(np.load("out.npz")["bend"], expected, rtol=1e-5)


def test_the_kind_of_the_page_starts_from_its_filler_and_flows_back(folder, kinds_restored):
    from zoo.build.model import from_keras, to_keras

    zoo.load_plugin("my_layers.py")
    net = zoo.Net.read("bent.prototxt").initialized()
    assert net.params["bend"][0].tolist() == [2, 2, 2]
    model = to_keras(net)
    model.set_weights([np.array([4, 5, 6], np.float32)])
    assert from_keras(net, model).params["bend"][0].tolist() == [4, 5, 6]
    model.save("bent.keras")
    import keras

    assert keras.models.load_model("bent.keras").get_weights()[0].tolist() == [4, 5, 6]


def test_the_replacement_of_a_python_layer_is_a_kind(kinds_restored):
    exec(f"import zoo\nfrom zoo.layers.kind import Kind\n{PYTHON_LAYER}", {})
    assert lookup("Python:my_module.MyLayer") is not None


def test_the_kinds_that_the_page_promises_are_there():
    for name in re.findall(r"`(Python:[\w.]+)`", PAGE):
        assert lookup(name) is not None
    tables = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    assert list(tables["project"]["entry-points"]) == ["zoo.layers"]
