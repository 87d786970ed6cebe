"""Tables, JSON and progress, on a terminal and elsewhere."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.output import Column, Output
from zoo.cli.progress import counting, transferring, waiting

COLUMNS = (Column("name"), Column("size", right=True))


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Makes stdout a terminal; called by the test, because pytest sets stdout after fixtures."""

    def look():
        monkeypatch.setattr(sys, "stdout", Terminal())
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        return sys.stdout

    return look


def test_a_table_is_tab_separated_where_nobody_looks(capsys):
    Output().table(COLUMNS, [("a b", "1"), ("c", "22")])
    assert capsys.readouterr().out == "name\tsize\na b\t1\nc\t22\n"


def test_a_table_has_aligned_columns_on_a_terminal(terminal):
    stream = terminal()
    Output().table(COLUMNS, [("a b", "1"), ("c", "22")])
    lines = stream.getvalue().splitlines()
    assert "\x1b[1m" in lines[0]
    assert [line.rstrip() for line in lines[1:]] == ["a b      1", "c       22"]


def test_quiet_has_no_headings_and_no_notes(capsys):
    output = Output(quiet=True)
    output.table(COLUMNS, [("a", "1")])
    output.note("a note")
    output.warning("a warning")
    output.error("an error")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a\t1\n", "zoo: an error\n")


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/]", ":smile:", "[link=file:///x]y[/link]"])
def test_nothing_is_taken_as_markup(terminal, text):
    stream = terminal()
    Output().table((Column("a"),), [(text,)])
    Output().facts([("a", text)])
    Output().line(text)
    assert stream.getvalue().count(text) == 3


def test_control_characters_cannot_steer_the_terminal(terminal):
    stream = terminal()
    Output().table((Column("a"),), [("\x1b]0;owned\x07",)])
    assert "\x1b]" not in stream.getvalue()
    assert r"\x1b]0;owned\x07" in stream.getvalue()


def test_a_cell_stays_on_its_line(capsys):
    Output(quiet=True).table(COLUMNS, [("two\nlines\tand a tab", "1")])
    assert capsys.readouterr().out == "two lines and a tab\t1\n"


def test_a_message_of_several_lines_keeps_them(capsys):
    Output().error("first:\n  conv\x1b[1m: second")
    assert capsys.readouterr().err == "zoo: first:\n  conv\\x1b[1m: second\n"


def test_a_file_name_that_is_no_text_can_be_printed(capsys):
    Output().line(os.fsdecode(b"caf\xe9.jpg"))
    assert capsys.readouterr().out == "caf\\udce9.jpg\n"


def test_json_has_no_numbers_that_json_lacks(capsys):
    Output(as_json=True).document({"a": float("nan"), "b": (1.5, float("inf")), "c": Path("x")})
    written = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert written == {"a": None, "b": [1.5, None], "c": "x"}


def test_a_closed_stdout_loses_the_result_and_a_closed_stderr_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    for write in (
        lambda: Output().line("nobody hears this"),
        lambda: Output().table(COLUMNS, [("a", "1")]),
    ):
        with pytest.raises(OSError, match="stdout is closed"):
            write()
    Output().error("nobody hears this either")


def test_without_a_terminal_there_is_no_progress(capsys):
    output = Output()
    with transferring(output) as report:
        report("file", 1, None)
    with counting(output, "counting") as report:
        report(1, 2)
    with waiting(output, "waiting"):
        pass
    assert capsys.readouterr().err == ""


def on_a_terminal(code):
    """What a process writes to stdout, and to a stderr that is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(ours)
        out = process.stdout.read()
    assert process.returncode == 0, written.decode()
    return out, written.decode()


def test_bytes_move_on_a_terminal_and_the_result_stays_clean(models):
    code = (
        "from zoo.cli.main import main;"
        f"raise SystemExit(main(['fetch', 'tiny', '--source', {str(models)!r}]))"
    )
    out, err = on_a_terminal(code)
    assert out.endswith("models/tiny\n")
    assert out.count("\n") == 1
    assert "tiny.caffemodel" in err
    assert "kB" in err


def test_quiet_moves_nothing(models):
    code = (
        "from zoo.cli.main import main;"
        f"raise SystemExit(main(['fetch', 'tiny', '--quiet', '--source', {str(models)!r}]))"
    )
    assert on_a_terminal(code)[1] == ""


def test_counting_shows_the_rate_and_makes_way_for_lines():
    code = """
import time
from zoo.cli.output import Output
from zoo.cli.progress import counting
output = Output()
with counting(output, "classifying") as report:
    for done in range(1, 5):
        time.sleep(0.1)
        report(done, 4)
        output.note(f"line {done}")
"""
    _, err = on_a_terminal(code)
    assert "4/4" in err
    assert "/s" in err
    assert all(f"note: line {done}\r\n" in err for done in range(1, 5))
