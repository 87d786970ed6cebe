"""`zoo doctor`: is all here that zoo needs, and what is wrong with a run?"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import waiting

__all__ = ["NAME", "add", "run"]

NAME = "doctor"
_NOT_AVAILABLE = 4
_MARKS = {True: "ok", False: "PROBLEM", None: ""}


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="look at versions, GPU, disk and cache, or at what went wrong with a training run, and"
        " say what to do",
        description="With RUN it tells again what was seen to go wrong while that run trained,"
        " whether it is finished or not; docs/diagnosis.md explains each finding.",
        example="zoo doctor\nzoo doctor --json\nzoo doctor clothes",
    )
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="RUN",
        help="the directory of a run: zoo finetune -o DIR, zoo train --run-dir DIR",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    output = Output.of(args)
    if args.directory is not None:
        _tell_of_run(args.directory, output)
        return 0
    return _look_around(output)


def _tell_of_run(directory: str, output: Output) -> None:
    from zoo.transfer.run_report.stored_run import read_run

    run = read_run(directory)
    # A run that was gone on with may have found the same again.
    seen = {(each.stage, each.name, each.iteration): each for each in run.findings}
    findings = list(seen.values()) or run.history.findings()
    if output.as_json:
        output.document(
            {
                "run": run.directory,
                "finished": run.is_finished,
                "findings": [finding.to_record() for finding in findings],
            }
        )
        return
    for finding in findings:
        output.line(*f"{finding.name}: {finding}".splitlines())
    if not run.is_finished:
        output.note(f"{run.directory} is not finished")
    if not findings:
        output.note("nothing was seen to go wrong")


def _look_around(output: Output) -> int:
    from zoo.api import doctor

    with waiting(output, "looking at TensorFlow and the machine"):
        checks = doctor()
    if output.as_json:
        output.document([asdict(check) for check in checks])
    else:
        columns = (Column("what"), Column("state"), Column("found"))
        output.table(columns, [[check.name, _MARKS[check.ok], check.value] for check in checks])
    problems = [check for check in checks if check.ok is False]
    for check in problems:
        output.warning(f"{check.name}: {check.hint}")
    return _NOT_AVAILABLE if problems else 0
