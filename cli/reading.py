"""What commands have in common that run a model over data: features, probe, advise, rank."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_batch, add_device, add_engine, add_sources
from zoo.cli.output import Output
from zoo.cli.progress import transferring
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.loaded import LoadedModel

__all__ = [
    "add_blobs",
    "add_data",
    "add_model_and_data",
    "add_reading",
    "loaded",
    "reading",
    "tell_failures",
]


def add_model_and_data(parser: argparse.ArgumentParser) -> None:
    """`MODEL DATA`."""
    parser.add_argument("model", metavar="MODEL", help="a model, or its directory")
    add_data(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """`DATA`."""
    parser.add_argument("data", metavar="DATA", help="a folder of class folders, a list, ...")


def add_blobs(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--blob` and `--pool`."""
    parser.add_argument(
        "--blob",
        action="append",
        required=required,
        metavar="BLOB",
        help="the name of a blob, as `zoo inspect` lists them; repeatable",
    )
    parser.add_argument(
        "--pool",
        choices=("avg", "max", "none"),
        default="avg",
        help="what to make of the plane of each channel (default: avg)",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How the network runs, and where models are looked for."""
    add_batch(parser)
    add_device(parser)
    add_engine(parser)
    add_sources(parser)


def loaded(args: argparse.Namespace, output: Output) -> LoadedModel:
    """The model that was named, fetched if need be."""
    from zoo.api import load

    with transferring(output) as progress:
        return load(args.model, args.source, progress=progress)


def reading(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_reading` was given, as the functions of `zoo.transfer` take it."""
    return {"batch_size": args.batch, "engine": args.engine, "device": args.device}


def tell_failures(failures: list[tuple[str, str]], output: Output) -> int:
    """Name the rows that could not be read; returns the exit code."""
    for row, reason in failures:
        output.error(reason if row in reason else f"{row}: {reason}")
    return UsageError.exit_code if failures else 0
