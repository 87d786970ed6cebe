"""`zoo list`: every model that can be had, or those of a task, a licence, a size, a name."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Column, Output, size_text

if TYPE_CHECKING:
    from zoo.registry.model_entry import ModelEntry

__all__ = ["NAME", "add", "run"]

NAME = "list"
_COLUMNS = (
    Column("name"),
    Column("title", piped_only=True),
    Column("task"),
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
        help="list the models of the sources, of the cache, and of the catalogue",
        example="zoo list --task segmentation --license permissive\n"
        "zoo list --license commercial --max-mb 60 'goog*'\nzoo list --source ../models --json",
    )
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="PATTERN", help="a part of a name, or a 'glob*'"
    )
    parser.add_argument("--task", default="", help="such as classification or 'face detection'")
    parser.add_argument(
        "--license",
        default="",
        metavar="KIND",
        help="permissive, copyleft, non-commercial, restricted, not-stated; commercial for all"
        " that allow it; or an SPDX id",
    )
    parser.add_argument(
        "--max-mb", type=_megabytes, metavar="MB", help="the most that the weights may have"
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.catalogue import Registry
    from zoo.registry.selection import select

    output = Output.of(args)
    registry = Registry(args.source)
    entries = registry.list()
    chosen = select(
        entries,
        task=args.task,
        license=args.license,
        max_bytes=args.max_mb,
        pattern=args.pattern,
    )
    warn_of_unreachable(registry.unreachable, output)
    if chosen.unsized:
        output.note(f"{chosen.unsized} more fit but for their size, which is not known.")
    if not chosen.entries:
        near = registry.near(args.pattern) if args.pattern else ()
        hint = f" The nearest names: {', '.join(near)}." if near else ""
        output.note(f"no model is all of this.{hint} `zoo list` shows all that are known.")
    if chosen.entries or output.as_json:
        show_entries(chosen.entries, output)
    return 0


def _megabytes(text: str) -> float:
    """A size as it is typed, in bytes."""
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 < size < float("inf"):
        raise argparse.ArgumentTypeError(f"expected megabytes such as 60, received {text!r}")
    return size * 1e6


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
        entry.task or "",
        "" if entry.problem else entry.terms.label,
        size_text(entry.size),
        "yes" if entry.cached else "no",
        entry.source,
    ]


def _entry_facts(entry: ModelEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "aliases": list(entry.aliases),
        "task": entry.task,
        "license": entry.license,
        "license_id": entry.terms.id or None,
        "license_class": entry.terms.kind,
        "size": entry.size,
        "cached": entry.cached,
        "source": entry.source,
        "problem": entry.problem or None,
    }
