"""`zoo draw`: a network as a drawing, or as text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.definition import add_shapes, check_shapes, definition_of
from zoo.cli.output import Output

if TYPE_CHECKING:
    from zoo.net import Net
    from zoo.visual.scheme import Scheme

__all__ = ["NAME", "add", "run"]

NAME = "draw"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="draw a network, or print it as text with its branches",
        description="Weights are not needed. Boxes show shapes and params; layers that work in"
        " place stand in the box of the one before. Grey is frozen (lr_mult 0), orange has an"
        " lr_mult above 1, dashed is of an unknown type. Graphviz draws where it is installed;"
        " .svg and .html can do without.",
        example="zoo draw lenet_digits\n"
        "zoo draw deploy.prototxt -o net.svg\n"
        "zoo draw new/deploy.prototxt --against squeezenet_v1.0 -o changes.html",
    )
    parser.add_argument("net", metavar="NET", help="a definition (.prototxt), a model, a directory")
    parser.add_argument("-o", "--output", metavar="FILE", help="a file .svg, .html or .png")
    parser.add_argument(
        "--against", metavar="NET", help="mark the layers that differ from those of this network"
    )
    parser.add_argument("--phase", choices=("train", "test"), default="test")
    add_shapes(parser, also="--input")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.visual.drawing import check_drawing, draw_scheme, net_scheme
    from zoo.visual.tree import tree_text

    output = Output.of(args)
    if args.output is not None:
        check_drawing(args.output)
    net = _net_of(args.net, args)
    before = _net_of(args.against, args) if args.against else None
    check_shapes(args, *filter(None, (net, before)))
    scheme = net_scheme(net, before)
    drawn_by = draw_scheme(scheme, args.output) if args.output else None
    if output.as_json:
        output.document({"output": args.output, "drawn_by": drawn_by, **_facts(scheme)})
    elif args.output:
        output.line(args.output)
        if drawn_by != "graphviz":
            output.note("drawn without Graphviz, which draws larger networks with fewer crossings")
    else:
        output.line(*tree_text(scheme).splitlines())
    return 0


def _net_of(word: str, args: argparse.Namespace) -> Net:
    """The network of a file, a directory or a name."""
    is_file = Path(word).is_file() or word.endswith(".prototxt")
    meant = {"net": word if is_file else None, "name": None if is_file else word}
    told = argparse.Namespace(**{**vars(args), **meant, "weights": None, "partial": False})
    return definition_of(told, phase=args.phase)[0]


def _facts(scheme: Scheme) -> dict[str, Any]:
    names = [box.name for box in scheme.boxes]
    return {
        "title": list(scheme.title),
        "boxes": [
            {
                "layers": list(box.layers),
                "kind": box.kind,
                "shapes": list(box.shapes),
                "params": box.params,
                "lr_mult": box.rate,
                "unknown": box.unknown,
                "changed": box.change or None,
            }
            for box in scheme.boxes
        ],
        "arrows": [[names[arrow.tail], names[arrow.head], arrow.blob] for arrow in scheme.arrows],
        "blocks": {
            block.name: [names[member] for member in block.members] for block in scheme.blocks
        },
    }
