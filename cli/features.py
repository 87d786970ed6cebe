"""`zoo features`: the values of blobs for every picture of some data, in a file."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command, add_engine, add_sources, positive_argument
from zoo.cli.output import Output, size_text
from zoo.cli.progress import counting, transferring
from zoo.errors import UsageError

__all__ = ["NAME", "add", "add_blobs", "add_reading", "run", "tell_failures"]

NAME = "features"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="write the values of blobs for every picture of some data to a file",
        description="Rows are in the order of the data, with file names and labels. A run that was"
        " killed goes on where it was when it is started again. A picture that cannot be read is"
        " reported, all others are done, and the exit code is then 2.",
        example="zoo features squeezenet_v1.0 photos/ --blob fire9/concat -o feats.h5\n"
        "zoo features bvlc_alexnet list.txt --blob fc6 --blob fc7 -o feats.parquet",
    )
    parser.add_argument("model", metavar="MODEL", help="a model, or its directory")
    parser.add_argument("data", metavar="DATA", help="a folder of class folders, a list, ...")
    add_blobs(parser, required=True)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="a new file: .h5, .npz or .parquet (needs pyarrow)",
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import load
    from zoo.transfer.data import open_data
    from zoo.transfer.feature_file import write_features

    output = Output.of(args)
    data = open_data(args.data)
    with transferring(output) as progress:
        model = load(args.model, args.source, progress=progress)
    with counting(output, "computing features") as counted:
        written = write_features(
            model,
            data,
            args.blob,
            args.output,
            args.pool,
            batch_size=args.batch,
            engine=args.engine,
            device=args.device,
            progress=counted,
        )
    if written.resumed:
        output.note(f"{written.resumed} rows were there from an earlier run.")
    known = written.rows - written.resumed - written.computed
    if known > 0:
        output.note(f"{known} rows were known; {written.computed} went through the network.")
    if output.as_json:
        output.document(
            {
                "file": written.path,
                "rows": written.rows,
                "resumed": written.resumed,
                "computed": written.computed,
                "blobs": written.shapes,
                "failures": [{"row": row, "error": why} for row, why in written.failures],
            }
        )
    else:
        shapes = [(blob, " x ".join(map(str, shape))) for blob, shape in written.shapes.items()]
        size = f"{size_text(written.path.stat().st_size)}B"
        output.facts([("file", str(written.path)), *shapes, ("size", size)])
    return tell_failures(written.failures, output)


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
    """What all commands that run a network over data have in common."""
    parser.add_argument(
        "--batch",
        type=positive_argument,
        default=32,
        metavar="N",
        help="pictures at a time (default: 32); fewer need less memory",
    )
    parser.add_argument("--device", help="cpu or gpu:0; by default what TensorFlow chooses")
    add_engine(parser)
    add_sources(parser)


def tell_failures(failures: list[tuple[str, str]], output: Output) -> int:
    """Name the rows that could not be read; returns the exit code."""
    for row, reason in failures:
        output.error(reason if row in reason else f"{row}: {reason}")
    return UsageError.exit_code if failures else 0
