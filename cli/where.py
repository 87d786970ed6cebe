"""`zoo where`: where a cached model lies, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.existing import existing_model
from zoo.cli.output import Output
from zoo.errors import UnavailableError

if TYPE_CHECKING:
    from zoo.registry.cached import CachedModel

__all__ = ["NAME", "add", "run"]

NAME = "where"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="print the directory of a cached model, or the path of one of its files",
        example="zoo where lenet_digits\nzoo where lenet_digits --file weights",
    )
    parser.add_argument("name", metavar="NAME", help="name of the model")
    parser.add_argument(
        "--file", choices=("weights", "prototxt", "labels", "readme"), help="one of its files"
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.cache import Cache

    output = Output.of(args)
    model = existing_model(args.name, args.source, Cache())
    path = model.directory if args.file is None else _file(model, args.file)
    if output.as_json:
        output.document({"name": model.name, "path": path})
    else:
        output.line(str(path))
    return 0


def _file(model: CachedModel, file: str) -> Path:
    paths = {
        "weights": model.weights,
        "prototxt": model.deploy,
        "labels": model.labels,
        "readme": model.directory / "readme.md",
    }
    path = paths[file]
    if path is None:
        raise UnavailableError(f"{model.name} comes without {file}; see {model.directory}")
    return path
