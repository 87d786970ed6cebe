"""`zoo publish`: put a model where others can fetch it from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.failure import error_facts
from zoo.cli.output import Column, Output, size_text
from zoo.errors import PublishError

if TYPE_CHECKING:
    from zoo.publishing import Published

__all__ = ["NAME", "add", "run"]

NAME = "publish"
_COLUMNS = (Column("file"), Column("bytes", right=True))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="check a model directory, and put it where others can fetch it from",
        description="Everything that has to be put right is told at once, with the lines of the"
        " readme, and then nothing is written. Hashes and size are written into the readme.",
        example="zoo publish my_model --to /srv/models --dry-run\n"
        "zoo publish my_model --to gist\n"
        "zoo publish my_model --to hf://me/my-model --update",
    )
    parser.add_argument("directory", metavar="DIR", help="the model directory")
    parser.add_argument(
        "--to",
        required=True,
        metavar="PLACE",
        help="a folder of models, gist, gist:ID, hf://owner/repo, or an address such as"
        " s3://bucket/models",
    )
    parser.add_argument("--name", default="", help="what it is called there")
    parser.add_argument(
        "--dry-run", action="store_true", help="check, show every file, and put nothing anywhere"
    )
    parser.add_argument("--update", action="store_true", help="revise the model that is there")
    parser.add_argument(
        "--rehash", action="store_true", help="replace hashes that the weights do not have"
    )
    parser.add_argument("--unlisted", action="store_true", help="do not list a new gist")
    parser.add_argument(
        "--despite-source-license",
        default="",
        metavar="REASON",
        help="why the licence may be freer than that of the model it was made from; the readme"
        " says it too",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.publishing import publish

    output = Output.of(args)
    try:
        published = publish(
            args.directory,
            args.to,
            name=args.name,
            update=args.update,
            dry_run=args.dry_run,
            rehash=args.rehash,
            unlisted=args.unlisted,
            despite_source_license=args.despite_source_license,
            sources=args.source,
        )
    except PublishError as error:
        if not output.as_json:
            raise
        output.error(str(error))
        output.document(
            {"error": error_facts(error), "flaws": [vars(flaw) for flaw in error.flaws]}
        )
        return error.exit_code
    if output.as_json:
        output.document(_facts(published, args.dry_run))
    else:
        _tell(published, args.dry_run, output)
    return 0


def _tell(published: Published, dry_run: bool, output: Output) -> None:
    if dry_run:
        output.table(_COLUMNS, [(name, str(size)) for name, size in published.files])
    for key, value in published.written.items():
        output.note(f"{'would write' if dry_run else 'wrote'} {key}: {value}")
    for note in published.notes:
        output.note(note)
    what = f"{len(published.files)} files, {size_text(published.size)}"
    if dry_run:
        output.note(
            f"{published.name}: {what}, would go to {published.place}; nothing was written"
            " (dry run)"
        )
        return
    output.note(f"{published.name}: {what}, at {published.location}")
    output.note("the next person types:")
    output.line(published.command)


def _facts(published: Published, dry_run: bool) -> dict[str, Any]:
    return {
        "name": published.name,
        "place": published.place,
        "location": published.location or None,
        "command": published.command or None,
        "files": [{"name": name, "size": size} for name, size in published.files],
        "written": published.written,
        "notes": list(published.notes),
        "dry_run": dry_run,
    }
