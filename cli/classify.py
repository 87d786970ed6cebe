"""`zoo classify`: what is in the pictures?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import (
    add_batch,
    add_command,
    add_device,
    add_engine,
    add_sources,
    positive_argument,
)
from zoo.cli.definition import add_partial, tell_partial
from zoo.cli.output import Output, is_terminal
from zoo.cli.progress import counting, transferring
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.classification import Classification

__all__ = ["NAME", "add", "run"]

NAME = "classify"
_HEADINGS = ("file", "rank", "score", "index", "label")


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="name what is in pictures, with probabilities",
        description="A picture that cannot be read is reported, all others are done, and the exit"
        " code is then 2.",
        example="zoo classify squeezenet_v1.0 cat.jpg --source ../models\n"
        "zoo classify squeezenet_v1.0 photos/ 'more/*.png' --top 3 --json",
    )
    parser.add_argument("name", metavar="MODEL", help="a model, or its directory")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="files, folders (to the bottom) and patterns"
    )
    parser.add_argument(
        "--top",
        type=positive_argument,
        default=5,
        metavar="N",
        help="how many classes to name for each picture (default: 5)",
    )
    parser.add_argument(
        "--crops",
        type=int,
        choices=(1, 10),
        default=1,
        help="average over the ten standard crops instead of taking the centre",
    )
    add_batch(parser)
    add_device(parser)
    add_engine(parser)
    add_partial(parser)
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import load

    output = Output.of(args)
    given = _resolved(args.images)
    with transferring(output) as progress:
        model = load(args.name, args.source, partial=args.partial, progress=progress)
    for note in model.notes:
        output.note(note)
    tell_partial(args, model.report, output)
    readable = [item for item in given if isinstance(item, Path)]
    with counting(output, "classifying") as counted:
        done = model.classify(
            readable,
            top=args.top,
            crops=args.crops,
            batch_size=args.batch,
            device=args.device,
            engine=args.engine,
            progress=counted,
        )
        failures = _show(_merged(given, done), output)
    return UsageError.exit_code if failures else 0


def _resolved(arguments: Sequence[str]) -> list[Path | Classification]:
    """Pictures, each once, and in their places the arguments that stand for none.

    Raises
    ------
    UsageError
        When no argument stands for a picture.
    """
    from zoo.classification import Classification
    from zoo.images import find_images

    found: dict[Path, Path | Classification] = {}
    problems = []
    for argument in arguments:
        try:
            for path in find_images([argument]):
                found[path] = path if path.exists() else _broken_link(path)
        except UsageError as error:
            problems.append(str(error))
            found[Path(argument)] = Classification(Path(argument), error=str(error))
    if len(problems) == len(arguments):
        raise UsageError("\n".join(problems))
    return list(found.values())


def _broken_link(path: Path) -> Classification:
    from zoo.classification import Classification

    return Classification(path, error=f"{path}: a link to a file that is not there.")


def _merged(
    given: Iterable[Path | Classification], done: Iterator[Classification]
) -> Iterator[Classification]:
    """All results in the order of the arguments."""
    for item in given:
        yield next(done) if isinstance(item, Path) else item


def _show(results: Iterable[Classification], output: Output) -> int:
    """Print each result when it is there; returns how many pictures could not be read."""
    documents, failures = [], 0
    headed = output.quiet
    for result in results:
        if result.error is not None:
            failures += 1
            output.error(result.error)
        if output.as_json:
            documents.append(_facts(result))
        elif is_terminal(sys.stdout):
            _show_to_people(result, output)
        else:
            for row in [*([] if headed else [_HEADINGS]), *_rows(result)]:
                output.row(row)
            headed = True
    if output.as_json:
        output.document(documents)
    return failures


def _show_to_people(result: Classification, output: Output) -> None:
    if result.error is None:
        lines = (
            f"  {each.score:7.2%}  {each.label or f'class {each.index}'}"
            for each in result.predictions
        )
        output.line(str(result.file), *lines)


def _rows(result: Classification) -> Iterator[tuple[str, ...]]:
    for rank, each in enumerate(result.predictions, 1):
        score = f"{each.score:.6f}"
        yield str(result.file), str(rank), score, str(each.index), each.label or ""


def _facts(result: Classification) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "file": result.file,
        "predictions": [
            {"index": each.index, "label": each.label, "score": each.score}
            for each in result.predictions
        ],
    }
    return facts if result.error is None else facts | {"error": result.error}
