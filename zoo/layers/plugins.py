"""Kinds of layer from outside: files of the user's own, and installed packages.

A plugin is Python code that registers kinds with ``@zoo.layer``. A file is run when it is named; a
package states the module in the entry point group ``zoo.layers``, and is imported only when a
network has a type that nothing else defines. Nothing that comes with a model is ever run.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from zoo.errors import UsageError, ZooError
from zoo.layers.kind import all_or_nothing, outside_files

__all__ = ["GROUP", "fault_of_plugin", "load_entry_points", "load_plugin"]

GROUP = "zoo.layers"
"""The entry point group in which a package names modules that define kinds."""


def load_plugin(path: str | Path) -> ModuleType:
    """Run a file that defines kinds of layer; a file that was loaded before is not run again.

    Raises
    ------
    UsageError
        When the file cannot be read, when it fails (its line is named), or when it defines a kind
        that exists. Of its kinds none is known then.

    Examples
    --------
    >>> import tempfile, pathlib, zoo
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "my_layers.py"
    >>> _ = path.write_text('''
    ... import zoo
    ... from zoo.layers.kind import Kind
    ...
    ... @zoo.layer("Same")
    ... class Same(Kind):
    ...     def build(self, site):
    ...         return [site.bottoms[0]]
    ... ''')
    >>> zoo.load_plugin(path).Same.__name__
    'Same'
    """
    return _load_file(Path(path).resolve())


@cache
def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no plugin {path}; expected a Python file with @zoo.layer in it")
    # A name that no other module has, and that pickles and tracebacks can be read by.
    name = f"zoo_plugin_{path.stem}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"the plugin {path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with all_or_nothing():
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"the plugin {path} failed{_place(error, path)}: {_reason(error)}") from (
            error
        )
    return module


@cache
def load_entry_points() -> None:
    """Import, once, what installed packages name in the group `zoo.layers`.

    Raises
    ------
    UsageError
        When one of them fails; the package is named.
    """
    for point in entry_points(group=GROUP):
        try:
            with all_or_nothing():
                point.load()
        except Exception as error:
            raise UsageError(
                f"the plugin {point.value} of the package {_package(point)} failed:"
                f" {_reason(error)}. Repair it or uninstall it."
            ) from error


def fault_of_plugin(error: BaseException) -> str | None:
    """What failed in which file and line, where an error comes from a kind from outside.

    None where no plugin has a part in it, or where the error says by itself what is wrong.
    """
    if isinstance(error, ZooError) or not isinstance(error, Exception):
        return None
    files = outside_files()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in files:
            return f"the plugin {frame.filename} failed at line {frame.lineno}: {_reason(error)}"
    return None


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "?"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"


def _place(error: Exception, path: Path) -> str:
    """The line of the file at which it failed, if it did there."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f" at line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f" at line {lines[-1]}" if lines else ""
