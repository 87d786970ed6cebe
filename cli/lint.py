"""`zoo lint`: what is wrong with a readme, line by line."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NAME", "add", "run"]

NAME = "lint"
_WRONG = 2


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="tell everything that is wrong with the readme of a model, line by line",
        description="The exit code is 2 if anything is wrong.",
        example="zoo lint models/my_net\nzoo lint readme.md --json",
    )
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="a readme, the directory of a model, or a folder of such directories",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.lint import find_readmes

    output = Output.of(args)
    facts = [_facts(path) for path in find_readmes(args.place)]
    if output.as_json:
        output.document(facts)
    for each in facts if not output.as_json else ():
        for problem in each["problems"]:
            output.line(f"{each['path']}:{problem['line']}: {problem['text']}")
        if not each["problems"]:
            output.note(f"{each['path']}: nothing is wrong")
    return _WRONG if any(each["problems"] for each in facts) else 0


def _facts(path: Path) -> dict[str, Any]:
    """What is wrong with one readme, and what was read in it."""
    from zoo.registry.lint import lint_file

    card, problems = lint_file(path)
    return {
        "path": path,
        "kind": card.kind if card else None,
        "metadata": card.metadata if card else None,
        "models": card.models if card else [],
        "problems": [asdict(problem) for problem in problems],
    }
