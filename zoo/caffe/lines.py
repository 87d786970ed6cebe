"""On which line of a prototxt each layer begins.

protobuf's parser keeps no places. A layer is found again by the `layer {` or `layers {` that opens
it and the name inside, which in the V0 format stands one brace deeper.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["layer_lines", "layer_lines_of_file"]

_TOKEN = re.compile(
    r"#[^\n]*"  # a comment
    r"|(?P<field>\w+)\s*(?::\s*)?(?P<open>[{<])"
    r"|[}>]"
    r"|(?P<key>\w+)\s*:\s*(?P<string>\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+')"
    r"|\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+'"
)


def layer_lines(text: str) -> dict[str, list[int]]:
    """The lines, counted from 1, on which layers of each name begin, in the order of the text.

    A name can stand there several times, with rules for different phases.

    >>> layer_lines('name: "net"\\nlayer {\\n  name: "conv1"\\n  param { name: "w" }\\n}')
    {'conv1': [2]}
    """
    lines: dict[str, list[int]] = {}
    path: list[str] = []
    line, counted = 1, 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            path.append(token["field"])
            if len(path) == 1:
                line += text.count("\n", counted, token.start())
                counted = token.start()
        elif token[0] in "}>":
            del path[-1:]
        elif token["key"] == "name" and path in (["layer"], ["layers"], ["layers", "layer"]):
            lines.setdefault(token["string"][1:-1], []).append(line)
    return lines


def layer_lines_of_file(path: str | Path) -> dict[str, list[int]]:
    """The same for a definition that was read from a file; nothing for a binary one."""
    try:
        return layer_lines(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return {}
