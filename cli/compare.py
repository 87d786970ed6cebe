"""`zoo compare`: which blob is the first that differs, and by how much."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_engine, add_sources
from zoo.cli.definition import add_net_files, check_one_of
from zoo.cli.output import Column, Output
from zoo.cli.progress import transferring, waiting
from zoo.errors import MissingShapeError, UsageError, VerificationError

if TYPE_CHECKING:
    import numpy as np

    from zoo.blob_difference import BlobDifference
    from zoo.comparison import Comparison
    from zoo.loaded import LoadedModel
    from zoo.net import Net

__all__ = ["NAME", "add", "run"]

NAME = "compare"
_COLUMNS = (
    Column("blob"),
    Column("shape"),
    Column("max abs", right=True),
    Column("relative", right=True),
    Column("ULP", right=True),
    Column("cosine", right=True),
    Column("verdict"),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="compare a network blob by blob with recorded values or with another network",
        description="Relative is the largest difference in units of the largest value of the"
        " reference blob; ULP is it in steps of float32 there; a cosine of 1 says that only a"
        " factor differs. Ends with 3 when a blob is beyond the tolerance, and says which is the"
        " first, of which layer, and if it can what is wrong with it. Recorded blobs are arrays"
        " (N, C, H, W) named after their blobs.",
        example="zoo compare squeezenet_v1.0 recorded.npz\n"
        "zoo compare squeezenet_v1.0 recorded.npz --input cat.jpg\n"
        "zoo compare --net deploy.prototxt --weights net.caffemodel recorded.npz --input in.npz\n"
        "zoo compare lenet_digits --with other_lenet --input in.npz\n"
        "zoo compare lenet_digits --device gpu:0 --input in.npz\n"
        "zoo compare lenet_digits --engine onnxruntime --input in.npz",
    )
    parser.add_argument("name", nargs="?", metavar="MODEL", help="a model, or its directory")
    parser.add_argument(
        "reference", nargs="?", metavar="NPZ", help="recorded blobs, with inputs among them or not"
    )
    add_net_files(parser)
    parser.add_argument(
        "--with",
        dest="other",
        metavar="OTHER",
        help="compare with this model, directory or definition instead of recorded blobs",
    )
    parser.add_argument(
        "--with-weights", metavar="FILE", help="the weights of OTHER where that is a definition"
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="inputs as an npz file, or a picture that is prepared as the model's card says",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="X",
        help="the largest relative difference that agrees (1e-4)",
    )
    parser.add_argument(
        "--device",
        help="cpu or gpu:0; without recorded blobs and --with it is compared with the CPU",
    )
    add_engine(parser)
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.cli.npz import read_npz
    from zoo.comparison import compare

    output = Output.of(args)
    _check(args)
    recorded = None if args.reference is None else read_npz(args.reference)
    from_file = args.input is not None and _is_npz(args.input)
    inputs = read_npz(args.input) if from_file else {}
    name = args.net if args.name is None else args.name
    model = _load(args, name, args.weights, {**(recorded or {}), **inputs}, output)
    if args.input is not None and not from_file:
        inputs = _prepared(model, args.input)
    reference: Any = recorded
    if args.other is not None:
        reference = _load(args, args.other, args.with_weights, inputs, output)
    with waiting(output, f"comparing {name}"):
        how = {"device": args.device, "engine": args.engine}
        found = compare(model, reference, inputs, tolerance=args.tolerance, **how)
    _show(found, output)
    if found.agrees:
        return 0
    output.error(found.summary)
    return VerificationError.exit_code


def _check(args: argparse.Namespace) -> None:
    """Sort the arguments, and refuse what does not go together."""
    if args.net is not None and args.reference is None:
        args.name, args.reference = None, args.name
    check_one_of(args, args.name, "a model")
    if args.reference is not None and args.other is not None:
        raise UsageError(
            f"expected recorded blobs or --with OTHER, received both: {args.reference!r},"
            f" {args.other!r}"
        )
    if args.with_weights is not None and args.other is None:
        raise UsageError("--with-weights belongs to --with")
    by_itself = args.device is None and args.engine == "tensorflow"
    if args.reference is None and args.other is None and by_itself:
        raise UsageError(
            "there is nothing to compare with: expected recorded blobs (NPZ), --with OTHER, or a"
            " --device or --engine to compare with TensorFlow on the CPU"
        )
    if args.reference is None and args.input is None:
        raise UsageError("expected --input FILE, for there are no recorded inputs")
    if not args.tolerance >= 0:
        raise UsageError(f"--tolerance must be 0 or more, received {args.tolerance:g}")


def _is_npz(path: str) -> bool:
    return Path(path).suffix.lower() == ".npz"


def _load(
    args: argparse.Namespace,
    name: str,
    weights: str | None,
    arrays: Mapping[str, np.ndarray],
    output: Output,
) -> Net | LoadedModel:
    """A model or a definition; sources without a shape get that of the array for them."""
    try:
        return _load_with_shapes(args, name, weights, {}, output)
    except MissingShapeError as missing:
        shapes = {
            blob: arrays[key].shape
            for blob in missing.blobs
            for key in (f"in/{blob}", blob)
            if key in arrays
        }
        return _load_with_shapes(args, name, weights, shapes, output)


def _load_with_shapes(
    args: argparse.Namespace,
    name: str,
    weights: str | None,
    shapes: Mapping[str, tuple[int, ...]],
    output: Output,
) -> Net | LoadedModel:
    from zoo.api import load
    from zoo.net import Net

    if not name.endswith(".prototxt") and name != args.net:
        with transferring(output) as progress:
            return load(name, args.source, shapes=shapes, progress=progress)
    net = Net.read(name, weights, shapes=shapes)
    if net.param_shapes and weights is None:
        option = "--weights" if name == args.net else "--with-weights"
        raise UsageError(f"{name} has layers with weights; give them with {option} FILE")
    return net


def _prepared(model: Net | LoadedModel, picture: str) -> dict[str, np.ndarray]:
    """A picture as the input of a model, (1, C, H, W)."""
    from zoo.loaded import LoadedModel

    if not isinstance(model, LoadedModel):
        raise UsageError(
            f"--input {picture} is no npz file. Only a model with a card says how a picture is"
            " prepared; give an npz file of arrays for --net"
        )
    name = next(iter(model.net.inputs))
    return {name: model.preprocess([picture]).transpose(0, 3, 1, 2)}


def _show(found: Comparison, output: Output) -> None:
    if output.as_json:
        output.document(_facts(found))
        return
    output.table(_COLUMNS, [_row(each) for each in found.blobs])
    if found.unmatched:
        shown = ", ".join(found.unmatched[:6]) + (", ..." if len(found.unmatched) > 6 else "")
        output.note(f"the reference also has what is no blob of the net: {shown}")
    if found.agrees:
        output.note(found.summary)


def _row(each: BlobDifference) -> list[str]:
    same_shape = each.shape == each.reference_shape
    return [
        each.blob,
        "x".join(map(str, each.shape)),
        f"{each.max_abs:.3g}" if same_shape else "",
        f"{each.relative:.3g}" if same_shape else "",
        f"{each.ulp:.3g}" if same_shape else "",
        f"{each.cosine:.7f}" if same_shape else "",
        each.verdict,
    ]


def _facts(found: Comparison) -> dict[str, Any]:
    return {
        "agrees": found.agrees,
        "tolerance": found.tolerance,
        "first": found.first.blob if found.first else None,
        "summary": found.summary,
        "hints": found.hints,
        "unmatched": found.unmatched,
        "blobs": [
            {
                "blob": each.blob,
                "layers": each.layers,
                "input": each.is_input,
                "shape": each.shape,
                "reference_shape": each.reference_shape,
                "max_abs": each.max_abs,
                "relative": each.relative,
                "ulp": each.ulp,
                "cosine": each.cosine,
                "verdict": each.verdict,
            }
            for each in found.blobs
        ],
    }
