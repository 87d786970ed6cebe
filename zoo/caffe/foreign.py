"""Fields of a layer that the schema does not have: kept as they were written, and written again.

Text cannot be parsed with a field that the schema lacks, so the reader puts `foreign_param`, with
the name and the text of the field, in its place; the writer turns that back.
"""

from __future__ import annotations

import re
import textwrap

from google.protobuf import text_encoding

__all__ = ["kept", "restored"]

_KEPT = re.compile(
    r'^(?P<indent> *)foreign_param \{\n *name: "(?P<name>\w+)"\n *text: "(?P<text>(?:\\.|[^"\\])*)"'
    r"\n *\}$",
    re.MULTILINE,
)


def kept(name: str, body: str) -> str:
    """What stands in the text for the field `name { body }`, on as many lines.

    >>> kept("bend_param", ' mode: "soft" ')
    'foreign_param { name: "bend_param" text: " mode: \\\\"soft\\\\" " }'
    """
    text = text_encoding.CEscape(body.encode(), as_utf8=False)
    return f'foreign_param {{ name: "{name}" text: "{text}" }}' + "\n" * body.count("\n")


def restored(text: str) -> str:
    """The text of a message with each `foreign_param` as the field that it stands for."""
    return _KEPT.sub(_restored, text) if "foreign_param {" in text else text


def _restored(match: re.Match[str]) -> str:
    body = text_encoding.CUnescape(match["text"]).decode("utf-8")
    # The first line stands behind the brace, so its indentation says nothing about the others.
    first, _, rest = body.partition("\n")
    lines = textwrap.dedent(rest).splitlines()
    inner = [line for line in (first.strip(), *lines) if line.strip()]
    indent = match["indent"]
    rows = [f"{indent}  {line.rstrip()}" for line in inner]
    return "\n".join([f"{indent}{match['name']} {{", *rows, f"{indent}}}"])
