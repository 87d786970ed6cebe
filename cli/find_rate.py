"""`zoo find-rate`: a learning rate range test on a copy of a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import (
    add_command,
    add_device,
    add_plan,
    add_sources,
    positive_argument,
)
from zoo.cli.output import Output
from zoo.cli.progress import counting_parts, transferring
from zoo.transfer.presets import preset

if TYPE_CHECKING:
    from zoo.transfer.find_rate import RateTest

__all__ = ["NAME", "add", "run"]

NAME = "find-rate"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="see at which rate the loss falls fastest before you fine-tune",
        description="Trains a copy of the model for some steps while the rate rises (Smith's range"
        " test). Suggested is the rate of steepest descent, or a tenth of that of the lowest loss"
        " where this is lower.",
        example="zoo find-rate squeezenet_v1.0 photos/train -o curve.png\n"
        "zoo find-rate lenet_digits digits.npz --plan all --json",
    )
    parser.add_argument("name", metavar="MODEL", help="a model, or its directory")
    parser.add_argument("data", metavar="DATA", help="what to train on")
    parser.add_argument("-o", "--output", metavar="FILE", help="draw the curve: .png, .svg or .pdf")
    add_plan(parser)
    parser.add_argument(
        "--lowest", type=float, default=1e-6, metavar="RATE", help="of the first step (1e-6)"
    )
    parser.add_argument(
        "--highest", type=float, default=10.0, metavar="RATE", help="of the last step (10)"
    )
    parser.add_argument(
        "--steps", type=positive_argument, default=100, metavar="N", help="how many (100)"
    )
    parser.add_argument(
        "--batch",
        type=positive_argument,
        metavar="N",
        help="pictures at a time; by default as the plan says, two-stage"
        f" {preset().stages[-1].batch_size}",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all chance (0)")
    add_device(parser)
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import load
    from zoo.build.predict import device_scope
    from zoo.transfer.find_rate import check_curve, find_rate

    output = Output.of(args)
    if args.output is not None:
        check_curve(args.output)
    with transferring(output) as progress:
        model = load(args.name, args.source, progress=progress)
    with device_scope(args.device), counting_parts(output, "reading data") as told:
        found = find_rate(
            model,
            args.data,
            stages=args.stages or args.plan,
            lowest=args.lowest,
            highest=args.highest,
            steps=args.steps,
            batch_size=args.batch,
            seed=args.seed,
            progress=told,
        )
    if args.output is not None:
        found.draw(args.output)
    if args.json:
        output.document(_facts(found))
        return 0
    _show(found, output)
    return 0


def _show(found: RateTest, output: Output) -> None:
    named = [
        ("suggestion", found.suggestion),
        ("steepest descent", found.steepest),
        ("a tenth of the minimum", found.tenth),
    ]
    output.facts([(name, "none" if rate is None else f"{rate:.2g}") for name, rate in named])
    if found.suggestion is None:
        output.note(
            f"the loss of stage {found.stage!r} never falls: either the model is at its best"
            " already, or it cannot learn"
        )
        return
    output.note(f"{found.rule}; the rate of what stage {found.stage!r} trains fastest")
    if found.original_rate is not None:
        output.note(f"`zoo finetune --original-rate {found.original_rate:.2g}` takes it")
    else:
        output.note(f"to take it, multiply the rates of that stage by {found.factor:.2g}")


def _facts(found: RateTest) -> dict[str, Any]:
    return {
        "suggestion": found.suggestion,
        "rule": found.rule,
        "steepest": found.steepest,
        "tenth_of_minimum": found.tenth,
        "stage": found.stage,
        "factor": found.factor,
        "original_rate": found.original_rate,
        "rates": found.rates,
        "losses": found.losses,
        "smoothed": found.smoothed,
    }
