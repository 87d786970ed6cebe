"""From the bytes of a readme to its text and back, every byte kept."""

from __future__ import annotations

__all__ = ["decode_readme", "encode_readme"]

_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def decode_readme(data: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-8, else UTF-16 if it says so, else Latin-1 as Windows has it.

    >>> decode_readme(b"Mod\\xe8le")
    ('Modèle', 'cp1252')
    """
    for encoding in ("utf-8", _UTF_16.get(data[:2], "cp1252")):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text, encoding
    return data.decode("latin-1"), "latin-1"  # which takes any bytes


def encode_readme(text: str, encoding: str) -> bytes:
    """The bytes; UTF-8 where the readme was given a value that its encoding lacks."""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
