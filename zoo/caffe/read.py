"""Reading network definitions: prototxt text, or the definition inside a binary file.

The format is protobuf's text format of ``NetParameter``. What is wrong is said with file, line and
column. A field `*_param` that the schema does not have is a mistake in a layer of a known kind,
unless the kind declares it, and kept as text in a layer of an unknown kind: that layer is reported
later, together with all others that zoo cannot compute. Parameters of a fork's layer are read
from text only, see `zoo.caffe.dialect`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from zoo.caffe.dialect import keep_to_caffe
from zoo.caffe.foreign import kept
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.errors import ParseError, UsageError, did_you_mean

__all__ = ["parse_definition", "parse_message", "read_definition"]

_UNKNOWN_FIELD = re.compile(r'Message type "zoo\.caffe\.(\w+)" has no field named "(\w+)"')
_ENUM = re.compile(r'Enum type "zoo\.caffe\.([\w.]+)" has no value named "?([^".]+)"?')
KnownTypes = Mapping[str, str | None]
"""Types of layer that have a kind, each with the field that only it has, or None."""

_NONE: KnownTypes = {}
# "*+" gives nothing back: a long string that does not end would cost memory for each character.
_TOKEN = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*+"|\'(?:\\.|[^\'\\\n])*+\'|[{}<>]')
_LAYER = re.compile(r"\blayer\s*:?(?:\s|#[^\n]*\n)*$")
_PARAM = re.compile(r"\b(\w+_param)\s*:?(?:\s|#[^\n]*\n)*$")
_BEFORE = 200  # characters before a brace in which the name of its field is looked for
_LONGEST_MESSAGE = 1000
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
    net = NetParameter()
    try:
        text_format.Parse(text, net)
    except text_format.ParseError as error:
        unknown = _UNKNOWN_FIELD.search(str(error))
        if unknown is None or unknown[1] != "LayerParameter" or not unknown[2].endswith("_param"):
            raise _parse_error(error, path) from None
        net.Clear()
        parse_message(_with_fields_kept(text, known_types), net, path)
    return net


def parse_message(text: str, message: Message, path: str | Path = "<string>") -> None:
    """Fill another message of Caffe's schema, such as a SolverParameter, from its text.

    Raises
    ------
    ParseError
        With line and column where the text is no such message; the nearest field is named.
    """
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise _parse_error(error, path) from None


def _parse_error(error: text_format.ParseError, path: str | Path) -> ParseError:
    message = _explain(error)
    if len(message) > _LONGEST_MESSAGE:  # the parser repeats the line, which may be the whole file
        message = f"{message[:_LONGEST_MESSAGE]} ..."
    return ParseError(message, path, error.GetLine(), error.GetColumn())


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


def _with_fields_kept(text: str, known_types: KnownTypes) -> str:
    """The text with every field put away that the schema lacks and its layer may have.

    All at once, since a text may have thousands and each attempt parses it from the start.
    """
    pieces: list[str] = []
    done = 0
    for start, end, children in _outer_blocks(text):
        type_name = _type_of(text, start, end, children)
        if type_name is None or not _LAYER.search(text, max(0, start - _BEFORE), start):
            continue
        for first, last in children:
            field = _PARAM.search(text, max(start, first - _BEFORE), first)
            if field is None or field[1] in LayerParameter.DESCRIPTOR.fields_by_name:
                continue
            if known_types.get(type_name, field[1]) == field[1]:
                between = "\n" * field[0].count("\n")
                pieces += [text[done : field.start()], between]
                pieces.append(kept(field[1], text[first + 1 : last - 1]))
                done = last
    return "".join(pieces) + text[done:]


def _type_of(text: str, start: int, end: int, children: list[tuple[int, int]]) -> str | None:
    """The type that a layer's block states, not one that a message inside it states."""
    starts = [start, *(last for _, last in children)]
    ends = [*(first for first, _ in children), end]
    for own in zip(starts, ends, strict=True):
        found = _LAYER_TYPE.search(text, *own)
        if found:
            return found[1]
    return None


def _outer_blocks(text: str) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """(start, end, blocks directly inside) of every braced block that no other encloses."""
    opened: list[int] = []
    children: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{<":
            opened.append(token.start())
        elif token[0] in "}>" and opened:
            start = opened.pop()
            if len(opened) == 1:
                children.append((start, token.end()))
            elif not opened:
                yield start, token.end(), children
                children = []


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
    _check_strings(net, path)
    keep_to_caffe(net, path)
    return net


def _check_strings(message: Message, path: Path) -> None:
    """Refuse strings that are not UTF-8: protobuf gives them out as bytes, but takes none back."""
    for field, value in message.ListFields():
        for each in value if field.is_repeated else [value]:
            if field.message_type is not None:
                _check_strings(each, path)
            elif field.type == field.TYPE_STRING and isinstance(each, bytes):
                raise ParseError(
                    f"{field.full_name.removeprefix('zoo.caffe.')} is not UTF-8: {each[:50]!r}. The"
                    " file is damaged, or of another kind.",
                    path,
                )
