"""Asking the person at the terminal, where there is one."""

from __future__ import annotations

import sys

from zoo.cli.output import Output, is_terminal, printable

__all__ = ["agreed", "may_ask"]


def may_ask(output: Output) -> bool:
    """Whether somebody is there to read a question and to answer it."""
    return not output.as_json and is_terminal(sys.stdin) and is_terminal(sys.stderr)


def agreed(question: str) -> bool:
    """Ask; only y and yes are a yes."""
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
