"""An operation with its arguments as the text of a call, which reports begin with."""

from __future__ import annotations

__all__ = ["call_text"]

_LONGEST = 60


def call_text(operation: str, **arguments: object) -> str:
    """The call as somebody would write it, without what is None.

    >>> call_text("rename_layer", old="fc8", new="fc8_flickr", blobs=None)
    "rename_layer(old='fc8', new='fc8_flickr')"
    """
    shown = [f"{name}={_shown(value)}" for name, value in arguments.items() if value is not None]
    return f"{operation}({', '.join(shown)})"


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
