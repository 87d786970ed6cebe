"""`zoo evaluate`: how good is a model on pictures whose classes are known?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import counting
from zoo.cli.reading import add_model_and_data, add_reading, loaded, reading

if TYPE_CHECKING:
    from zoo.transfer.evaluate import Evaluation

__all__ = ["NAME", "add", "run"]

NAME = "evaluate"
_CLASSES = (
    Column("class"),
    Column("precision", True),
    Column("recall", True),
    Column("pictures", True),
    Column("mostly taken for"),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="measure a classifier on labelled pictures",
        description="Accuracy, loss, each class, confusion and calibration; --json has all of it.",
        example="zoo evaluate clothes photos/test\nzoo evaluate clothes photos/test --json",
    )
    add_model_and_data(parser)
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.evaluate import evaluate

    output = Output.of(args)
    model = loaded(args, output)
    with counting(output, "evaluating") as progress:
        found = evaluate(model, args.data, progress=progress, **reading(args))
    if args.json:
        output.document(found.to_dict())
        return 0
    output.facts(
        [
            ("pictures", str(found.count)),
            ("accuracy", f"{found.accuracy:.2%}"),
            ("loss", f"{found.loss:.4f}"),
            ("calibration error", f"{found.calibration_error:.4f}"),
        ]
    )
    output.table(_CLASSES, _rows(found))
    return 0


def _rows(found: Evaluation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for index, each in enumerate(found.classes):
        if not each.count and each.precision is None:
            continue  # neither there nor said: a model of 1000 classes on pictures of ten
        wrong = [count if said != index else 0 for said, count in enumerate(found.confusion[index])]
        worst = max(range(len(wrong)), key=wrong.__getitem__)
        taken = f"{found.classes[worst].label} ({wrong[worst]})" if wrong[worst] else ""
        rows.append(
            (each.label, _share(each.precision), _share(each.recall), str(each.count), taken)
        )
    return rows


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
