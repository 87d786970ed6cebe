"""`zoo finetune`: a model of your own from one of the zoo and labelled pictures."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import (
    add_command,
    add_device,
    add_plan,
    add_sources,
    positive_argument,
)
from zoo.cli.output import Column, Output, count_text
from zoo.cli.progress import counting_parts, transferring
from zoo.transfer.presets import preset

if TYPE_CHECKING:
    from zoo.transfer.finetune import Run
    from zoo.transfer.rates import RateRow

__all__ = ["NAME", "add", "run"]

NAME = "finetune"
_PLAN = (
    Column("stage"),
    Column("group"),
    Column("layers", True),
    Column("params", True),
    Column("rate", True),
    Column("frozen"),
)
_RESULTS = (Column("what"), Column("accuracy", True), Column("kept"))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    usual = preset().stages[-1]
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="tune a model to the classes of your own pictures, in two stages",
        description="First the new classifier alone, on features that are computed once, then all"
        " of the net at small rates; the better of the two is kept. DATA is a folder of class"
        " folders, a list of paths and labels, .csv, .npz, .h5, LMDB or LevelDB. The result is a"
        " model directory.",
        example="zoo finetune squeezenet_v1.0 photos/train --val photos/validation -o clothes\n"
        "zoo finetune lenet_digits digits.npz --plan head -o five_to_nine --dry-run\n"
        "zoo classify clothes shirt.jpg",
    )
    parser.add_argument("name", metavar="MODEL", help="a model, or its directory")
    parser.add_argument("data", metavar="DATA", help="what to train on")
    parser.add_argument(
        "--val", metavar="DATA", help="what to choose by; without it a fifth of DATA is left out"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="the model directory to make"
    )
    add_plan(parser)
    parser.add_argument(
        "--original-rate",
        type=float,
        metavar="RATE",
        help="what the model was trained at; a new classifier gets a tenth of it, the rest a"
        " hundredth",
    )
    parser.add_argument(
        "--epochs",
        type=positive_argument,
        metavar="N",
        help="passes of each stage through the net; by default as the plan says, two-stage"
        f" {usual.epochs}",
    )
    parser.add_argument(
        "--batch",
        type=positive_argument,
        metavar="N",
        help="pictures at a time in these; by default as the plan says, two-stage"
        f" {usual.batch_size}",
    )
    parser.add_argument(
        "--precision",
        choices=("full", "mixed"),
        help="mixed computes in bfloat16, faster on a recent GPU (full)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all chance (0)")
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished run")
    parser.add_argument("--dry-run", action="store_true", help="only show the plan")
    add_device(parser)
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import load
    from zoo.build.predict import device_scope
    from zoo.transfer.finetune import fine_tune

    output = Output.of(args)
    with transferring(output) as progress:
        model = load(args.name, args.source, progress=progress)
    try:
        with device_scope(args.device), counting_parts(output, "reading data") as told:
            done = fine_tune(
                model,
                args.data,
                args.val,
                output=args.output,
                stages=args.stages or args.plan,
                seed=args.seed,
                original_rate=args.original_rate,
                epochs=args.epochs,
                batch_size=args.batch,
                precision=args.precision,
                resume=args.resume,
                dry_run=args.dry_run,
                planned=lambda planned: _show_plan(planned, output),
                told=lambda record: output.note(_epoch_text(record)),
                found=lambda finding: output.warning(str(finding)),
                progress=told,
            )
    except KeyboardInterrupt:
        output.note("the last finished epoch is kept; the same command with --resume goes on")
        raise
    if args.json:
        output.document(_facts(done))
    elif not args.dry_run:
        rows = (
            (name, f"{value:.2%}", "yes" if name == done.best else "")
            for name, value in done.results.items()
        )
        output.table(_RESULTS, rows)
        output.line(str(done.directory))
    return 0


def _show_plan(run: Run, output: Output) -> None:
    for note in run.notes:
        output.note(note)
    if not output.as_json and not output.quiet:
        rows = [
            (
                stage,
                row.group,
                str(len(row.layers)),
                count_text(row.parameters),
                _rate_text(row),
                "yes" if row.frozen else "",
            )
            for stage, table in run.tables.items()
            for row in table
        ]
        output.table(_PLAN, rows)


def _rate_text(row: RateRow) -> str:
    if math.isnan(row.rate):
        return "measured" if row.group == "statistics" else "solved"
    return f"{row.rate:g}"


def _epoch_text(record: dict[str, Any]) -> str:
    text = f"{record['stage']}, epoch {record['epoch']}: "
    if "loss" in record:
        text += f"loss {record['loss']:.3f}, "
    return text + (
        f"validation {record['val_accuracy']:.1%} (loss {record['val_loss']:.3f}),"
        f" {record['seconds']:.1f} s"
        + (f", waited {100 * record['waited']:.0f} % for data" if "waited" in record else "")
    )


def _facts(run: Run) -> dict[str, Any]:
    return {
        "directory": run.directory,
        "classes": run.classes,
        "plan": {
            stage: [
                {
                    "group": row.group,
                    "layers": row.layers,
                    "parameters": row.parameters,
                    "rate": row.rate,
                    "frozen": row.frozen,
                }
                for row in table
            ]
            for stage, table in run.tables.items()
        },
        "results": run.results,
        "best": run.best or None,
        "log": run.log,
        "findings": [finding.to_record() for finding in run.findings],
        "notes": run.notes,
    }
