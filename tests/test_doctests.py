"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import zoo


def modules():
    yield "zoo"
    for part in ("zoo", "zoo.registry", "zoo.transfer", "zoo.surgery", "zoo.cli"):
        package = importlib.import_module(part)
        for module in pkgutil.walk_packages([package.__path__[0]], f"{part}."):
            yield module.name


@pytest.mark.usefixtures("kinds_restored")
@pytest.mark.parametrize("name", sorted(set(modules())))
def test_examples_run(name):
    assert zoo.__version__
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
