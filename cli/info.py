"""`zoo info`: what is known of a model without fetching its weights."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Output, size_text

__all__ = ["NAME", "add", "run"]

NAME = "info"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show a model's card, and what its definition costs, without fetching weights",
        example="zoo info lenet_digits\nzoo info squeezenet_v1.0 --source ../models --json",
    )
    parser.add_argument("name", metavar="NAME", help="name of the model")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import info

    output = Output.of(args)
    facts = info(args.name, args.source)
    if output.as_json:
        output.document(facts)
        return 0
    output.facts((name, value) for name, value in _lines(facts) if value)
    if facts["citation"]:
        output.line("", *facts["citation"].splitlines())
    if facts["definition_problem"]:
        output.warning(f"the definition cannot be read: {facts['definition_problem']}")
    return 0


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values in the order in which people ask; empty where nothing is known."""
    yield "name", facts["name"]
    yield "title", facts["title"]
    for key in ("task", "license", "source"):
        yield key, facts[key] or ""
    yield "cached", facts["directory"] or "no"
    yield "weights", " ".join(filter(None, (facts["caffemodel"], _size(facts["size_bytes"]))))
    for key in ("caffemodel_url", "sha1", "sha256"):
        yield key.replace("caffemodel_", ""), facts[key] or ""
    for blob, shape in (facts["input_shapes"] or {}).items():
        yield f"input {blob}", " x ".join(map(str, shape))
    for field, value in (facts["input"] or {}).items():
        yield f"input {field}", _value(value)
    yield "labels", facts["labels"] or ""
    for key, name in (("params", "params"), ("macs", "multiply-accumulates")):
        yield name, "" if facts[key] is None else f"{facts[key]:,}"
    yield "activations", size_text(facts["activation_bytes"])


def _size(count: int | None) -> str:
    return "" if count is None else f"({size_text(count)})"


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
