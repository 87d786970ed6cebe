"""`zoo verify`: hash the files of the cache again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.existing import existing_model
from zoo.cli.failure import attempt_each, error_facts
from zoo.cli.output import Column, Output, size_text
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.registry.hashes import Hashes

__all__ = ["NAME", "add", "run"]

NAME = "verify"
_COLUMNS = (Column("name"), Column("result"), Column("files", True), Column("size", True))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="hash the files of cached models again and compare with what was fetched",
        description="Every damaged or missing file is named; the exit code is then 3.",
        example="zoo verify lenet_digits\nzoo verify --all",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of models")
    parser.add_argument("--all", action="store_true", help="every model of the cache")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.cache import Cache

    if bool(args.names) == args.all:
        raise UsageError("expected either names of models or --all")
    output, cache = Output.of(args), Cache()
    names = [model.name for model in cache.models()] if args.all else list(args.names)

    def verify_one(name: str) -> tuple[str, dict[str, Hashes]]:
        model = existing_model(name, args.source, cache)
        return model.name, cache.verify(model.name)

    results, errors, code = attempt_each(names, verify_one, output, debug=args.debug)
    if output.as_json:
        facts = {name: _facts(*result) for name, result in results.items()}
        facts |= {
            name: {"name": name, "ok": False, "files": None, "error": error_facts(error)}
            for name, error in errors.items()
        }
        output.document([facts[name] for name in dict.fromkeys(names)])
    elif results or errors:
        output.table(_COLUMNS, [_row(name, results.get(name)) for name in dict.fromkeys(names)])
    else:
        output.note("the cache is empty")
    return code


def _row(name: str, result: tuple[str, dict[str, Hashes]] | None) -> list[str]:
    if result is None:
        return [name, "FAILED", "", ""]
    name, hashes = result
    size = sum(each.size for each in hashes.values())
    return [name, "ok", str(len(hashes)), size_text(size)]


def _facts(name: str, hashes: dict[str, Hashes]) -> dict[str, Any]:
    files = {
        file: {"sha1": each.sha1, "sha256": each.sha256, "size": each.size}
        for file, each in hashes.items()
    }
    return {"name": name, "ok": True, "files": files, "error": None}
