"""`zoo run`: arrays in, arrays out, by the names and in the order of Caffe's blobs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.caffe.replacing import check_target
from zoo.cli.arguments import add_command, add_device, add_engine, add_sources, shapes_of
from zoo.cli.definition import (
    add_net_files,
    add_partial,
    add_shapes,
    check_one_of,
    check_shapes,
    tell_partial,
)
from zoo.cli.output import Column, Output
from zoo.cli.progress import transferring, waiting
from zoo.errors import MissingShapeError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from zoo.net import Net

__all__ = ["NAME", "add", "run"]

NAME = "run"
_COLUMNS = (Column("blob"), Column("shape"), Column("smallest", True), Column("largest", True))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="run a network on arrays of an npz file and keep any of its blobs",
        description="Arrays are float32 in Caffe's order (N, C, H, W), named after their blobs.",
        example="zoo run lenet_digits --input in.npz -o out.npz\n"
        "zoo run squeezenet_v1.0 --input in.npz --blob fire9/concat --blob pool_final -o out.npz\n"
        "zoo run --net deploy.prototxt --weights net.caffemodel --input in.npz -o out.npz\n"
        "zoo run --net train_val.prototxt --weights net.caffemodel --phase train --input in.npz"
        " -o out.npz --backward",
    )
    parser.add_argument("name", nargs="?", metavar="MODEL", help="a model, or its directory")
    add_net_files(parser)
    parser.require_one("MODEL or --net", "name", "net")
    add_partial(parser)
    parser.add_argument(
        "--input", required=True, metavar="NPZ", help="an array for each input of the network"
    )
    parser.add_argument(
        "--blob",
        dest="blobs",
        action="append",
        metavar="NAME",
        help="a blob to keep; repeatable; without it the network's outputs are kept",
    )
    parser.add_argument("-o", "--output", required=True, metavar="NPZ", help="the file to write")
    add_shapes(parser)
    parser.add_argument(
        "--phase",
        choices=("train", "test"),
        default="test",
        help="phase of the definition that --net names (test)",
    )
    parser.add_argument(
        "--backward",
        nargs="?",
        const="",
        metavar="NPZ",
        help="run backward too, from the losses or from the diffs of blobs in this file, and add"
        " bottomdiff/BLOB and paramdiff/LAYER/INDEX to the output; what gets a gradient is what"
        " gets one in Caffe",
    )
    parser.add_argument(
        "--force-backward",
        action="store_true",
        help="with --backward: as if the definition said force_backward: true",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="NUMBER",
        help="with --phase train: what Dropout draws from, to have the same values again",
    )
    add_device(parser)
    add_engine(parser)
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import run as run_net
    from zoo.cli.npz import read_npz, write_npz

    output = Output.of(args)
    check_one_of(args, args.name, "a model")
    target = check_target(args.output, (".npz",))
    if args.force_backward and args.backward is None:
        raise UsageError("--force-backward belongs to --backward")
    if args.backward is not None and args.engine != "tensorflow":
        raise UsageError("--backward is computed by TensorFlow, so it excludes --engine")
    inputs = read_npz(args.input)
    top_diffs = read_npz(args.backward) if args.backward else {}
    net = _net(args, inputs, output)
    check_shapes(args, net)
    tell_partial(args, net.report, output)
    with waiting(output, f"running {net.name or args.net}"):
        if args.backward is None:
            blobs = run_net(
                net, inputs, args.blobs, device=args.device, seed=args.seed, engine=args.engine
            )
        else:
            blobs = _both_ways(args, net, inputs, top_diffs, output)
    write_npz(target, blobs)
    if output.as_json:
        shapes = {name: list(array.shape) for name, array in blobs.items()}
        output.document({"output": target, "blobs": shapes})
        return 0
    output.table(
        _COLUMNS,
        [
            [name, "x".join(map(str, array.shape)), f"{array.min():.6g}", f"{array.max():.6g}"]
            for name, array in blobs.items()
        ],
    )
    output.note(f"wrote {target}")
    return 0


def _both_ways(
    args: argparse.Namespace,
    net: Net,
    inputs: Mapping[str, np.ndarray],
    top_diffs: Mapping[str, np.ndarray],
    output: Output,
) -> dict[str, np.ndarray]:
    """The blobs, and behind them the diffs of blobs and params."""
    from zoo.build.gradients import run_both_ways

    found = run_both_ways(
        net,
        inputs,
        top_diffs,
        args.blobs,
        force_backward=args.force_backward,
        device=args.device,
        seed=args.seed,
    )
    blobs = {f"bottomdiff/{name}": diff for name, diff in found.blobs.items()}
    params = {
        f"paramdiff/{layer}/{index}": diff
        for layer, diffs in found.params.items()
        for index, diff in enumerate(diffs)
    }
    others = [diff for name, diff in found.blobs.items() if name not in top_diffs]
    if not any(diff.any() for diff in [*others, *params.values()]):
        output.warning(
            "every gradient is zero. Without a loss in the definition Caffe computes none, unless"
            " that says force_backward: true; --force-backward does as if it did."
        )
    return found.values | blobs | params


def _net(args: argparse.Namespace, inputs: Mapping[str, np.ndarray], output: Output) -> Net:
    """The network with its weights; sources without a shape get that of the array for them."""
    given = shapes_of(args.shapes)
    try:
        return _net_of_shapes(args, given, output)
    except MissingShapeError:
        arrays = {name: array.shape for name, array in inputs.items()}
        return _net_of_shapes(args, arrays | given, output)


def _net_of_shapes(
    args: argparse.Namespace, shapes: Mapping[str, tuple[int, ...]], output: Output
) -> Net:
    from zoo.api import load
    from zoo.net import Net

    if args.net is None:
        if args.phase == "train":
            raise UsageError("--phase train needs --net FILE: a model is run as it is used")
        with transferring(output) as progress:
            model = load(
                args.name, args.source, partial=args.partial, shapes=shapes, progress=progress
            )
        for note in model.notes:
            output.note(note)
        return model.net
    net = Net.read(args.net, args.weights, args.phase, shapes=shapes, partial=args.partial)
    if net.param_shapes and args.weights is None:
        raise UsageError(
            f"{args.net} has layers with weights ({', '.join(list(net.param_shapes)[:3])}, ...);"
            " give them with --weights FILE"
        )
    return net
