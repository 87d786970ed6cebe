"""Parameters of layers that the schema does not have, from the text that the definition keeps.

A field `bend_param { power: 2 }` of a kind that declares ``param="bend_param"`` is kept by the
reader of definitions as it was written. Here it becomes a dict, checked against the defaults that
the kind states: a default says which type a value has, a list that a field may be repeated, a dict
what a message inside may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import text_format

from zoo.errors import NetError, did_you_mean

__all__ = ["read_settings"]

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def read_settings(layer: Any, param: str | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the field `param` of a layer over the defaults.

    Raises
    ------
    NetError
        When the layer has another field that the schema does not know, or one of its values is not
        known, not of the type of its default, or written twice where the default is not a list.

    Examples
    --------
    >>> from zoo.caffe.schema.caffe_pb2 import LayerParameter
    >>> layer = LayerParameter(name="bend")
    >>> _ = layer.foreign_param.add(name="bend_param", text="power: 3 at: 1 at: 2")
    >>> read_settings(layer, "bend_param", {"power": 2.0, "at": [0], "soft": False})
    {'power': 3.0, 'at': [1, 2], 'soft': False}
    """
    settings = dict(defaults)
    for foreign in layer.foreign_param:
        name = foreign.name
        if name != param:
            hint = did_you_mean(name, [param] if param else [])
            raise NetError(f"{layer.type} has no field {name!r}.{hint}", layer.name)
        try:
            written = _fields(text_format.Tokenizer(foreign.text.splitlines()), end=None)
            settings |= _checked(written, defaults, name)
        except (text_format.ParseError, ValueError) as error:
            raise NetError(f"{name}: {error}", layer.name) from None
    return settings


def _fields(tokens: Any, end: str | None) -> dict[str, list[Any]]:
    """Each field up to `end`, or to the end of the text, with all the values written for it."""
    fields: dict[str, list[Any]] = {}
    while not (tokens.AtEnd() if end is None else tokens.TryConsume(end)):
        name = tokens.ConsumeIdentifier()
        has_colon = tokens.TryConsume(":")
        if tokens.TryConsume("["):
            values = fields.setdefault(name, [])
            while not tokens.TryConsume("]"):
                values.append(_value(tokens, has_colon))
                tokens.TryConsume(",")
        else:
            fields.setdefault(name, []).append(_value(tokens, has_colon))
        if not tokens.TryConsume(","):
            tokens.TryConsume(";")
    return fields


def _value(tokens: Any, has_colon: bool) -> Any:
    if tokens.TryConsume("{"):
        return _fields(tokens, "}")
    if tokens.TryConsume("<"):
        return _fields(tokens, ">")
    if not has_colon:
        tokens.Consume(":")
    if tokens.token[:1] in ("'", '"'):
        return tokens.ConsumeString()
    for consume in (tokens.ConsumeInteger, tokens.ConsumeFloat):
        try:
            return consume()
        except text_format.ParseError:
            continue
    word = tokens.ConsumeIdentifier()
    return {"true": True, "false": False}.get(word, word)


def _checked(
    written: Mapping[str, list[Any]], defaults: Mapping[str, Any], place: str
) -> dict[str, Any]:
    """The written values, each as its default wants it."""
    settings = {}
    for name, values in written.items():
        if name not in defaults:
            raise ValueError(
                f"{place} has no field {name!r}; it has {', '.join(defaults) or 'none'}."
                f"{did_you_mean(name, defaults)}"
            )
        default, where = defaults[name], f"{place}.{name}"
        if isinstance(default, (list, tuple)):
            kinds = default[:1] or [None]
            settings[name] = [_typed(value, kinds[0], where) for value in values]
        elif len(values) > 1:
            raise ValueError(f"{where} is written {len(values)} times; expected once")
        else:
            settings[name] = _typed(values[0], default, where)
    return settings


def _typed(value: Any, default: Any, where: str) -> Any:
    """The value in the type of the default; a default of None takes any."""
    if isinstance(default, Mapping) and isinstance(value, dict):
        return {**default, **_checked(value, default, where)}
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if default is None or type(value) is type(default):
        return value
    word = _WORDS.get(type(default), "a message in braces")
    raise ValueError(f"expected {word} for {where}, received {value!r}")
