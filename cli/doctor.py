"""`zoo doctor`: is all here that zoo needs?"""

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
    add_command(
        subparsers,
        NAME,
        run,
        help="look at versions, GPU, disk and cache, and say what to do where something is missing",
        example="zoo doctor\nzoo doctor --json",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import doctor

    output = Output.of(args)
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
