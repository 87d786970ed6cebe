"""`zoo fetch`: bring models into the cache, verified."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.failure import attempt_each, error_facts
from zoo.cli.output import Output, size_text
from zoo.cli.progress import transferring

if TYPE_CHECKING:
    from zoo.registry.fetch import FetchResult

__all__ = ["NAME", "add", "run"]

NAME = "fetch"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="bring models into the cache, verified, and print their directories",
        description="A model that is in the cache is not fetched again. A file whose SHA1 is not"
        " the one of the card is not kept.",
        example="zoo fetch squeezenet_v1.0 --source ../models\nzoo fetch lenet_digits --dry-run",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="names of models")
    add_sources(parser)
    parser.add_argument("--force", action="store_true", help="fetch again, and then replace")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be fetched, and fetch nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import fetch

    output = Output.of(args)

    def fetch_one(name: str) -> FetchResult:
        with transferring(output) as progress:
            result = fetch(
                name, args.source, force=args.force, dry_run=args.dry_run, progress=progress
            )
        _tell(result, args.dry_run, output)
        return result

    results, errors, code = attempt_each(args.names, fetch_one, output, debug=args.debug)
    if output.as_json:
        facts = {name: _result_facts(result) for name, result in results.items()}
        facts |= {
            name: {"name": name, "error": error_facts(error)} for name, error in errors.items()
        }
        output.document([facts[name] for name in dict.fromkeys(args.names)])
    return code


def _tell(result: FetchResult, dry_run: bool, output: Output) -> None:
    if not output.as_json:
        output.line(str(result.directory))
    done = "would fetch" if dry_run else "fetched"
    if result.downloaded or (dry_run and result.cached is None):
        output.note(
            f"{result.name}: {done} {len(result.files)} files,"
            f" {size_text(result.bytes)}, from {result.source}"
        )
    else:
        output.note(f"{result.name}: already in the cache")
    if result.verified:
        output.note(f"{result.name}: verified {', '.join(result.verified)}")
    if result.note:
        output.note(f"{result.name}: {result.note}")


def _result_facts(result: FetchResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "directory": result.directory,
        "source": result.source,
        "files": list(result.files),
        "bytes": result.bytes,
        "downloaded": result.downloaded,
        "verified": list(result.verified),
        "note": result.note or None,
    }
