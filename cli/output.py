"""What a command prints: tables for people, plain lines for pipes, JSON for programs.

Results go to stdout; notes, warnings, errors and progress to stderr. On a terminal tables are laid
out by rich. Everywhere else they are lines of cells between tabs under a line of headings, without
colour, so that `grep`, `cut` and golden tests can rely on them. Nothing that comes from a card, a
definition or a file name is taken as markup, and its control characters are made visible.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Column", "Output", "count_text", "is_terminal", "printable", "size_text"]


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers stand to the right, and on a terminal some find no room."""

    title: str
    right: bool = False
    piped_only: bool = False


class Output:
    """The two streams and the way in which the user wants to be answered.

    Parameters
    ----------
    as_json : one JSON document on stdout.
    quiet : the bare result.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.display: Progress | None = None
        """What moves at the bottom of the terminal; it makes way for each line."""

    @classmethod
    def of(cls, args: argparse.Namespace) -> Output:
        """As the shared options say."""
        return cls(as_json=args.json, quiet=args.quiet)

    def document(self, value: Any) -> None:
        """Print the one JSON document; numbers that JSON lacks become null."""
        self._result(json.dumps(_plain(value), indent=2, allow_nan=False) + "\n")

    def line(self, *texts: str) -> None:
        """Print lines of the result."""
        self._result("".join(printable(text) + "\n" for text in texts))

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Print a table: with borders of blanks on a terminal, tab separated elsewhere."""
        if is_terminal(sys.stdout):
            self._rich_table(columns, rows)
            return
        headings = [] if self.quiet else [[column.title for column in columns]]
        self._result("".join(map(_line, (*headings, *rows))))

    def row(self, cells: Iterable[str]) -> None:
        """Print a line of cells with tabs between."""
        self._result(_line(cells))

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values, one pair a line."""
        pairs = [(printable(name), printable(value)) for name, value in pairs]
        if is_terminal(sys.stdout):
            width = max((len(name) for name, _ in pairs), default=0)
            lines = [f"{name.ljust(width)}  {value}" for name, value in pairs]
        else:
            lines = [f"{name}\t{value}" for name, value in pairs]
        self._result("".join(line + "\n" for line in lines))

    def note(self, text: str) -> None:
        """Tell what was assumed or done, unless the user wants quiet."""
        if not self.quiet:
            self._tell(f"note: {_lines(text)}\n")

    def warning(self, text: str) -> None:
        """Tell what is probably not wanted, unless the user wants quiet."""
        if not self.quiet:
            self._tell(f"warning: {_lines(text)}\n")

    def error(self, text: str) -> None:
        """Tell what went wrong, in any case."""
        self._tell(f"zoo: {_lines(text)}\n")

    @property
    def shows_progress(self) -> bool:
        """Whether somebody looks at stderr and wants to see how far it is."""
        return not self.quiet and is_terminal(sys.stderr)

    def _rich_table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=not self.quiet, header_style="bold")
        shown = [not column.piped_only for column in columns]
        for index, column in enumerate(compress(columns, shown)):
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=index == 0 or column.right,
            )
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in compress(row, shown)))
        with self._making_way(sys.stdout):
            _console(sys.stdout).print(table)

    def _result(self, text: str) -> None:
        if sys.stdout is None:  # closed by whoever started the process, who would miss it
            raise OSError(errno.EBADF, "the output cannot be written: stdout is closed")
        self._write(sys.stdout, text)

    def _tell(self, text: str) -> None:
        if sys.stderr is not None:
            self._write(sys.stderr, text)

    def _write(self, stream: IO[str], text: str) -> None:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            with self._making_way(stream):
                stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
                stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, f"the output cannot be written: {error.strerror}") from error

    @contextmanager
    def _making_way(self, stream: IO[str] | None) -> Iterator[None]:
        display = self.display
        if display is None or not is_terminal(stream):
            yield
            return
        display.stop()
        yield
        display.start()


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a person reads what is written there."""
    return stream is not None and stream.isatty()


def printable(text: str) -> str:
    """One line without control characters, which could otherwise steer the terminal.

    >>> printable("a\\tb\\x1b[31m")
    'a b\\\\x1b[31m'
    """
    text = " ".join(text.split()) if any(blank in text for blank in "\t\n\r\v\f") else text
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or "\ud800" <= character <= "\udfff"
        else repr(character)[1:-1]
        for character in text
    )


def size_text(count: int | None) -> str:
    """A number of bytes in three figures.

    >>> size_text(4_996_432), size_text(512), size_text(999_999), size_text(None)
    ('5.0 MB', '512 B', '1.0 MB', '')
    """
    if count is None:
        return ""
    if count < 1000:
        return f"{count} B"
    value, prefixes = count / 1000, "kMGTPE"
    while value >= 999.95:
        value, prefixes = value / 1000, prefixes[1:]
    return f"{value:.1f} {prefixes[0]}B"


def count_text(count: int) -> str:
    """A large count in three figures.

    >>> count_text(0), count_text(999), count_text(4096), count_text(105_415_200)
    ('', '999', '4.10 k', '105 M')
    """
    if count < 1000:
        return str(count or "")
    value, prefixes = count / 1000, "kMGTPE"
    while value >= 999.5:
        value, prefixes = value / 1000, prefixes[1:]
    figures = f"{value:#.3g}".rstrip(".")
    return f"{figures} {prefixes[0]}"


def _line(cells: Iterable[str]) -> str:
    """A line of cells with tabs between."""
    return "\t".join(map(printable, cells)) + "\n"


def _lines(text: str) -> str:
    """A message; those of several lines keep their indentation."""
    lines = [(line, line.lstrip(" ")) for line in text.splitlines()]
    return "\n".join(line[: len(line) - len(body)] + printable(body) for line, body in lines)


def _console(stream: IO[str] | None) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=False)


def _plain(value: Any) -> Any:
    """The same in what JSON has: NaN and infinities are null, paths text, tuples lists."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
