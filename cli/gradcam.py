"""`zoo gradcam`: where in a picture a network sees a class."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output
from zoo.cli.pictures import add_class, add_running, class_facts, class_text, loaded, place_text
from zoo.cli.progress import waiting

__all__ = ["NAME", "add", "run"]

NAME = "gradcam"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show where in a picture a network sees a class (Grad-CAM)",
        description="The maps of a blob, weighed by how the score of the class grows with them"
        " (Selvaraju et al., 2017). Pixels are those of the network's input.",
        example="zoo gradcam squeezenet_v1.0 cat.jpg -o cat_map.png\n"
        "zoo gradcam bvlc_googlenet cat.jpg --class 'tabby, tabby cat' --blob inception_4e/output"
        " -o g.png",
    )
    add_class(parser)
    parser.add_argument(
        "--blob",
        metavar="BLOB",
        help="whose maps count (default: the last in rows and columns that no pooling made)",
    )
    add_running(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.class_map import grad_cam
    from zoo.visual.picture_files import Panel, write_panels

    output = Output.of(args)
    model = loaded(args, output)
    with waiting(output, f"running {model.name} forward and backward"):
        found = grad_cam(model, args.image, args.target, blob=args.blob, device=args.device)
    write_panels(
        args.output,
        [
            Panel(class_text(found), found.picture, place=found.place),
            Panel(f"Grad-CAM at {found.blob}", found.picture, found.map),
        ],
    )
    if found.place is None:
        output.warning(f"nothing in {found.blob} speaks for {class_text(found)}: the map is 0")
    if output.as_json:
        facts = {"output": args.output, "image": args.image, **class_facts(found)}
        facts |= {"blob": found.blob, "box": found.place and found.place.to_dict()}
        output.document(facts | {"map": found.map.tolist()})
        return 0
    output.line(args.output)
    output.note(f"{class_text(found)}, most of all in {place_text(found.place)}")
    return 0
