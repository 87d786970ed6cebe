"""Every operation by its name, with what it takes, as a recipe calls it.

What an operation takes is what its signature says; the checks and the JSON Schema of recipes are
made from that, so that there is one place to change.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo.surgery
from zoo.errors import UsageError, did_you_mean
from zoo.net import Net
from zoo.surgery.measure_norm import insert_measured_batch_norm
from zoo.surgery.report import SurgeryReport

__all__ = ["OPERATIONS", "Argument", "arguments_of", "operation", "recipe_schema", "summary"]

OPERATIONS: dict[str, Callable[..., tuple[Net, SurgeryReport]]] = {
    **{name: getattr(zoo.surgery, name) for name in zoo.surgery.__all__ if name.islower()},
    "insert_measured_batch_norm": insert_measured_batch_norm,
}

_JSON = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    Path: "string",
    Net: "string",
    list: "array",
    Iterable: "array",
    Sequence: "array",
    dict: "object",
    Mapping: "object",
    type(None): "null",
}


@dataclass(frozen=True)
class Argument:
    """What an operation takes under one name.

    Attributes
    ----------
    schema : the JSON Schema of what a recipe may give; empty where that is anything.
    needed : whether it has no default.
    models, files : whether strings in it name other models, or may be paths of files.
    """

    name: str
    schema: Mapping[str, Any]
    needed: bool
    models: bool
    files: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """The JSON types that a recipe may give; all of them where it is empty."""
        return tuple(self.schema.get("type", ()))

    def misfit(self, value: Any) -> str:
        """What is wrong with a value of a YAML file; nothing where it may be given."""
        return next(_misfits(self.schema, value, self.name), "")


def operation(name: str) -> Callable[..., tuple[Net, SurgeryReport]]:
    """The operation of that name.

    Raises
    ------
    UsageError
        When there is none; the nearest name is given.

    Examples
    --------
    >>> operation("remove_layer").__name__
    'remove_layer'
    """
    if name not in OPERATIONS:
        raise UsageError(
            f"there is no operation {name!r}.{did_you_mean(name, OPERATIONS)} `zoo surgery list`"
            " shows all."
        )
    return OPERATIONS[name]


def arguments_of(name: str) -> dict[str, Argument]:
    """What an operation takes beside the net.

    Examples
    --------
    >>> arguments_of("rename_layer")["old"]
    Argument(name='old', schema={'type': ['string']}, needed=True, models=False, files=False)
    """
    function = operation(name)
    hints = typing.get_type_hints(function)
    _, *parameters = inspect.signature(function).parameters.values()
    return {
        each.name: Argument(
            each.name,
            _schema_of(hints[each.name]),
            each.default is inspect.Parameter.empty,
            Net in _parts(hints[each.name]),
            Path in _parts(hints[each.name]),
        )
        for each in parameters
    }


def summary(name: str) -> str:
    """What an operation does, in a sentence."""
    return (inspect.getdoc(operation(name)) or "").partition("\n")[0]


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a recipe."""
    steps = [
        {
            "type": "object",
            "description": summary(name),
            "properties": {name: _call_schema(name)},
            "required": [name],
            "additionalProperties": False,
        }
        for name in OPERATIONS
    ]
    bare = [
        name
        for name in OPERATIONS
        if not any(argument.needed for argument in arguments_of(name).values())
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Surgery on a model",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": [{"enum": bare}, *steps]},
            },
        },
        "required": ["steps"],
        "additionalProperties": False,
    }


def _call_schema(name: str) -> dict[str, Any]:
    arguments = arguments_of(name).values()
    properties = {argument.name: argument.schema for argument in arguments}
    needed = [argument.name for argument in arguments if argument.needed]
    return {
        "type": "object" if needed else ["object", "null"],
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def _schema_of(hint: Any) -> dict[str, Any]:
    """The JSON Schema of an annotation; empty where that says nothing of files."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _either(map(_schema_of, parts))
    plain = typing.get_origin(hint) or hint
    if plain not in _JSON:
        return {}
    schema: dict[str, Any] = {"type": [_JSON[plain]]}
    inner = _schema_of(parts[-1]) if parts else {}
    if inner:
        schema["items" if schema["type"] == ["array"] else "additionalProperties"] = inner
    return schema


def _either(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The schema of what fits one of several, of which each type is in one with more to say."""
    both: dict[str, Any] = {"type": []}
    for schema in schemas:
        kinds = [kind for kind in schema.get("type", ()) if kind not in both["type"]]
        both = {**schema, **both, "type": both["type"] + kinds}
    return both


def _parts(hint: Any) -> list[Any]:
    """An annotation and everything inside it."""
    return [hint, *(part for inner in typing.get_args(hint) for part in _parts(inner))]


def _misfits(schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    """What of a value does not fit a schema, in words."""
    kinds = schema.get("type", ())
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{where}: expected {' or '.join(kinds)}, received {value!r:.80}{_hint(value)}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _misfits(schema.get("items", {}), item, f"{where}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{where}: expected names before the colons, received {key!r:.80}"
            yield from _misfits(schema.get("additionalProperties", {}), item, f"{where}.{key}")


def _hint(value: Any) -> str:
    """What to write instead of a number that YAML 1.1 takes for a text."""
    if not isinstance(value, str) or "e" not in value.lower():
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return ", a text in YAML; a number with an exponent needs a point and a sign, as in 1.0e-5"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    known: dict[str, Any] = {
        "integer": int,
        "number": int | float,
        "string": str,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    return kind in known and isinstance(value, known[kind])
