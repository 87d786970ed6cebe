"""`zoo probe`: how far does a linear classifier get on the blobs of a model?"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import counting_parts
from zoo.cli.reading import (
    add_blobs,
    add_model_and_data,
    add_reading,
    loaded,
    reading,
    tell_failures,
)

if TYPE_CHECKING:
    from zoo.transfer.probe import ProbeResult

__all__ = ["NAME", "add", "run"]

NAME = "probe"
_COLUMNS = (
    Column("blob"),
    Column("features", right=True),
    Column("C", right=True),
    Column("accuracy", right=True),
    Column("±", right=True),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="fit linear classifiers on blobs of a model and compare them",
        description="Accuracy is the mean over the folds of a stratified cross-validation, which"
        " chooses C too. The network runs once for all blobs.",
        example="zoo probe squeezenet_v1.0 photos/train --blob fire5/concat --blob fire9/concat\n"
        "zoo probe squeezenet_v1.0 photos/train --blob fire9/concat --val photos/val -o clothes",
    )
    add_model_and_data(parser)
    add_blobs(parser, required=False)
    parser.add_argument("--val", metavar="DATA", help="data to test on; nothing is chosen by them")
    parser.add_argument(
        "--classifier",
        choices=("logreg", "svm"),
        default="logreg",
        help="logistic regression (default) or a linear SVM",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="save the model with the best classifier as its head, for `zoo classify DIR`",
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.data import open_data
    from zoo.transfer.depths import depths
    from zoo.transfer.features import extract_features
    from zoo.transfer.new_output import check_new_folder
    from zoo.transfer.probe import probe_features, require_classes
    from zoo.transfer.probe_model import save_probe

    output = Output.of(args)
    if args.output is not None:
        check_new_folder(args.output)
    data = open_data(args.data)
    require_classes(data)
    held = None if args.val is None else open_data(args.val, classes=data.classes)
    model = loaded(args, output)
    blobs = args.blob or depths(model.net)
    with counting_parts(output, "computing features") as told:
        counted = partial(told, "computing features")
        how = {"pool": args.pool, "progress": counted, **reading(args)}
        features = extract_features(model, data, blobs, **how)
        held_features = None if held is None else extract_features(model, held, blobs, **how)
        result = probe_features(
            features,
            held_features,
            classifier=args.classifier,
            pool=args.pool,
            progress=partial(told, "fitting classifiers"),
        )
    _show(result, output)
    if args.output is not None:
        save_probe(args.output, model, result)
        output.note(f"{args.output} is the model with a classifier on {result.best.blob}.")
    return tell_failures(result.failures, output)


def _show(result: ProbeResult, output: Output) -> None:
    if output.as_json:
        output.document(
            {
                "rows": result.rows,
                "classes": dict(zip(result.classes, result.counts, strict=True)),
                "classifier": result.classifier,
                "chance": result.chance,
                "best": result.best.blob,
                "probes": [
                    {
                        "blob": probe.blob,
                        "features": probe.size,
                        "C": probe.C,
                        "accuracy": probe.accuracy,
                        "spread": probe.spread,
                        "folds": probe.folds,
                        "validation": probe.validation,
                    }
                    for probe in result.probes
                ],
            }
        )
        return
    held = result.validation_rows > 0
    rows = [
        [
            probe.blob,
            str(probe.size),
            f"{probe.C:.3g}",
            f"{probe.accuracy:.1%}",
            f"{probe.spread:.1%}",
            *([f"{probe.validation:.1%}"] if probe.validation is not None else []),
        ]
        for probe in result.probes
    ]
    output.table([*_COLUMNS, *([Column("validation", right=True)] if held else [])], rows)
    output.note(
        f"{result.rows} rows, {len(result.classes)} classes; the largest class alone gives"
        f" {result.chance:.1%}."
    )
