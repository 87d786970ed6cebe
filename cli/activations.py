"""`zoo activations`: what a blob holds for a picture, as a picture."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output
from zoo.cli.pictures import add_blob, add_model, add_running, loaded
from zoo.cli.progress import waiting

__all__ = ["NAME", "add", "run"]

NAME = "activations"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show what a blob holds for a picture",
        description="Maps are shown in a grid, black the smallest value of all, white the largest;"
        " a vector as a line, with a histogram of its values above 0.",
        example="zoo activations squeezenet_v1.0 cat.jpg --blob conv1 -o conv1.png\n"
        "zoo activations lenet_digits examples/digits/two.png --blob ip1 -o ip1.png",
    )
    add_model(parser)
    parser.add_argument("image", metavar="IMAGE", help="a picture")
    add_blob(parser)
    add_running(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.blob_planes import activations
    from zoo.visual.grid import grid
    from zoo.visual.picture_files import write_png, write_vector

    output = Output.of(args)
    model = loaded(args, output)
    with waiting(output, f"running {model.name}"):
        values = activations(model, args.image, args.blob, device=args.device)
    if values.ndim == 1:
        write_vector(args.output, values, args.blob)
    else:
        write_png(args.output, grid(values))
    if output.as_json:
        output.document(
            {
                "output": args.output,
                "image": args.image,
                "blob": args.blob,
                "shape": list(values.shape),
                "smallest": float(values.min()),
                "largest": float(values.max()),
                "mean": float(values.mean(dtype="float64")),
                "zeros": float((values == 0).mean()),
            }
        )
        return 0
    output.line(args.output)
    output.note(
        f"{args.blob} of shape {'x'.join(map(str, values.shape))}: from {values.min():.4g} to"
        f" {values.max():.4g}, {(values == 0).mean():.1%} of the values are 0"
    )
    return 0
