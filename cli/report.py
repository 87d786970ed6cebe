"""`zoo report`: what a run did, as one HTML file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output
from zoo.cli.progress import waiting

if TYPE_CHECKING:
    from zoo.transfer.run_report.build import Report

__all__ = ["NAME", "add", "run"]

NAME = "report"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show what a training run did: curves, mistakes, classes, calibration, speed",
        description="One HTML file that needs nothing else, made of what lies in the directory of"
        " the run, finished or not. The pictures are written as PNG too.",
        example="zoo report clothes\nzoo report .clothes.unfinished -o so_far.html",
    )
    parser.add_argument(
        "directory",
        metavar="RUN_DIR",
        help="what `zoo finetune -o` or `zoo train --run-dir` made",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the page; by default RUN_DIR/report.html"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.run_report.build import build_report

    output = Output.of(args)
    with waiting(output, "drawing"):
        report = build_report(args.directory, args.output)
    if output.as_json:
        output.document(_facts(report))
        return 0
    for finding in report.findings:
        output.warning(str(finding))
    if not report.run.is_finished:
        output.note("the run is not finished")
    output.line(str(report.path))
    return 0


def _facts(report: Report) -> dict[str, Any]:
    run = report.run
    return {
        "report": report.path,
        "pictures": report.pictures,
        "kind": run.facts.get("kind"),
        "finished": run.is_finished,
        "results": run.results,
        "best": run.metrics.get("best"),
        "validation": run.metrics.get("validation"),
        "findings": [finding.to_record() for finding in report.findings],
        "broken_lines": run.broken,
    }
