"""`zoo top-images`: which pictures of a folder excite a unit most, and by which part."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command, positive_argument
from zoo.cli.output import Column, Output
from zoo.cli.pictures import add_model, add_running, add_unit, loaded, place_text
from zoo.cli.progress import counting
from zoo.errors import UsageError

__all__ = ["NAME", "add", "run"]

NAME = "top-images"
_COLUMNS = (Column("file"), Column("value", True), Column("part"))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show which pictures of a folder excite a unit most, and by which part",
        description="Of each picture the part is shown that the largest value of the unit sees."
        " Pixels are those of the network's input. A picture that cannot be read is reported, all"
        " others are done, and the exit code is then 2.",
        example="zoo top-images squeezenet_v1.0 photos/ --blob fire5/concat --unit 3 -o top.png\n"
        "zoo top-images lenet_digits examples/digits --blob conv2 --unit 0 --count 4 -o top.png",
    )
    add_model(parser)
    parser.add_argument(
        "images", nargs="+", metavar="FOLDER", help="folders (to the bottom), files and patterns"
    )
    add_unit(parser)
    parser.add_argument(
        "--count",
        type=positive_argument,
        default=9,
        metavar="N",
        help="how many pictures (default: 9)",
    )
    add_running(parser, batch=True)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.picture_files import write_png
    from zoo.visual.top_patches import top_images

    output = Output.of(args)
    model = loaded(args, output)
    with counting(output, "running pictures") as counted:
        found = top_images(
            model,
            args.images,
            args.blob,
            args.unit,
            count=args.count,
            batch_size=args.batch,
            device=args.device,
            progress=counted,
        )
    write_png(args.output, found.grid())
    for _, reason in found.failures:
        output.error(reason)
    if output.as_json:
        images = [
            {
                "file": image.file,
                "value": image.value,
                "position": image.position,
                "box": image.place.to_dict(),
            }
            for image in found.images
        ]
        failures = [{"file": file, "error": reason} for file, reason in found.failures]
        output.document(
            {
                "output": args.output,
                "blob": args.blob,
                "unit": args.unit,
                "images": images,
                "failures": failures,
            }
        )
    else:
        rows = [
            [str(image.file), f"{image.value:.6g}", place_text(image.place)]
            for image in found.images
        ]
        output.table(_COLUMNS, rows)
        output.note(f"wrote {args.output}")
    return UsageError.exit_code if found.failures else 0
