"""`zoo occlusion`: which part of a picture a class depends on, by hiding each in turn."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, positive_argument
from zoo.cli.output import Output
from zoo.cli.pictures import add_class, add_running, class_facts, class_text, loaded, place_text
from zoo.cli.progress import counting

if TYPE_CHECKING:
    from zoo.visual.occlusion_map import OcclusionMap

__all__ = ["NAME", "add", "run"]

NAME = "occlusion"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show which part of a picture a class depends on, by hiding each in turn",
        description="A square of the mean colour is moved over the picture (Zeiler and Fergus,"
        " 2014). Pixels are those of the network's input.",
        example="zoo occlusion squeezenet_v1.0 cat.jpg -o occlusion.png\n"
        "zoo occlusion lenet_digits examples/digits/two.png --class three --patch 6 --stride 2"
        " -o o.png",
    )
    add_class(parser)
    parser.add_argument(
        "--patch",
        type=positive_argument,
        metavar="PIXELS",
        help="side of the square (default: 32, or a quarter of a smaller picture)",
    )
    parser.add_argument(
        "--stride",
        type=positive_argument,
        metavar="PIXELS",
        help="from one place to the next (default: half of the square)",
    )
    add_running(parser, batch=True)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.occlusion_map import occlusion

    output = Output.of(args)
    model = loaded(args, output)
    with counting(output, "hiding parts") as counted:
        found = occlusion(
            model,
            args.image,
            args.target,
            patch=args.patch,
            stride=args.stride,
            batch_size=args.batch,
            device=args.device,
            progress=counted,
        )
    _write(found, args.output)
    row, column = divmod(int(found.map.argmin()), found.map.shape[1])
    least = float(found.map[row, column])
    if output.as_json:
        facts = {"output": args.output, "image": args.image, **class_facts(found)}
        facts |= {"box": found.place.to_dict(), "probability_without_box": least}
        facts |= {"patch": found.patch, "tops": found.tops, "lefts": found.lefts}
        output.document(facts | {"map": found.map.tolist()})
        return 0
    output.line(args.output)
    output.note(f"{class_text(found)}; {least:.2%} without {place_text(found.place)}")
    return 0


def _write(found: OcclusionMap, path: str) -> None:
    from zoo.visual.picture_files import Panel, write_panels

    write_panels(
        path,
        [
            Panel(class_text(found), found.picture, place=found.place),
            Panel("probability with the square here", None, found.map),
            Panel("probability lost", found.picture, found.loss),
        ],
    )
