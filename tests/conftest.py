"""What all tests share: where the reference results lie, and warnings kept visible."""

import os

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
