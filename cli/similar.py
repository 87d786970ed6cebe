"""`zoo similar`: what is like a picture, or like each other, in a file of features."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources, positive_argument
from zoo.cli.output import Column, Output
from zoo.cli.progress import counting, transferring, waiting
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.transfer.features import Features
    from zoo.transfer.similar import Comparable

__all__ = ["NAME", "add", "run"]

NAME = "similar"
_NEAREST = 10
_PAIRS = 1000
_COLUMNS = (Column("file"), Column("label"), Column("similarity", right=True))
_PAIR_COLUMNS = (*_COLUMNS[:2], Column("like"), *_COLUMNS[1:])


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="find pictures that are like one, pictures stored twice, or draw a map of all",
        description="Works on a file that `zoo features` wrote. Similarity is the cosine between"
        " features, 1 for pictures that are the same; with --binary it is the share of equal bits"
        " of binary codes. A picture goes through the model, blob, pooling and preprocessing that"
        " the file records; other weights are refused.",
        example="zoo similar new.jpg --in feats.h5\n"
        "zoo similar --in feats.h5 --duplicates --above 0.99\n"
        "zoo similar --in feats.h5 --blob fire9/concat --map map.png",
    )
    parser.add_argument("image", nargs="?", metavar="IMAGE", help="what is looked for")
    parser.add_argument(
        "--in",
        dest="features",
        required=True,
        metavar="FILE",
        help="where: a file of `zoo features`",
    )
    parser.add_argument(
        "--duplicates", action="store_true", help="list pairs that are nearly the same"
    )
    parser.add_argument("--map", metavar="PNG", help="draw all rows, those that are alike together")
    parser.add_argument("--blob", metavar="BLOB", help="which blob, if the file has several")
    parser.add_argument(
        "-n",
        "--count",
        type=positive_argument,
        metavar="N",
        help=f"how many to list (default: {_NEAREST} rows, {_PAIRS} pairs)",
    )
    parser.add_argument(
        "--above",
        type=float,
        default=0.98,
        metavar="S",
        help="the least similarity of duplicates (default: 0.98)",
    )
    parser.add_argument(
        "--binary", action="store_true", help="compare by the signs of the centred features"
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="the model that made the file, or its directory, where the file does not say enough",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.feature_file import read_features
    from zoo.transfer.similar import comparable
    from zoo.visual.picture_files import check_png

    if sum((args.image is not None, args.duplicates, args.map is not None)) != 1:
        raise UsageError(
            "say one thing to do: IMAGE for what is like a picture, --duplicates or --map PNG."
            " `zoo similar --help` shows how they are used."
        )
    output = Output.of(args)
    if args.map is not None:
        check_png(args.map)
    features = read_features(args.features)
    among = comparable(features, args.blob, binary=args.binary)
    if among.left_out:
        more = f" and {len(among.left_out) - 3} more" if len(among.left_out) > 3 else ""
        output.warning(
            f"{len(among.left_out)} rows are all zero or not finite and are left out:"
            f" {', '.join(among.left_out[:3])}{more}"
        )
    facts = {"features": args.features, "blob": among.blob, "binary": args.binary}
    facts |= {"rows": len(among), "left_out": among.left_out}
    if args.image is not None:
        _show_nearest(args, features, among, facts, output)
    elif args.duplicates:
        _show_duplicates(args, among, facts, output)
    else:
        _draw_map(args, among, facts, output)
    return 0


def _show_nearest(
    args: argparse.Namespace,
    features: Features,
    among: Comparable,
    facts: dict[str, Any],
    output: Output,
) -> None:
    from zoo.transfer.feature_origin import model_of_features, picture_features
    from zoo.transfer.similar import nearest

    with transferring(output) as progress:
        model = model_of_features(features, args.model, args.source, progress)
    if not features.about.get("model_sha256"):
        output.warning(
            f"{args.features} does not say which weights made it; they are taken to be those of"
            f" {model.name}."
        )
    with waiting(output, "running the picture"):
        values = picture_features(model, features, among.blob, args.image)
    found = nearest(among, values, args.count or _NEAREST)
    if output.as_json:
        rows = [neighbour._asdict() for neighbour in found]
        output.document(facts | {"image": args.image, "model": model.name, "neighbours": rows})
        return
    output.table(_COLUMNS, [[each.file, each.label, f"{each.similarity:.4f}"] for each in found])


def _show_duplicates(
    args: argparse.Namespace, among: Comparable, facts: dict[str, Any], output: Output
) -> None:
    from zoo.transfer.similar import duplicates

    with counting(output, "comparing rows") as progress:
        found = duplicates(among, args.above, args.count or _PAIRS, progress=progress)
    if output.as_json:
        pairs = [
            {"first": first._asdict(), "second": second._asdict(), "similarity": similarity}
            for first, second, similarity in found.pairs
        ]
        output.document(facts | {"above": args.above, "count": found.count, "pairs": pairs})
        return
    rows = [
        [first.file, first.label, second.file, second.label, f"{similarity:.4f}"]
        for first, second, similarity in found.pairs
    ]
    output.table(_PAIR_COLUMNS, rows)
    output.note(f"{found.count:,} pairs of {len(among):,} rows have {args.above:g} or more.")
    if found.count > len(found.pairs):
        output.note(f"The {len(found.pairs):,} most similar are listed; -n lists more.")


def _draw_map(
    args: argparse.Namespace, among: Comparable, facts: dict[str, Any], output: Output
) -> None:
    from zoo.transfer.similar import positions
    from zoo.visual.picture_files import write_points

    with waiting(output, "arranging rows (t-SNE)"):
        points = positions(among)
    title = f"{Path(args.features).name}: {among.blob}, {len(among):,} rows"
    write_points(args.map, points, among.labels, title)
    if output.as_json:
        rows = [
            {"row": int(row), "file": file, "label": label, "x": float(x), "y": float(y)}
            for row, file, label, (x, y) in zip(
                among.numbers, among.files, among.labels, points, strict=True
            )
        ]
        output.document(facts | {"output": args.map, "points": rows})
    else:
        output.line(args.map)
