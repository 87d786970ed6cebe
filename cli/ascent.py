"""`zoo ascent`: a picture made to excite a unit."""

from __future__ import annotations

import argparse
from typing import Any

from zoo.cli.arguments import add_command, positive_argument
from zoo.cli.output import Output
from zoo.cli.pictures import add_model, add_running, add_unit, loaded
from zoo.cli.progress import counting

__all__ = ["NAME", "add", "run"]

NAME = "ascent"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="make a picture that excites a unit as much as possible",
        description="It starts from noise and climbs the gradient of the unit (Simonyan et al.,"
        " 2014). For a class, name the blob before the softmax.",
        example="zoo ascent squeezenet_v1.0 --blob fire5/concat --unit 3 -o unit.png\n"
        "zoo ascent lenet_digits --blob ip2 --unit 2 --steps 50 --seed 1 -o two.png",
    )
    add_model(parser)
    add_unit(parser)
    parser.add_argument(
        "--steps", type=positive_argument, default=100, metavar="N", help="how many (default: 100)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another one, another picture (default: 0)"
    )
    add_running(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.ascent_picture import ascent
    from zoo.visual.picture_files import write_png

    output = Output.of(args)
    model = loaded(args, output)
    with counting(output, "climbing") as counted:
        made = ascent(
            model,
            args.blob,
            args.unit,
            steps=args.steps,
            seed=args.seed,
            device=args.device,
            progress=counted,
        )
    write_png(args.output, made.picture)
    if output.as_json:
        facts = {"output": args.output, "blob": args.blob, "unit": args.unit, "seed": args.seed}
        output.document(facts | {"values": made.values})
        return 0
    output.line(args.output)
    output.note(
        f"unit {args.unit} of {args.blob}: from {made.values[0]:.4g} to {made.values[-1]:.4g} in"
        f" {args.steps} steps"
    )
    return 0
