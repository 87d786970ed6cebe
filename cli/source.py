"""`zoo source`: names for the places that models come from."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.errors import UsageError

__all__ = ["NAME", "add", "run"]

NAME = "source"
_WORDS = {"add": ("NAME", "ADDRESS"), "list": (), "remove": ("NAME",)}
_COLUMNS = (Column("name"), Column("address"))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="keep the addresses of sources under names: add, list, remove",
        description="Sources are searched by every command, after those of --source and before the"
        " models that come with zoo. Where two have a model of the same name, write NAME/MODEL."
        " They are kept in one file, which `zoo source list` names; ZOO_CONFIG names another.",
        example="zoo source add lab https://models.lab.example/\nzoo source list\n"
        "zoo fetch lab/my_model\nzoo source remove lab",
    )
    parser.add_argument("action", choices=tuple(_WORDS), help="what to do")
    parser.add_argument(
        "words", nargs="*", metavar="NAME [ADDRESS]", help="the source, and to add it its address"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.sources import add_source, config_path, configured_sources, remove_source

    output = Output.of(args)
    expected = _WORDS[args.action]
    if len(args.words) != len(expected):
        usage = " ".join(("zoo source", args.action, *expected))
        raise UsageError(f"expected `{usage}`, received {len(args.words)} word(s) behind it.")
    if args.action == "list":
        _show(configured_sources(), str(config_path()), output)
        return 0
    name = args.words[0]
    changed = args.action == "remove" or name not in configured_sources()
    if args.action == "add":
        address = add_source(name, args.words[1])
        done = "added to" if changed else "is already in"
    else:
        address, done = remove_source(name), "removed from"
    if output.as_json:
        facts = {"name": name, "address": address, "changed": changed, "config": config_path()}
        output.document(facts)
    else:
        output.note(f"{name} ({address}) {done} {config_path()}")
    return 0


def _show(sources: dict[str, str], path: str, output: Output) -> None:
    if output.as_json:
        facts = [{"name": name, "address": address} for name, address in sources.items()]
        output.document({"config": path, "sources": facts})
        return
    output.table(_COLUMNS, list(sources.items()))
    output.note(f"kept in {path}")
