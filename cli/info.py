"""`zoo info`: what is known of a model without fetching its weights."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Output, size_text
from zoo.registry.card_facts import is_measured

__all__ = ["NAME", "add", "run"]

NAME = "info"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show a model's card, and what its definition costs, without fetching weights",
        example="zoo info lenet_digits\nzoo info bvlc_googlenet --bibtex\n"
        "zoo info squeezenet_v1.0 --source ../models --json\nzoo info ./my_model",
    )
    parser.add_argument("name", metavar="MODEL", help="a model, or its directory")
    parser.add_argument("--bibtex", action="store_true", help="print its citation alone")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import info

    output = Output.of(args)
    facts = info(args.name, args.source)
    if output.as_json:
        output.document(facts)
    elif args.bibtex:
        _show_citation(facts, output)
    else:
        output.facts((name, value) for name, value in _lines(facts) if value)
        if facts["citation"]:
            output.line("")
            _show_citation(facts, output)
    if facts["definition_problem"] and not output.as_json:
        output.warning(f"the definition cannot be read: {facts['definition_problem']}")
    return 0


def _show_citation(facts: Mapping[str, Any], output: Output) -> None:
    if not facts["citation"]:
        output.note(f"{facts['name']}: its card gives no citation; `zoo cite` makes one of it.")
        return
    for line in facts["citation"].splitlines():
        output.line(line)


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values in the order in which people ask; empty where nothing is known."""
    yield "name", facts["name"]
    yield "title", facts["title"]
    yield "also called", ", ".join(facts["aliases"])
    yield "task", facts["task"] or ""
    yield from _license_lines(facts)
    yield "source", facts["source"] or ""
    yield "cached", facts["directory"] if facts["cached"] else "no"
    yield from _weights_lines(facts)
    yield from _input_lines(facts)
    yield from _output_lines(facts)
    yield from _cost_lines(facts)
    yield "layers Caffe lacks", _needs(facts["needs"] or {})
    for key in ("derived_from", "datasets"):
        yield key.replace("_", " "), ", ".join(facts[key])
    yield "arxiv", facts["arxiv"] or ""
    yield "notes", facts["notes"] or ""
    for key, place in (facts["sources"] or {}).items():
        fact = "other facts" if key == "default" else key.replace(",", ", ")
        yield f"source of {fact}", str(place)


def _license_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    stated, known_as = facts["license"] or "", facts["license_id"] or ""
    yield "license", stated
    if known_as.casefold() != stated.casefold():
        yield "license as SPDX", known_as
    yield "license means", facts["license_meaning"]
    yield "license limits", facts["license_restricts"] or ""
    yield "license text", facts["license_url"] or ""


def _weights_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    size = f"({size_text(facts['size_bytes'])})" if facts["size_bytes"] is not None else ""
    yield "weights", " ".join(filter(None, (facts["caffemodel"], size)))
    yield "url", facts["caffemodel_url"] or ""
    for mirror in facts["mirrors"]:
        yield "mirror", mirror
    yield "in the archive", facts["archive_member"] or ""
    for key in ("sha1", "sha256", "md5"):
        yield key, facts[key] or ""
    if not facts["pinned"] and not facts["cached"] and facts["caffemodel_url"]:
        yield "verified by", "no hash is known; `zoo fetch` asks for --trust-first-use"
    for url in facts["prototxt"]:
        yield "definition", url


def _input_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for blob, shape in (facts["input_shapes"] or {}).items():
        yield f"input {blob}", " x ".join(map(str, shape))
    for field, value in (facts["input"] or facts["input_incomplete"] or {}).items():
        yield f"input {field}", _value(value)


def _output_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "labels", facts["labels"] or ""
    classes = facts["classes"] or {}
    count, labels = classes.get("count"), _value(classes.get("labels") or "")
    yield "outputs", ": ".join(filter(None, (str(count or ""), labels)))
    yield "labels url", classes.get("labels_url") or ""
    for measure, value in (facts["accuracy"] or {}).items():
        kind = "measured" if is_measured(facts, measure) else "claimed"
        yield f"accuracy {measure}", f"{_value(value)} ({kind})"


def _cost_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if facts["params"] is not None:
        yield "params", f"{facts['params']:,}"
    elif facts["params_million"] is not None:
        yield "params", f"{facts['params_million']} million, as stated"
    if facts["macs"] is not None:
        yield "multiply-accumulates", f"{facts['macs']:,}"
    yield "activations", size_text(facts["activation_bytes"])


def _needs(needs: Mapping[str, Any]) -> str:
    layers = ", ".join(needs.get("layers", ()))
    fork = f"from {needs['fork']}" if "fork" in needs else ""
    return "; ".join(filter(None, (layers, fork, needs.get("note", ""))))


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
