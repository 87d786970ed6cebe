"""`zoo heatmap`: what a classifier says at every place of a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.caffe.replacing import check_target
from zoo.cli.arguments import add_command, positive_argument
from zoo.cli.output import Output
from zoo.cli.pictures import add_class, add_running, class_facts, class_text, loaded, place_text
from zoo.cli.progress import waiting

if TYPE_CHECKING:
    from zoo.visual.score_map import ScoreMap

__all__ = ["NAME", "add", "run"]

NAME = "heatmap"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show the probability of a class at every place of a picture",
        description="The classifier is made fully convolutional and run on the picture at a larger"
        " size, so that a network for 227 pixels gives 8 x 8 places on 451.",
        example="zoo heatmap bvlc_reference_caffenet cat.jpg --size 451 -o map.png\n"
        "zoo heatmap squeezenet_v1.0 cat.jpg --class 'tabby, tabby cat' -o map.png --npz --json",
    )
    add_class(parser)
    parser.add_argument(
        "--size",
        type=positive_argument,
        metavar="PIXELS",
        help="side that the picture is warped to (default: what gives 8 x 8 places)",
    )
    parser.add_argument(
        "--npz",
        action="store_true",
        help="write the probabilities of all classes too, beside the picture, as .npz",
    )
    add_running(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.cli.npz import write_npz
    from zoo.visual.picture_files import Panel, write_panels
    from zoo.visual.score_map import score_map

    output = Output.of(args)
    model = loaded(args, output)
    arrays = Path(args.output).with_suffix(".npz")
    if args.npz:
        check_target(arrays)
    with waiting(output, f"running {model.name} at every place"):
        found = score_map(model, args.image, args.target, size=args.size, device=args.device)
    rows, columns = found.map.shape
    write_panels(
        args.output,
        [
            Panel("the picture", found.picture),
            Panel(f"{class_text(found)} at most, {rows} x {columns}", found.picture, found.map),
        ],
    )
    files = [args.output]
    if args.npz:
        files.append(str(arrays))
        write_npz(arrays, {found.blob: found.probabilities[None].astype("float32")})
    if output.as_json:
        output.document(_facts(args, found, files))
        return 0
    output.line(*files)
    row, column = divmod(int(found.map.argmax()), columns)
    output.note(
        f"{class_text(found)} at row {row}, column {column} of {rows} x {columns}, which sees"
        f" {place_text(found.window(row, column))}"
    )
    return 0


def _facts(args: argparse.Namespace, found: ScoreMap, files: list[str]) -> dict[str, Any]:
    rows, columns = found.map.shape
    places = [(row, column) for row in range(rows) for column in range(columns)]
    return {
        "files": files,
        "image": args.image,
        "size": list(found.picture.shape[:2]),
        **class_facts(found),
        "blob": found.blob,
        "shape": [rows, columns],
        "map": found.map.tolist(),
        "places": [
            {
                "row": row,
                "column": column,
                "window": (window := found.window(row, column)) and window.to_dict(),
                "predictions": [
                    {"index": each.index, "label": each.label, "score": each.score}
                    for each in found.predictions(row, column)
                ],
            }
            for row, column in places
        ],
    }
