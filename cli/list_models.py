"""`zoo list`: every model that can be had."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Column, Output, size_text

if TYPE_CHECKING:
    from zoo.registry.catalogue import ModelEntry

__all__ = ["NAME", "add", "run"]

NAME = "list"
_COLUMNS = (
    Column("name"),
    Column("title"),
    Column("license"),
    Column("weights", right=True),
    Column("cached"),
    Column("source"),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="list the models of the sources, of the cache, and those that come with zoo",
        example="zoo list\nzoo list --source ../models --json",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.catalogue import Registry

    output = Output.of(args)
    registry = Registry(args.source)
    entries = registry.list()
    warn_of_unreachable(registry.unreachable, output)
    show_entries(entries, output)
    return 0


def show_entries(entries: Iterable[ModelEntry], output: Output) -> None:
    """Print models as `list` and `search` do; only their names where quiet is wanted."""
    if output.as_json:
        output.document([_entry_facts(entry) for entry in entries])
        return
    if output.quiet:
        for entry in entries:
            output.line(entry.name)
        return
    output.table(_COLUMNS, [_row(entry) for entry in entries])
    for entry in entries:
        if entry.problem:
            output.warning(f"{entry.name}: {entry.problem}")


def warn_of_unreachable(unreachable: Mapping[str, str], output: Output) -> None:
    """Say which sources did not answer, where others did."""
    for source, reason in unreachable.items():
        output.warning(f"{source} could not be reached: {reason}")


def _row(entry: ModelEntry) -> list[str]:
    return [
        entry.name,
        entry.title,
        entry.license or "",
        size_text(entry.size),
        "yes" if entry.cached else "no",
        entry.source,
    ]


def _entry_facts(entry: ModelEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "license": entry.license,
        "size": entry.size,
        "cached": entry.cached,
        "source": entry.source,
        "problem": entry.problem or None,
    }
