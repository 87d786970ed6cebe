"""`zoo`: parse, let one command do its work, end with its exit code.

Nothing heavy is imported before a command runs, so that `zoo --help` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

import zoo
from zoo.cli import (
    activations,
    advise,
    ascent,
    cache,
    check_gradient,
    cite,
    classify,
    compare,
    convert,
    data,
    diff,
    doctor,
    draw,
    evaluate,
    features,
    fetch,
    filters,
    find_rate,
    finetune,
    gradcam,
    heatmap,
    identify,
    index,
    info,
    inspect_net,
    lint,
    list_models,
    lock,
    log,
    new,
    occlusion,
    probe,
    publish,
    rank,
    remove,
    report,
    run,
    search,
    similar,
    source,
    surgery,
    top_images,
    train,
    verify,
    where,
)
from zoo.cli.arguments import Parser, add_shared
from zoo.cli.failure import exit_code
from zoo.cli.failure import report as report_failure
from zoo.cli.output import Output
from zoo.errors import UsageError, did_you_mean

__all__ = ["main"]

COMMANDS = (
    list_models,
    search,
    info,
    cite,
    fetch,
    verify,
    where,
    remove,
    cache,
    lock,
    identify,
    inspect_net,
    draw,
    run,
    compare,
    diff,
    classify,
    filters,
    activations,
    occlusion,
    gradcam,
    heatmap,
    top_images,
    ascent,
    find_rate,
    finetune,
    evaluate,
    surgery,
    convert,
    check_gradient,
    data,
    features,
    similar,
    probe,
    advise,
    rank,
    train,
    log,
    report,
    new,
    lint,
    publish,
    index,
    source,
    doctor,
)

_EXAMPLE = """\
examples:
  zoo list
  zoo fetch squeezenet_v1.0 --source ../models
  zoo classify squeezenet_v1.0 cat.jpg --source ../models

exit codes:
  0 done   1 a bug in zoo   2 usage or input wrong   3 verification failed
  4 not available (network, disk, permission, an optional part, a name that no source knows)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, without the program's name; returns its exit code.

    Examples
    --------
    >>> main(["--version"])
    zoo 0.1.0
    0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    options = words[: words.index("--")] if "--" in words else words
    # Known before parsing, so that a mistake in the arguments is answered as wanted too.
    output = Output(as_json="--json" in options, quiet="--quiet" in options)
    debug = "--debug" in options
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions and not debug:
                warnings.simplefilter("ignore")  # those of the libraries, for their programmers
            return _run(words)
    except BrokenPipeError:
        _forget_stdout()
        return 0  # the reader has seen enough: `zoo list | head`
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, output, debug)


def _run(words: Sequence[str]) -> int:
    try:
        args = _parse(words)
    except SystemExit as finished:  # --help and --version
        return int(finished.code or 0)
    for plugin in args.plugins:
        zoo.load_plugin(plugin)
    code: int = args.run(args)
    return code


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    first = next((word for word in words if not word.startswith("-")), None)
    names = [module.NAME for module in COMMANDS]
    if first is not None and first not in names:
        raise UsageError(
            f"there is no command {first!r}.{did_you_mean(first, names)}"
            f" The commands are {', '.join(names)}."
        )
    args = parser.parse_args(words)
    if first is None:
        parser.error("a command is missing")
    return args


def _parser() -> Parser:
    parser = Parser(
        prog="zoo",
        description="From the readme of a Caffe model to a working model in TensorFlow and Keras.",
        epilog=_EXAMPLE,
    )
    parser.add_argument("--version", action="version", version=f"zoo {zoo.__version__}")
    add_shared(parser, top=True)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in COMMANDS:
        module.add(subparsers)
    return parser


def _report(error: BaseException, output: Output, debug: bool) -> int:
    try:
        return report_failure(error, output, debug=debug)
    except OSError:  # stdout is what failed, so that it cannot be told there
        _forget_stdout()
        return exit_code(error)


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere instead of failing again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return  # closed or not a real stream: nothing will be flushed
