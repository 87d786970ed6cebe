"""The net that a command line means: `--net FILE`, a model's name, or a model's directory."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import shape_argument, shapes_of
from zoo.cli.output import Output
from zoo.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from zoo.net import Net
    from zoo.registry.card import Card
    from zoo.report import LoadReport

__all__ = [
    "add_net_files",
    "add_partial",
    "add_shapes",
    "check_one_of",
    "check_shapes",
    "definition_of",
    "tell_partial",
]


def add_net_files(parser: Any) -> None:
    """`--net` and `--weights`, for commands that take files instead of a model."""
    parser.add_argument("--net", metavar="FILE", help="a definition (.prototxt) instead of a model")
    parser.add_argument("--weights", metavar="FILE", help="its weights (.caffemodel)")


def add_shapes(parser: Any, *, also: str | None = None) -> None:
    """`--shape`, and the name that it had before where a command has no other use for that."""
    meaning = "shape of an input, such as data=32,3,227,227; repeatable"
    for option, told in (("--shape", meaning), (also, argparse.SUPPRESS)):
        if option is not None:
            parser.add_argument(
                option,
                dest="shapes",
                action="append",
                default=[],
                type=shape_argument,
                metavar="NAME=DIMS",
                help=told,
            )


def check_shapes(args: argparse.Namespace, *nets: Net) -> None:
    """Refuse the shape of what is no input of any of these nets: it would have no effect.

    The tops of layers whose kind is not known have the shapes that are given, too.

    Raises
    ------
    UsageError
    """
    known = dict.fromkeys(
        top
        for net in nets
        for layer in net.layers
        if layer.is_source or layer.kind is None
        for top in layer.tops
    )
    for name, _ in args.shapes:
        if name not in known:
            raise UsageError(
                f"--shape: no input is named {name!r}.{did_you_mean(name, known)} Expected"
                f" {' or '.join(known) or 'none: there are no inputs'}."
            )


def add_partial(parser: Any) -> None:
    """`--partial`, for commands that load weights."""
    parser.add_argument(
        "--partial",
        action="store_true",
        help="copy the weights that fit by name, start the rest fresh, and say which",
    )


def tell_partial(args: argparse.Namespace, report: LoadReport, output: Output) -> None:
    """Say what a load with `--partial` left out."""
    if args.partial and report.partial:
        output.warning(report.weights_text())


def check_one_of(args: argparse.Namespace, name: str | None, word: str) -> None:
    """Refuse a model together with `--net`, or neither.

    Raises
    ------
    UsageError
    """
    if name is not None and args.net is not None:
        raise UsageError(f"expected {word} or --net FILE, received both: {name!r}, {args.net!r}")
    if name is None and args.net is None:
        raise UsageError(f"expected {word}, or --net FILE for a definition of your own")
    if name is not None and args.weights is not None:
        raise UsageError("--weights belongs to --net; a model comes with its own")
    if name is not None and name.endswith(".prototxt"):
        there = "" if Path(name).is_file() else ", but there is no such file"
        raise UsageError(f"{name!r} is a definition, not {word}: give it as --net {name}{there}")


def definition_of(args: argparse.Namespace, **state: Any) -> tuple[Net, str]:
    """The net of `--net` and `--weights` or of a model's definition, and where that was read.

    Of a model nothing is fetched: one that is not in the cache is read from its source. For the
    TRAIN phase its training definition is read, where it has one.

    Parameters
    ----------
    args : parsed arguments with name, net, weights, partial, source and shapes.
    state : phase ("train" or "test"), level and stages.
    """
    from zoo.net import Net
    from zoo.registry.address import parse_address
    from zoo.registry.cache import Cache
    from zoo.registry.catalogue import Registry
    from zoo.registry.contents import definition_file, train_val_file
    from zoo.registry.local import local_model
    from zoo.registry.locate import found_at

    shapes = shapes_of(args.shapes)
    if args.net is not None:
        net = Net.read(args.net, args.weights, shapes=shapes, partial=args.partial, **state)
        return net, args.net

    def file_of(names: list[str], card: Card) -> str:
        wanted = train_val_file(names) if state["phase"] == "train" else None
        return wanted or definition_file(names, card)

    address = parse_address(args.name)
    named = address.kind == "name"
    here = local_model(address.target) if address.kind == "folder" else None
    here = Cache().get(args.name) if named else here
    if here is not None:
        names = sorted(path.name for path in here.directory.iterdir())
        path = here.directory / file_of(names, here.card)
        return Net.read(path, shapes=shapes, **state), str(path)
    found = Registry(args.source).find(args.name) if named else found_at(address)
    file = file_of([each.name for each in found.files()], found.card)
    place = f"{found.source.name}/{found.name}/{file}"
    return _net_from_text(found.text(file), place, shapes, **state), place


def _net_from_text(
    text: str, place: str, shapes: Mapping[str, Sequence[int]], *, phase: str, **state: Any
) -> Net:
    from zoo.caffe.lines import layer_lines
    from zoo.caffe.read import parse_definition
    from zoo.layers.kind import known_types
    from zoo.net import Net
    from zoo.prepare import prepare

    definition, report = prepare(
        parse_definition(text, place, known_types()),
        phase=phase.upper(),
        path=place,
        lines=layer_lines(text),
        **state,
    )
    return Net(definition, phase=phase.upper(), shapes=shapes, report=report)
