"""`zoo index`: the file that makes listing a folder of models quick."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output, size_text
from zoo.errors import UsageError

__all__ = ["NAME", "add", "run"]

NAME = "index"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="write the index.json of a folder of models, so that listing it is quick",
        description="A web server that offers the folder is then a source that is listed with one"
        " request. A model whose card cannot be read is left out, and the exit code is then 2.",
        example="zoo index /srv/models\nzoo list --source https://models.lab.example/",
    )
    parser.add_argument("directory", metavar="DIR", help="the folder of model directories")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.publish_index import write_index

    output = Output.of(args)
    result = write_index(args.directory)
    for name, reason in result.left_out.items():
        output.error(f"{name} is left out: {reason}")
    if output.as_json:
        output.document(
            {
                "index": result.path,
                "models": len(result.models),
                "bytes": result.size,
                "left_out": dict(result.left_out),
            }
        )
    else:
        output.line(str(result.path))
        count = len(result.models)
        output.note(f"{count} model{'s' if count != 1 else ''}, {size_text(result.size)}")
    return UsageError.exit_code if result.left_out else 0
