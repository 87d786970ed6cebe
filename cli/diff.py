"""`zoo diff`: what differs between two nets in structure, settings and weights."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Column, Output
from zoo.cli.progress import transferring, waiting
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.net import Net
    from zoo.surgery.diff import NetDifference
    from zoo.surgery.weight_diff import WeightDifference

__all__ = ["NAME", "add", "run"]

NAME = "diff"
_FILES = (".prototxt", ".pbtxt", ".pt", ".txt", ".caffemodel", ".h5")
_FIELDS = (Column("layer"), Column("field"), Column("A"), Column("B"))
_WEIGHTS = (
    Column("layer"),
    Column("blob", right=True),
    Column("shape"),
    Column("relative", right=True),
    Column("cosine", right=True),
    Column("max abs", right=True),
    Column("verdict"),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show what differs between two nets: settings, weights, and a patch of the definition",
        description="Nothing is run. Fields are those of layers that both have, with the defaults"
        " of what is not written. Relative is the norm of the difference over the norm of A's"
        " blob; a cosine of 1 says that only a factor differs. Blobs that are the same are only"
        " counted. The patch makes the definition of B from that of A. Ends with 0 whether they"
        " differ or not; --json has `same`, null where only one of them has weights.",
        example="zoo diff snapshot_iter_1000.caffemodel snapshot_iter_2000.caffemodel\n"
        "zoo diff lenet_digits my_lenet --json\n"
        "zoo diff old.prototxt new.prototxt --weights old.caffemodel --with-weights new.caffemodel",
    )
    what = "a model, its directory, a definition (.prototxt), or weights (.caffemodel, .h5)"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument("b", metavar="B", help="the same")
    parser.add_argument("--weights", metavar="FILE", help="the weights of A, a definition")
    parser.add_argument("--with-weights", metavar="FILE", help="the weights of B, a definition")
    parser.add_argument(
        "--phase",
        choices=("test", "train"),
        default="test",
        help="which layers of a definition count (test)",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.surgery.diff import diff

    output = Output.of(args)
    for option, weights, side in (
        ("--weights", args.weights, args.a),
        ("--with-weights", args.with_weights, args.b),
    ):
        if weights is not None and not side.endswith(_FILES):
            raise UsageError(f"{option} is for a definition (.prototxt); {side!r} has its own")
    sides = _side(args, args.a, output), _side(args, args.b, output)
    with waiting(output, "comparing"):
        found = diff(*sides, weights_a=args.weights, weights_b=args.with_weights, phase=args.phase)
    if output.as_json:
        output.document(found.to_dict())
    else:
        _show(found, output)
    return 0


def _side(args: argparse.Namespace, name: str, output: Output) -> Net | str:
    """A file as it is; the net of anything else, which is a model."""
    if name.endswith(_FILES):
        return name
    from zoo.api import load

    with transferring(output) as progress:
        return load(name, args.source, progress=progress).net


def _show(found: NetDifference, output: Output) -> None:
    for note in found.notes:
        output.note(note)
    layers = {"layers only in A": found.only_in_a, "layers only in B": found.only_in_b}
    output.facts((title, ", ".join(names)) for title, names in layers.items() if names)
    if found.fields:
        rows = ([each.layer, each.field, str(each.old), str(each.new)] for each in found.fields)
        output.table(_FIELDS, rows)
    if found.changed_weights:
        output.table(_WEIGHTS, map(_row, found.changed_weights))
    same = len(found.weights) - len(found.changed_weights)
    if same:
        output.note(f"{same} of {len(found.weights)} blobs of weights are the same")
    if found.patch:
        output.line(*found.patch.splitlines())
    if found.same is not False:
        output.note("nothing differs" if found.same else "nothing else differs")


def _row(each: WeightDifference) -> list[str]:
    from zoo.table import shape_text

    shapes = [shape_text(shape) for shape in (each.shape_a, each.shape_b) if shape is not None]
    numbers = ["", "", ""]
    if each.verdict == "differs":
        numbers = [f"{each.relative:.3g}", f"{each.cosine:.6f}", f"{each.max_abs:.3g}"]
    return [
        each.layer,
        str(each.index),
        " / ".join(dict.fromkeys(shapes)),
        *numbers,
        each.verdict,
    ]
