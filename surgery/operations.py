"""Every operation by its name, with what it takes, as a recipe calls it.

What an operation takes is what its signature says; the checks and the JSON Schema of recipes are
made from that, so that there is one place to change.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    kinds : the JSON types that a recipe may give; all of them where it is empty.
    needed : whether it has no default.
    models : whether strings in it name other models.
    """

    name: str
    kinds: tuple[str, ...]
    needed: bool
    models: bool

    def takes(self, value: Any) -> bool:
        """Whether a value of a YAML file may be given for it."""
        return not self.kinds or any(_is(value, kind) for kind in self.kinds)


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
    Argument(name='old', kinds=('string',), needed=True, models=False)
    """
    function = operation(name)
    hints = typing.get_type_hints(function)
    _, *parameters = inspect.signature(function).parameters.values()
    return {
        each.name: Argument(
            each.name,
            _kinds(hints[each.name]),
            each.default is inspect.Parameter.empty,
            Net in _parts(hints[each.name]),
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
    properties = {
        argument.name: {"type": list(argument.kinds)} if argument.kinds else {}
        for argument in arguments
    }
    needed = [argument.name for argument in arguments if argument.needed]
    return {
        "type": "object" if needed else ["object", "null"],
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def _kinds(hint: Any) -> tuple[str, ...]:
    """The JSON types of an annotation; none where anything goes."""
    if hint is Any:
        return ()
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return tuple(dict.fromkeys(kind for part in typing.get_args(hint) for kind in _kinds(part)))
    plain = origin or hint
    if plain in _JSON:
        return (_JSON[plain],)
    if isinstance(plain, type) and issubclass(plain, Sequence | typing.Iterable | np.ndarray):
        return ("array",)
    return ()


def _parts(hint: Any) -> list[Any]:
    """An annotation and everything inside it."""
    return [hint, *(part for inner in typing.get_args(hint) for part in _parts(inner))]


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    known: dict[str, Any] = {
        "integer": int,
        "number": int | float,
        "string": str,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    return kind in known and isinstance(value, known[kind])
