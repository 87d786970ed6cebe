"""`zoo remove`: take models out of the cache."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.asking import agreed, may_ask
from zoo.cli.existing import existing_model
from zoo.cli.failure import attempt_each, error_facts
from zoo.cli.output import Output, size_text
from zoo.errors import UsageError

__all__ = ["NAME", "add", "run"]

NAME = "remove"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="remove models from the cache",
        description="Asks before it removes; where there is nobody to ask, --yes is needed.",
        example="zoo remove squeezenet_v1.0\nzoo remove squeezenet_v1.0 --yes",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="names of models")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and remove nothing"
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.cache import Cache

    output, cache = Output.of(args), Cache()
    if not (args.yes or args.dry_run or may_ask(output)):
        raise UsageError("there is no terminal to ask on; add --yes to remove without asking")

    def remove_one(name: str) -> dict[str, Any]:
        directory, size = _what_lies_there(name, args.source, cache)
        facts = {"name": directory.name, "directory": directory, "bytes": size, "removed": False}
        if args.dry_run:
            output.note(f"would remove {directory} ({size_text(size)})")
        elif args.yes or agreed(f"Remove {directory} ({size_text(size)})?"):
            freed = cache.remove(directory.name)
            facts |= {"bytes": freed, "removed": True}
            shared = "" if freed == size else "; another model has the same weights"
            output.note(f"removed {directory} ({size_text(freed)} freed{shared})")
        else:
            output.note(f"kept {directory}")
        return facts

    results, errors, code = attempt_each(args.names, remove_one, output, debug=args.debug)
    if output.as_json:
        facts = results | {
            name: {"name": name, "removed": False, "error": error_facts(error)}
            for name, error in errors.items()
        }
        output.document([facts[name] for name in dict.fromkeys(args.names)])
    return code


def _what_lies_there(name: str, sources: list[str], cache: Any) -> tuple[Path, int]:
    """The directory and its bytes; also of a damaged model, which can only be removed."""
    directory = cache.path(name)
    if not directory.is_dir():
        directory = existing_model(name, sources, cache).directory
    files = [path for path in directory.rglob("*") if path.is_file()]
    return directory, sum(path.stat().st_size for path in files)
