"""`zoo new`: a model directory with a readme to fill in."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Output

__all__ = ["NAME", "add", "run"]

NAME = "new"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="make a model directory with a readme to fill in",
        description="Weights, definitions and labels that lie there fill what they can. A readme"
        " that is there is never replaced.",
        example="zoo new my_model\nzoo new flowers --name 'Flowers of Rome' --from vgg16",
    )
    parser.add_argument("directory", metavar="DIR", help="is made if it is not there")
    parser.add_argument("--name", default="", help="the title; by default as the directory")
    parser.add_argument(
        "--from",
        dest="origin",
        default="",
        metavar="MODEL",
        help="the model that this one is made from: fills derived_from, licence and input",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.new_model import new_model

    output = Output.of(args)
    new = new_model(args.directory, name=args.name, source=args.origin, sources=args.source)
    if output.as_json:
        output.document({"readme": new.readme, "filled": new.filled, "notes": new.notes})
        return 0
    output.line(str(new.readme))
    output.note(f"filled in: {', '.join(new.filled)}")
    for note in new.notes:
        output.note(note)
    output.note(
        f"when the rest is filled in, `zoo publish {shlex.quote(args.directory)} --to PLACE"
        " --dry-run` says what is missing"
    )
    return 0
