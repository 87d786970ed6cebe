"""`zoo surgery`: apply a recipe of operations to a model, or list the operations."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Output
from zoo.cli.progress import transferring, waiting
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.surgery.check import StepCheck
    from zoo.surgery.recipe import Applied

__all__ = ["NAME", "add", "run"]

NAME = "surgery"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="operate on a model by a recipe: heads, casts, grafts, pruning and more",
        description="apply: make a new model directory. list: the operations and what they take."
        " schema: the JSON Schema of recipes. A recipe is a YAML file with a list of operations;"
        " see docs/surgery.md.",
        example="zoo surgery apply recipe.yaml squeezenet_v1.0 -o clothes --check\n"
        "zoo surgery list\nzoo surgery schema > recipe.schema.json",
    )
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="RECIPE MODEL",
        help="for apply: a YAML file, and the name or directory of a model",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="for apply: the new model directory")
    parser.add_argument(
        "--check",
        action="store_true",
        help="apply: run a probe before and after each step, and stop where a promise is not kept",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.action != "apply" and (args.words or args.output or args.check):
        raise UsageError(f"`zoo surgery {args.action}` takes nothing more.")
    _ACTIONS[args.action](args, Output.of(args))
    return 0


def _apply(args: argparse.Namespace, output: Output) -> None:
    from zoo.api import load
    from zoo.surgery.apply import apply_recipe, check_output
    from zoo.surgery.recipe import read_recipe

    if len(args.words) != 2 or not args.output:
        raise UsageError("expected `zoo surgery apply RECIPE MODEL -o DIR`.")
    recipe, directory = read_recipe(args.words[0]), check_output(args.output)
    with transferring(output) as progress:
        model = load(args.words[1], args.source, progress=progress)

    def tell(applied: Applied, check: StepCheck | None) -> None:
        output.note(f"{applied.report}")
        if check is not None:
            output.note(f"  {check}")

    with waiting(output, f"operating on {model.name}"):
        made = apply_recipe(
            recipe, model, directory, check=args.check, sources=args.source, told=tell
        )
    for note in made.notes:
        output.note(note)
    if not output.as_json:
        output.line(str(made.directory))
        return
    checks: list[dict[str, Any] | None] = [
        {"differences": check.differences, "preserving": check.preserving, "reason": check.reason}
        for check in made.checks
    ]
    checks = checks or [None] * len(made.steps)
    steps = [
        {"line": applied.step.line, **applied.report.to_dict(), "check": check}
        for applied, check in zip(made.steps, checks, strict=True)
    ]
    output.document({"directory": made.directory, "steps": steps, "notes": made.notes})


def _list(args: argparse.Namespace, output: Output) -> None:
    from zoo.surgery.operations import OPERATIONS, arguments_of, summary

    if output.as_json:
        facts = {
            name: {
                "summary": summary(name),
                "arguments": {
                    each.name: {"types": list(each.kinds), "needed": each.needed}
                    for each in arguments_of(name).values()
                },
            }
            for name in OPERATIONS
        }
        output.document(facts)
        return
    for name in OPERATIONS:
        taken = [
            each.name if each.needed else f"[{each.name}]" for each in arguments_of(name).values()
        ]
        output.line(" ".join([name, *taken]))
        output.line(f"    {summary(name)}")


def _schema(args: argparse.Namespace, output: Output) -> None:
    from zoo.surgery.operations import recipe_schema

    output.document(recipe_schema())


_ACTIONS = {"apply": _apply, "list": _list, "schema": _schema}
