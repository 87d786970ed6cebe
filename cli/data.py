"""`zoo data`: what is in a dataset, and the same dataset in another form."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import counting
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.transfer.data import Dataset
    from zoo.transfer.inspect_data import DataReport

__all__ = ["NAME", "add", "run"]

NAME = "data"
_WRONG = 2
_SIZE = (224, 224)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="inspect a dataset, convert it, show what augmentation does, or make its mean",
        description="PATH is a folder of class folders, a list (path and label), .csv, .npz, .npy,"
        " .h5, .mat, an LMDB or a LevelDB. `convert` writes an LMDB (OUT ends in .lmdb or has no"
        " ending), HDF5 (.h5) or a list (.txt); `mean` a .binaryproto or .npy; `show` a picture.",
        example="zoo data inspect photos/train --val photos/validation\n"
        "zoo data convert photos/train -o train_lmdb --size 256,256\n"
        "zoo data show photos/train -o sheet.png --size 227,227\n"
        "zoo data mean train_lmdb -o mean.binaryproto",
    )
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument("path", metavar="PATH", help="the dataset")
    parser.add_argument("--val", metavar="PATH", help="inspect: the validation data beside it")
    parser.add_argument(
        "--strict", action="store_true", help="inspect: end with 2 if pictures cannot be read"
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="what to write; never replaced")
    parser.add_argument(
        "--size", type=_size, metavar="H,W", help="warp pictures to this height and width"
    )
    parser.add_argument("--gray", action="store_true", help="convert: one channel")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="show: another draw of chance (0)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.data import open_data
    from zoo.transfer.new_output import check_new_file

    output = Output.of(args)
    if (args.output is None) != (args.action == "inspect"):
        takes = "takes no -o" if args.output else "needs -o OUT"
        raise UsageError(f"zoo data {args.action} {takes}")
    if args.output is not None:
        check_new_file(args.output)
    code: int = _ACTIONS[args.action](args, open_data(args.path), output)
    return code


def _inspect(args: argparse.Namespace, data: Dataset, output: Output) -> int:
    from zoo.transfer.data import open_data
    from zoo.transfer.inspect_data import inspect_data

    validation = open_data(args.val) if args.val else None
    with counting(output, "looking at pictures") as progress:
        report = inspect_data(data, validation, progress=progress)
    if output.as_json:
        output.document({"path": args.path, **asdict(report)})
    else:
        _show_report(report, output)
    return _WRONG if args.strict and report.corrupt else 0


def _show_report(report: DataReport, output: Output) -> None:
    facts = [("rows", f"{report.rows:,}"), ("source", report.kind)]
    if report.mean:
        for name, (least, middle, most) in (("height", report.heights), ("width", report.widths)):
            facts.append((name, f"{least:g} to {most:g}, median {middle:g}"))
        facts.append(("mean (BGR)", ", ".join(f"{value:.1f}" for value in report.mean)))
        facts.append(("deviation", ", ".join(f"{value:.1f}" for value in report.deviation)))
    for index, (least, most) in enumerate(report.label_range):
        facts.append((f"label {index}", f"{least:g} to {most:g}"))
    output.facts(facts)
    if report.class_counts:
        output.line("")
        rows = [[name, str(count)] for name, count in report.class_counts.items()]
        output.table((Column("class"), Column("rows", True)), rows)
    for problem in report.problems:
        output.warning(problem)
    for reason in list(report.corrupt.values())[:10]:
        output.warning(reason)


def _convert(args: argparse.Namespace, data: Dataset, output: Output) -> int:
    from zoo.transfer.convert_data import convert_data, form_of

    with counting(output, "converting") as progress:
        done = convert_data(data, args.output, size=args.size, gray=args.gray, progress=progress)
    _tell(output, done, f"{len(data):,} rows", format=form_of(done), rows=len(data))
    return 0


def _mean(args: argparse.Namespace, data: Dataset, output: Output) -> int:
    from zoo.caffe.mean import channel_mean, write_mean
    from zoo.transfer.mean_data import mean_picture

    with counting(output, "adding up pictures") as progress:
        mean = mean_picture(data, args.size, progress=progress)
    write_mean(args.output, mean)
    channels = channel_mean(mean)
    text = ", ".join(f"{value:.1f}" for value in channels)
    _tell(output, Path(args.output), f"mean of blue, green, red: {text}", channels=channels)
    return 0


def _show(args: argparse.Namespace, data: Dataset, output: Output) -> int:
    from PIL import Image

    from zoo.caffe.replacing import replacing
    from zoo.input_spec import InputSpec
    from zoo.transfer.augment import Augment
    from zoo.transfer.mean_data import sheet

    height, width = args.size or _SIZE
    spec = InputSpec((height, width), resize=(round(height * 1.15), round(width * 1.15)))
    with replacing(args.output) as partial:
        picture = sheet(data, spec, Augment(scale=(1, 1.2), colour=0.2), seed=args.seed)
        Image.fromarray(picture).save(partial, "PNG")
    _tell(output, Path(args.output), "first column: without augmentation; then with it")
    return 0


def _tell(output: Output, path: Path, text: str, **facts: Any) -> None:
    if output.as_json:
        output.document({"output": path, **facts})
    else:
        output.line(str(path))
        output.note(text)


def _size(text: str) -> tuple[int, int]:
    parts = text.replace("x", ",").split(",")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected a height and a width, received {text!r}")
    return int(parts[0]), int(parts[1])


_ACTIONS = {"inspect": _inspect, "convert": _convert, "show": _show, "mean": _mean}
