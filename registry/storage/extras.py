"""Optional parts of zoo: brought in when a storage needs them, and named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from zoo.errors import UnavailableError

__all__ = ["EXTRAS", "optional_module"]

EXTRAS = {"hf": "hub", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""The extra of zoo by the scheme of an address."""


def optional_module(name: str, scheme: str) -> Any:
    """A module that need not be installed.

    Raises
    ------
    UnavailableError
        when it is not; the message has the line that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        extra = EXTRAS.get(scheme, "s3")
        raise UnavailableError(
            f"addresses that begin with {scheme}:// need {name.partition('.')[0]}, which is not"
            f' installed. Install it: pip install "model-zoo-kit[{extra}]"'
        ) from None
