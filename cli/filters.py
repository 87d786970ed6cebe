"""`zoo filters`: the weights of a layer as a picture."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command, add_sources, positive_argument
from zoo.cli.output import Output
from zoo.cli.pictures import add_model, loaded

__all__ = ["NAME", "add", "run"]

NAME = "filters"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show the filters of a layer as a grid of pictures",
        description="Filters that read colours are shown in colour, others as a grey plane for"
        " each channel they read. Black is the smallest weight of all, white the largest.",
        example="zoo filters squeezenet_v1.0 --layer conv1 -o filters.png\n"
        "zoo filters lenet_digits --layer conv2 --count 16 -o filters.png",
    )
    add_model(parser)
    parser.add_argument(
        "--layer", required=True, metavar="NAME", help="a layer, as `zoo inspect` lists them"
    )
    parser.add_argument(
        "--count",
        type=positive_argument,
        metavar="N",
        help="only the first N pictures (default: 2304)",
    )
    parser.add_argument("-o", "--output", required=True, metavar="PNG", help="the file to write")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.filter_planes import MOST_PLANES, filters
    from zoo.visual.grid import grid
    from zoo.visual.picture_files import write_png

    output = Output.of(args)
    planes = filters(loaded(args, output), args.layer, args.count or MOST_PLANES)
    write_png(args.output, grid(planes))
    if output.as_json:
        output.document(
            {
                "output": args.output,
                "layer": args.layer,
                "planes": len(planes),
                "height": planes.shape[1],
                "width": planes.shape[2],
                "colour": planes.ndim == 4,
                "smallest": float(planes.min()),
                "largest": float(planes.max()),
            }
        )
        return 0
    output.line(args.output)
    kind = "in colour" if planes.ndim == 4 else "grey"
    output.note(
        f"{len(planes)} planes of {planes.shape[1]}x{planes.shape[2]}, {kind}, from"
        f" {planes.min():.4g} (black) to {planes.max():.4g} (white)"
    )
    return 0
