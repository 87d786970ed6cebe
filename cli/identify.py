"""`zoo id`: which known models have the weights that are in a file."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output

__all__ = ["NAME", "add", "run"]

NAME = "id"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="name the known models with the weights that are in a file, whatever its format",
        description="Compares with the files of the catalogue by their hashes, and with the models"
        " in the cache by the values of their weights.",
        example="zoo id unknown.caffemodel\nzoo id exported.keras --json",
    )
    parser.add_argument(
        "file", metavar="FILE", help="a .caffemodel, a .caffemodel.h5 or a .keras file"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.identify import identify

    output = Output.of(args)
    found = identify(args.file)
    if output.as_json:
        output.document(
            {
                "file": args.file,
                "models": found.models,
                "how": found.how or None,
                "fingerprint": found.fingerprint,
                "sha1": found.hashes.sha1,
                "sha256": found.hashes.sha256,
            }
        )
        return 0
    output.line(*found.models)
    how = {"file": "it is the very file", "values": "another file, with the same weights"}
    output.note(how.get(found.how, "no model of the catalogue or the cache is known to have these"))
    output.note(f"fingerprint {found.fingerprint}, sha1 {found.hashes.sha1}")
    return 0
