"""Importing TensorFlow without its chatter.

TensorFlow's C++ parts log through absl before absl is told where to, so that they write to the
file descriptor of stderr whatever ``TF_CPP_MIN_LOG_LEVEL`` says ("All log messages before
absl::InitializeLog()...", "Could not find cuda drivers..."). Only a redirection of the descriptor
while they are imported keeps that away from users; nothing is lost, `zoo doctor` says what GPU was
found. Whoever sets ``TF_CPP_MIN_LOG_LEVEL`` to 0 or 1 sees everything.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from zoo.errors import UnavailableError

__all__ = ["import_tensorflow", "silenced"]

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> ModuleType:
    """Import TensorFlow and Keras, quietly the first time; returns TensorFlow.

    Raises
    ------
    UnavailableError
        If either cannot be imported; the message has the reason and what they wrote on the way.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(_LEVEL, "3")
        if os.environ[_LEVEL] not in ("0", "1"):
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
            return _import_quietly()
    return _import()


@contextmanager
def silenced() -> Iterator[None]:
    """Keep off stderr what parts of TensorFlow write there past every setting."""
    with tempfile.TemporaryFile() as written, _descriptor_redirected(2, written.fileno()):
        yield


def _import() -> ModuleType:
    try:
        import keras  # noqa: F401
        import tensorflow  # Keras second: it would import TensorFlow itself, and more slowly
    except ImportError as error:
        raise UnavailableError(
            f"TensorFlow and Keras are needed for this and cannot be imported: {error}. Install"
            " them with `pip install 'tensorflow>=2.20' 'keras>=3.12'`; `zoo doctor` shows what"
            " is there."
        ) from error
    module: ModuleType = tensorflow
    return module


def _import_quietly() -> ModuleType:
    with tempfile.TemporaryFile() as written:
        try:
            with _descriptor_redirected(2, written.fileno()):
                return _import()
        except UnavailableError as error:
            written.seek(0)
            text = written.read().decode(errors="replace").strip()
            raise UnavailableError(f"{error}\n{text}" if text else str(error)) from error


@contextmanager
def _descriptor_redirected(descriptor: int, target: int) -> Iterator[None]:
    """Let a file descriptor of the process point elsewhere for a while, if it is open at all."""
    try:
        kept = os.dup(descriptor)
    except OSError:  # closed by whoever started the process: nothing can be written there
        yield
        return
    try:
        os.dup2(target, descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
