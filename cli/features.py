"""`zoo features`: the values of blobs for every picture of some data, in a file."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output, size_text
from zoo.cli.progress import counting
from zoo.cli.reading import (
    add_blobs,
    add_model_and_data,
    add_reading,
    loaded,
    reading,
    tell_failures,
)

__all__ = ["NAME", "add", "run"]

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
    add_model_and_data(parser)
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
    from zoo.transfer.data import open_data
    from zoo.transfer.feature_file import write_features

    output = Output.of(args)
    data = open_data(args.data)
    model = loaded(args, output)
    with counting(output, "computing features") as counted:
        written = write_features(
            model,
            data,
            args.blob,
            args.output,
            args.pool,
            progress=counted,
            **reading(args),
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
        size = size_text(written.path.stat().st_size)
        output.facts([("file", str(written.path)), *shapes, ("size", size)])
    return tell_failures(written.failures, output)
