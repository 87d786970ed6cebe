"""The packages that ONNX needs: onnx to write files, onnxruntime to run them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zoo.errors import UnavailableError

__all__ = ["import_onnx", "import_onnxruntime"]

_OLDEST = (1, 21)
_INSTALL = "`pip install 'onnx>=1.17,<2' 'onnxruntime>=1.21,<2'`"


def import_onnx() -> Any:
    """The onnx package, with its helpers.

    Raises
    ------
    UnavailableError
        When it is not installed.
    """
    for helper in ("onnx.helper", "onnx.numpy_helper"):
        _imported(helper)
    return _imported("onnx")


def import_onnxruntime() -> Any:
    """The onnxruntime package.

    Raises
    ------
    UnavailableError
        When it is not installed, or too old.
    """
    runtime = _imported("onnxruntime")
    version = tuple(int(part) for part in runtime.__version__.split(".")[:2])
    if version < _OLDEST:
        raise UnavailableError(
            f"ONNX Runtime {runtime.__version__} pools otherwise where sizes round up. Get a"
            f" newer one with {_INSTALL}."
        )
    return runtime


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UnavailableError(
            f"this needs the package {package}, which cannot be imported ({error}). Install it"
            f" with {_INSTALL}."
        ) from error
