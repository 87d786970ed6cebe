"""`zoo search`: models that a few words describe."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.list_models import show_entries, warn_of_unreachable
from zoo.cli.output import Output

__all__ = ["NAME", "add", "run"]

NAME = "search"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="find models by words of their name, title, task, license or text",
        description="Every word has to occur; one that occurs nowhere may have a slip in it. The"
        " best matches come first. Finding nothing is no error: the nearest names are told.",
        example="zoo search face\nzoo search squeezenet bsd --source ../models",
    )
    parser.add_argument("query", nargs="+", metavar="QUERY", help="words, in any case")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.catalogue import Registry

    output = Output.of(args)
    query = " ".join(args.query)
    registry = Registry(args.source)
    found = registry.search(query)
    warn_of_unreachable(registry.unreachable, output)
    if not found.entries:
        near = f" The nearest names: {', '.join(found.near)}." if found.near else ""
        output.note(f"no model matches {query!r}.{near} `zoo list` shows all that are known.")
    if found.entries or output.as_json:
        show_entries(found.entries, output)
    return 0
