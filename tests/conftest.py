"""What all tests share: where the reference results lie, and warnings kept visible."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from reference import require_shared

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def shared():
    """Reference results computed by real Caffe, see ``ZOO_SHARED`` in CONTRIBUTING.md."""
    return require_shared()


@pytest.fixture(autouse=True)
def own_zoo_home(tmp_path_factory, monkeypatch):
    """No test reads or writes the cache or the settings of whoever runs it."""
    home = tmp_path_factory.mktemp("zoo-home")
    monkeypatch.setenv("ZOO_HOME", str(home))
    monkeypatch.setenv("ZOO_CONFIG", str(home / "config.toml"))
    return home


@pytest.fixture(scope="module")
def run_python(tmp_path_factory):
    """Runs Python in one folder for a whole page of docs/, as a reader does; stdout and stderr."""
    folder = tmp_path_factory.mktemp("page")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "ZOO_HOME": str(folder / "home"),
    }

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr

    return run


@pytest.fixture
def kinds_restored():
    """Forget, after the test, the kinds of layer that it registers and the plugins it loads."""
    from zoo.layers import kind, plugins

    kind.known_types()
    before = dict(kind._KINDS)
    yield
    kind._KINDS.clear()
    kind._KINDS.update(before)
    plugins._load_file.cache_clear()
    plugins.load_entry_points.cache_clear()
