"""What the commands' arguments have in common: the parser, `--source`, `--json`, shapes.

The parser differs from argparse's in five ways: a mistake is raised as a `UsageError`, so that it
ends like any other; an option is never abbreviated, so that scripts survive new ones; options and
arguments may be mixed; all that is missing is told at once; an unknown command, option or choice is
answered with the nearest known one.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from zoo.errors import UsageError, did_you_mean

__all__ = [
    "Parser",
    "add_batch",
    "add_command",
    "add_device",
    "add_engine",
    "add_plan",
    "add_shared",
    "add_sources",
    "place_argument",
    "positive_argument",
    "shape_argument",
    "shapes_of",
]

Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises and suggests; `prog` with a space in it is a command's."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)
        self._mixing = False
        self._alternatives: dict[str, tuple[str, ...]] = {}

    def require_one(self, called: str, *names: str) -> None:
        """Count several arguments, of which the command asks for one, to what is missing.

        Where nothing else is, the command itself says what it expects.
        """
        self._alternatives[called] = names

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments."""
        end = "" if message.endswith((".", "?")) else "."
        raise UsageError(f"{message}{end} `{self.prog} --help` shows how it is used.")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse a command's arguments in any order (`zoo classify m a.jpg --top 3 b.jpg`)."""
        if " " not in self.prog or self._mixing:
            return super().parse_known_args(args, namespace)
        words = _shielded(list(args or ()))
        # argparse tells what is missing of the options first, and counts optional words as well.
        required = [action for action in self._actions if action.required]
        self._mixing = True
        try:
            for action in required:
                action.required = False
            parsed, rest = self.parse_known_intermixed_args(words, namespace)
        finally:
            self._mixing = False
            for action in required:
                action.required = True
        if rest:
            self.error(self._unknown(_bare(rest[0])))
        self._require(required, parsed)
        return argparse.Namespace(**{key: _bare(value) for key, value in vars(parsed).items()}), []

    def _require(self, required: Sequence[argparse.Action], parsed: argparse.Namespace) -> None:
        missing = [
            _called(action)
            for action in required
            if action.nargs != argparse.ZERO_OR_MORE and getattr(parsed, action.dest) is None
        ]
        without = [
            called
            for called, names in self._alternatives.items()
            if all(getattr(parsed, name) is None for name in names)
        ]
        if missing:
            told = ", ".join([*without, *missing])
            self.error(f"the following arguments are required: {told}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        value = _bare(value)
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        raise argparse.ArgumentError(
            action if action.option_strings else None,
            f"invalid choice: {value!r}.{did_you_mean(str(value), choices)} Expected"
            f" {', '.join(choices)}.",
        )

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"one argument too many: {argument!r}"
        option = argument.partition("=")[0]
        return f"there is no option {option}.{did_you_mean(option, self._option_string_actions)}"


def _called(action: argparse.Action) -> str:
    """What the help calls an argument."""
    if action.metavar is None and action.choices:
        return f"{{{','.join(map(str, action.choices))}}}"
    return "/".join(action.option_strings) or str(action.metavar or action.dest)


# Parsing in any order loses sight of the "--" behind which nothing is an option, so what stands
# there and looks like one gets a sign in front for as long as it lasts. No argument can hold a NUL.
_SHIELD = "\0"


def _shielded(words: list[str]) -> list[str]:
    if "--" not in words:
        return words
    dashes = words.index("--")
    return words[:dashes] + [_SHIELD + word for word in words[dashes + 1 :]]


def _bare(value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix(_SHIELD)
    return [_bare(item) for item in value] if isinstance(value, list) else value


def add_shared(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """The options that stand before or after the command's name.

    What a command's own parser does not see must not undo what stood before its name, so only the
    `top` parser has defaults.
    """
    default: Any = False if top else argparse.SUPPRESS
    group = parser.add_argument_group("for every command")
    for flag, meaning in (
        ("--json", "print one JSON document; errors become one too"),
        ("--quiet", "print the bare result: no notes, no progress, no headings"),
        ("--debug", "show the traceback of an error"),
    ):
        group.add_argument(flag, action="store_true", default=default, help=meaning)


def add_command(
    subparsers: Any, name: str, run: Run, *, help: str, example: str, description: str = ""
) -> Parser:
    """A parser for one command.

    Parameters
    ----------
    subparsers : what `add_subparsers` gave.
    run : called with the parsed arguments, returns the exit code.
    help : one line for the list of commands.
    example : command lines to show, one a line.
    description : more than the one line, if more is to be said.
    """
    indented = "\n".join(f"  {line}" for line in example.splitlines())
    summary = help[0].upper() + help[1:] + "."
    parser: Parser = subparsers.add_parser(
        name,
        help=help,
        description=textwrap.fill(f"{summary} {description}", 80),
        epilog=f"examples:\n{indented}",
    )
    add_shared(parser, top=False)
    parser.add_argument(
        "--plugin",
        dest="plugins",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file with kinds of layer of your own, which is run; repeatable",
    )
    parser.set_defaults(run=run)
    return parser


def add_sources(parser: argparse.ArgumentParser) -> None:
    """`--source`, for every command that takes a model."""
    parser.add_argument(
        "--source",
        action="append",
        type=place_argument,
        default=[],
        metavar="PLACE",
        help="where to look for models: a folder of model directories or the http(s) address of"
        " one; several are searched in order, the models that come with zoo last",
    )


def add_plan(parser: argparse.ArgumentParser) -> None:
    """`--stages` and `--plan`, for commands that train in stages."""
    plan = parser.add_mutually_exclusive_group()
    plan.add_argument("--stages", metavar="YAML", help="a file with the stages; docs/finetune.md")
    plan.add_argument(
        "--plan",
        default="two-stage",
        metavar="NAME",
        help="two-stage (default), head, all, scratch, last:K, first:K, gradual or bit",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`, for commands that run a network."""
    parser.add_argument("--device", help="cpu or gpu:0; by default what TensorFlow chooses")


def add_batch(parser: argparse.ArgumentParser) -> None:
    """`--batch`, for commands that run a network over many pictures."""
    parser.add_argument(
        "--batch",
        type=positive_argument,
        default=32,
        metavar="N",
        help="pictures at a time (default: 32); fewer need less memory",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """`--engine`, for commands that run a network forward."""
    parser.add_argument(
        "--engine",
        choices=("tensorflow", "onnxruntime"),
        default="tensorflow",
        help="what computes (default: tensorflow); onnxruntime gives the same numbers, often"
        " faster on a CPU, and has to be installed",
    )


def place_argument(text: str) -> str:
    """A folder or an address as it is typed; nothing would mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a folder or an address, received {text!r}")
    return text


def positive_argument(text: str) -> int:
    """A whole number of 1 or more as it is typed."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, received {text!r}")
    return int(text)


def shape_argument(text: str) -> tuple[str, tuple[int, ...]]:
    """A blob's shape as it is typed.

    >>> shape_argument("data=1,3,227,227"), shape_argument("data=1x3x227x227")
    (('data', (1, 3, 227, 227)), ('data', (1, 3, 227, 227)))
    """
    name, separator, sizes = text.rpartition("=")
    try:
        shape = tuple(int(size) for size in sizes.replace("x", ",").split(","))
    except ValueError:
        shape = ()
    if not separator or not name or not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a blob and its shape such as data=1,3,227,227, received {text!r}"
        )
    return name, shape


def shapes_of(pairs: Sequence[tuple[str, tuple[int, ...]]]) -> dict[str, tuple[int, ...]]:
    """The shapes by name; the same name twice is a mistake.

    Raises
    ------
    UsageError
    """
    shapes = dict(pairs)
    if len(shapes) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the shape of {twice!r} is given more than once")
    return shapes
