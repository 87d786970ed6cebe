"""Reading network definitions: prototxt text, or the definition inside a binary file.

The format is protobuf's text format of ``NetParameter``. What is wrong is said with file, line and
column. A field `*_param` that the schema does not have is a mistake in a layer of a known kind,
unless the kind declares it, and kept as text in a layer of an unknown kind: that layer is reported
later, together with all others that zoo cannot compute. Parameters of a fork's layer are read
from text only, see `zoo.caffe.dialect`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from zoo.caffe.dialect import keep_to_caffe
from zoo.caffe.foreign import kept
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import ParseError, UsageError, did_you_mean

__all__ = ["parse_definition", "read_definition"]

_UNKNOWN_FIELD = re.compile(r'Message type "zoo\.caffe\.(\w+)" has no field named "(\w+)"')
_ENUM = re.compile(r'Enum type "zoo\.caffe\.([\w.]+)" has no value named "?([^".]+)"?')
KnownTypes = Mapping[str, str | None]
"""Types of layer that have a kind, each with the field that only it has, or None."""

_NONE: KnownTypes = {}
_TOKEN = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[{}<>]')
_LAYER_TYPE = re.compile(r'\btype\s*:\s*["\'](\w+)["\']')


def read_definition(path: str | Path, known_types: KnownTypes = _NONE) -> NetParameter:
    """The definition in a file, text (.prototxt) or binary, as it is written there.

    Raises
    ------
    ParseError
        With file, line and column where the text is not a network definition.
    UsageError
        When the file cannot be opened.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the definition {path}: {error.strerror}") from error
    if not content.strip():
        raise ParseError("the file is empty; expected a network definition", path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is not None and "\0" not in text:
        return parse_definition(text, path, known_types)
    return _parse_binary(content, path)


def parse_definition(
    text: str, path: str | Path = "<string>", known_types: KnownTypes = _NONE
) -> NetParameter:
    """A network definition from text.

    >>> parse_definition('name: "tiny" input: "data"').name
    'tiny'
    """
    if text.lstrip()[:1] == "<":
        raise ParseError("this is a web page, not a network definition; fetch the raw file", path)
    while True:
        net = NetParameter()
        try:
            text_format.Parse(text, net)
            return net
        except text_format.ParseError as error:
            unknown = _UNKNOWN_FIELD.search(str(error))
            if unknown and unknown[1] == "LayerParameter" and unknown[2].endswith("_param"):
                changed = _with_field_kept(text, unknown[2], error, known_types)
                if changed is not None:
                    text = changed
                    continue
            raise ParseError(_explain(error), path, error.GetLine(), error.GetColumn()) from None


def _explain(error: text_format.ParseError) -> str:
    """The parser's complaint in the words of the file, with the nearest legal word."""
    message = re.sub(r"^\d+:\d+ : ", "", str(error))
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown:
        fields = _message_fields(unknown[1])
        return f"{unknown[1]} has no field {unknown[2]!r}.{did_you_mean(unknown[2], fields)}"
    enum = _ENUM.search(message)
    if enum:
        values = _enum_values(enum[1])
        return (
            f"{enum[2]!r} is not a value of {enum[1]}; expected one of {', '.join(values)}."
            f"{did_you_mean(enum[2], values)}"
        )
    return message.replace("zoo.caffe.", "")


def _message_fields(name: str) -> list[str]:
    return [field.name for field in _file().message_types_by_name[name].fields]


def _enum_values(name: str) -> list[str]:
    *outer, enum = name.split(".")
    home = _file().message_types_by_name[outer[0]] if outer else _file()
    return [value.name for value in home.enum_types_by_name[enum].values]


def _file() -> Any:
    return NetParameter.DESCRIPTOR.file


def _with_field_kept(
    text: str, name: str, error: text_format.ParseError, known_types: KnownTypes
) -> str | None:
    """The text with the field at the error put away, if its layer may have such a field."""
    position = _position(text, error.GetLine() or 1, error.GetColumn() or 1)
    blocks = _blocks(text)
    field = next(((start, end) for start, end in blocks if start >= position), None)
    layer = next(((start, end) for start, end in blocks if start < position < end), None)
    if field is None or layer is None or text[position : field[0]].count("\n") > 1:
        return None
    type_name = _type_of(text, layer, blocks)
    if type_name is None or known_types.get(type_name, name) != name:
        return None
    between = "\n" * text[position : field[0]].count("\n")
    return (
        text[:position] + between + kept(name, text[field[0] + 1 : field[1] - 1]) + text[field[1] :]
    )


def _type_of(text: str, layer: tuple[int, int], blocks: list[tuple[int, int]]) -> str | None:
    """The type that a layer's block states, not one that a message inside it states."""
    inside = [block for block in blocks if layer[0] < block[0] < layer[1]]
    for found in _LAYER_TYPE.finditer(text, *layer):
        if not any(start < found.start() < end for start, end in inside):
            return found[1]
    return None


def _position(text: str, line: int, column: int) -> int:
    return sum(len(row) for row in text.splitlines(keepends=True)[: line - 1]) + column - 1


def _blocks(text: str) -> list[tuple[int, int]]:
    """(start, end) of every braced block, in the order in which they open."""
    opened: list[int] = []
    blocks: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{<":
            opened.append(token.start())
        elif token[0] in "}>" and opened:
            blocks.append((opened.pop(), token.end()))
    return sorted(blocks)


def _parse_binary(content: bytes, path: Path) -> NetParameter:
    net = NetParameter()
    try:
        net.ParseFromString(content)
    except DecodeError as error:
        raise ParseError("neither text nor a binary NetParameter", path) from error
    if not (net.layer or net.layers):
        raise ParseError("a binary file without a single layer; expected a NetParameter", path)
    for layer in net.layer:
        layer.ClearField("blobs")
    for old in net.layers:
        old.ClearField("blobs")
        if old.HasField("layer"):
            old.layer.ClearField("blobs")
    keep_to_caffe(net, path)
    return net
