"""How a command ends that could not do its work: what is said, and the exit code.

0    done
1    a bug in zoo
2    usage or input wrong
3    verification failed
4    not available: network, disk, permission, memory, an optional part
130  interrupted, as shells have it
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from zoo.cli.output import Output
from zoo.errors import UsageError, ZooError
from zoo.layers.plugins import fault_of_plugin

__all__ = ["INTERRUPTED", "attempt_each", "error_facts", "exit_code", "report"]

INTERRUPTED = 130
_BUG, _NOT_AVAILABLE, _VERIFICATION = 1, 4, 3

Result = TypeVar("Result")


def report(error: BaseException, output: Output, *, debug: bool) -> int:
    """Say what went wrong; returns the exit code. Raises OSError when stdout takes nothing."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    output.error(message_of(error))
    if output.as_json:
        output.document({"error": error_facts(error)})
    if sys.stdout is not None:
        sys.stdout.flush()
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """What zoo ends with when nobody can deal with this error."""
    if isinstance(error, ZooError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if fault_of_plugin(error):
        return UsageError.exit_code
    return _NOT_AVAILABLE if isinstance(error, OSError | MemoryError) else _BUG


def error_facts(error: BaseException) -> dict[str, Any]:
    """The error as `--json` has it."""
    return {
        "type": type(error).__name__,
        "message": message_of(error),
        "exit_code": exit_code(error),
    }


def message_of(error: BaseException) -> str:
    """What a person is told."""
    if isinstance(error, ZooError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    fault = fault_of_plugin(error)
    if fault:
        return fault
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; a smaller --batch needs less."
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    first = next(iter(str(error).strip().splitlines()), "without a message")
    return (
        f"this is a bug in zoo: {type(error).__name__}: {first} ({_place(error)}). Please report it"
        " with the command you typed, what it prints with --debug added, and what `zoo doctor`"
        " prints."
    )


def attempt_each(
    names: Iterable[str], action: Callable[[str], Result], output: Output, *, debug: bool
) -> tuple[dict[str, Result], dict[str, ZooError], int]:
    """Do something with each of several models, whatever becomes of the others.

    Returns
    -------
    The results and the errors, each by name, and the exit code: 3 where a verification failed,
    else that of the first error.
    """
    results: dict[str, Result] = {}
    errors: dict[str, ZooError] = {}
    for name in dict.fromkeys(names):
        try:
            results[name] = action(name)
        except ZooError as error:
            if debug:
                traceback.print_exception(error, file=sys.stderr)
            output.error(str(error))
            errors[name] = error
    codes = [error.exit_code for error in errors.values()]
    return results, errors, _VERIFICATION if _VERIFICATION in codes else next(iter(codes), 0)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "nowhere"
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
