"""`zoo check-gradient`: gradients of layers against finite differences."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, positive_argument, shapes_of
from zoo.cli.definition import add_shapes, check_shapes
from zoo.cli.output import Column, Output
from zoo.cli.progress import waiting
from zoo.errors import VerificationError

if TYPE_CHECKING:
    from zoo.build.check_gradient import GradientCheck

__all__ = ["NAME", "add", "run"]

NAME = "check-gradient"
_COLUMNS = (
    Column("layer"),
    Column("type"),
    Column("of"),
    Column("values", right=True),
    Column("difference", right=True),
    Column("computed", right=True),
    Column("estimated", right=True),
    Column("result"),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="compare the gradients of a network's layers with finite differences",
        description="For people who add layers. Each layer is looked at alone, on random values:"
        " one value after the other is moved a step up and a step down, and what the tops do then"
        " is compared with the gradient. Shown is the largest difference, as a share of the larger"
        " of both gradients, or of 1. The exit code is 3 when one is above the threshold.",
        example="zoo check-gradient train_val.prototxt --phase train\n"
        "zoo check-gradient net.prototxt --layer my_layer --plugin my_layers.py",
    )
    parser.add_argument("net", metavar="NET", help="a definition (.prototxt)")
    parser.add_argument("--weights", metavar="FILE", help="weights; without them they are random")
    parser.add_argument(
        "--layer",
        dest="layers",
        action="append",
        metavar="NAME",
        help="only this layer; repeatable; without it all that have a gradient",
    )
    parser.add_argument(
        "--input",
        metavar="NPZ",
        help="values of blobs, by name, for layers that random ones do not do for",
    )
    parser.add_argument("--phase", choices=("train", "test"), default="test")
    add_shapes(parser)
    parser.add_argument(
        "--step", type=_positive_number, default=1e-2, help="how far to move a value (0.01)"
    )
    parser.add_argument(
        "--threshold", type=_positive_number, default=1e-3, help="largest difference (0.001)"
    )
    parser.add_argument(
        "--kink",
        type=float,
        metavar="VALUE",
        help="leave out values whose amount is within a step of this, such as 0",
    )
    parser.add_argument(
        "--points",
        type=positive_argument,
        default=50,
        metavar="N",
        help="move at most so many values of a blob, chosen at random (50)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.build.check_gradient import check_gradients
    from zoo.cli.npz import read_npz
    from zoo.net import Net

    output = Output.of(args)
    inputs = read_npz(args.input) if args.input else None
    net = Net.read(args.net, args.weights, args.phase, shapes=shapes_of(args.shapes))
    check_shapes(args, net)
    with waiting(output, f"checking {net.name or args.net}"):
        checks = check_gradients(
            net,
            args.layers,
            inputs=inputs,
            step=args.step,
            threshold=args.threshold,
            kink=args.kink,
            points=args.points,
        )
    failed = [check for check in checks if not check.passed]
    if output.as_json:
        output.document({"passed": not failed, "checks": [vars(check) for check in checks]})
    else:
        output.table(_COLUMNS, [_row(check) for check in checks])
    if not failed:
        return 0
    output.error(
        "the gradient is not that of the values: "
        + "; ".join(f"layer {check.layer!r}, {_part(check)}" for check in failed)
    )
    return VerificationError.exit_code


def _row(check: GradientCheck) -> list[str]:
    return [
        check.layer,
        check.type,
        _part(check),
        str(check.checked),
        f"{check.difference:.2g}",
        f"{check.computed:.6g}",
        f"{check.estimated:.6g}",
        "ok" if check.passed else "FAILED",
    ]


def _part(check: GradientCheck) -> str:
    return f"{check.part} {check.index}" + (f" ({check.blob})" if check.blob else "")


def _positive_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {text!r}")
    return number
