"""`zoo log`: the logs of Caffe's own training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output

if TYPE_CHECKING:
    from zoo.transfer.run_report.history import History

__all__ = ["NAME", "add", "run"]

NAME = "log"
_NUMBERS = (
    Column("what"),
    *(Column(title, True) for title in ("first", "last", "least", "at", "greatest", "at")),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="read a log of Caffe's into numbers, curves, or a report",
        description="parse: old and new logs, with tests or without, with restarts, cut off or"
        " damaged; broken lines are left out and counted. The ending of the output says what is"
        " written: .html the report, .png the curves, .json, .csv.",
        example="zoo log parse caffe.log\nzoo log parse caffe.log -o report.html\n"
        "zoo log parse caffe.log -o numbers.csv",
    )
    parser.add_argument("action", choices=("parse",), help="what to do")
    parser.add_argument("log", metavar="FILE", help="what `caffe train` wrote to its log")
    parser.add_argument("-o", "--output", metavar="FILE", help=".html, .png, .json or .csv")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.run_report.caffe_log import read_caffe_log
    from zoo.transfer.run_report.history_files import check_history_file, write_history

    output = Output.of(args)
    if args.output is not None:
        check_history_file(args.output)
    history = read_caffe_log(args.log)
    name = Path(args.log).name
    written = write_history(history, args.output, name) if args.output is not None else None
    if output.as_json:
        output.document({"log": name, "output": written, **history.to_dict()})
        return 0
    for finding in history.findings():
        output.warning(str(finding))
    if history.skipped:
        lines = "1 line is" if history.skipped == 1 else f"{history.skipped} lines are"
        number, text = history.broken[0]
        output.warning(f"{lines} broken and not read; the first is line {number}: {text[:80]}")
    if written is not None:
        output.line(str(written))
    else:
        _show(history, output)
    return 0


def _show(history: History, output: Output) -> None:
    from zoo.transfer.run_report.history_sections import number_rows

    output.facts(
        [
            ("iterations", f"{history.iteration:,}"),
            ("starts", str(len(history.starts))),
            ("tests", f"{len(history.tests):,}"),
            ("ended", history.ended),
        ]
    )
    output.line("")
    output.table(_NUMBERS, list(number_rows(history)))
