"""The net that a command line means: `--net FILE`, a model's name, or a model's directory."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import shapes_of
from zoo.cli.output import Output
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.net import Net
    from zoo.report import LoadReport

__all__ = ["add_net_files", "add_partial", "check_one_of", "definition_of", "tell_partial"]


def add_net_files(parser: Any) -> None:
    """`--net` and `--weights`, for commands that take files instead of a model."""
    parser.add_argument("--net", metavar="FILE", help="a definition (.prototxt) instead of a model")
    parser.add_argument("--weights", metavar="FILE", help="its weights (.caffemodel)")


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
        raise UsageError(f"{name!r} is a file, not {word}: give it as --net {name}")


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
    from zoo.registry.cache import Cache
    from zoo.registry.card import Card
    from zoo.registry.catalogue import Registry
    from zoo.registry.contents import definition_file, train_val_file

    shapes = shapes_of(args.shapes)
    if args.net is not None:
        net = Net.read(args.net, args.weights, shapes=shapes, partial=args.partial, **state)
        return net, args.net

    def file_of(names: list[str], card: Card) -> str:
        wanted = train_val_file(names) if state["phase"] == "train" else None
        return wanted or definition_file(names, card)

    directory = Path(args.name)
    cached = None if (directory / "readme.md").is_file() else Cache().get(args.name)
    if cached is not None:
        directory = cached.directory
    if (directory / "readme.md").is_file():
        names = sorted(path.name for path in directory.iterdir())
        path = directory / file_of(names, Card.read(directory / "readme.md"))
        return Net.read(path, shapes=shapes, **state), str(path)
    found = Registry(args.source).find(args.name)
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
