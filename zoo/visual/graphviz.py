"""Drawings by Graphviz: the text that its program `dot` reads, and running it.

Names of layers come from files of strangers: in the text boxes are numbered, and what is shown is
escaped, so that no name is taken as dot's own language.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from zoo.errors import UnavailableError
from zoo.visual.palette import BORDER, CHANGED, fill_of
from zoo.visual.scheme import Box, Scheme, clean

__all__ = ["HOW_TO_INSTALL", "dot_text", "has_dot", "run_dot"]

HOW_TO_INSTALL = (
    "Graphviz is not installed: there is no program `dot`. On Debian and Ubuntu"
    " `apt-get install graphviz` brings it, on macOS `brew install graphviz`"
)
_SECONDS = 120


def dot_text(scheme: Scheme) -> str:
    """The drawing in dot's language.

    Examples
    --------
    >>> from zoo import Net
    >>> from zoo.visual.scheme import scheme_of
    >>> text = dot_text(scheme_of(Net.read("examples/lenet_digits.prototxt")))
    >>> print(text.splitlines()[-2].strip())
    n6 -> n7
    """
    lines = [
        "digraph net {",
        f"  graph [label={_quoted(scheme.title)} labelloc=t fontname=Helvetica fontsize=14"
        " ranksep=0.35 nodesep=0.25]",
        f'  node [shape=box style="rounded,filled" color="{BORDER}" fontname=Helvetica'
        " fontsize=11 margin=0.12]",
        f'  edge [color="{BORDER}" fontname=Helvetica fontsize=9 arrowsize=0.6]',
    ]
    lines += [f"  n{number} [{_box(box)}]" for number, box in enumerate(scheme.boxes)]
    for number, block in enumerate(scheme.blocks):
        members = " ".join(f"n{member}" for member in block.members)
        lines.append(
            f"  subgraph cluster{number} {{ label={_quoted([block.name])} labeljust=l fontsize=11"
            f' style=rounded color="#b0b0b0" bgcolor="#fafafa"; {members} }}'
        )
    makes = {(arrow.tail, arrow.blob) for arrow in scheme.arrows}
    blobs = [tail for tail, _ in makes]
    for arrow in scheme.arrows:
        # Which blob it is has to be said only where a layer makes several.
        label = f" [label={_quoted([arrow.blob])}]" if blobs.count(arrow.tail) > 1 else ""
        lines.append(f"  n{arrow.tail} -> n{arrow.head}{label}")
    return "\n".join([*lines, "}"]) + "\n"


def has_dot() -> bool:
    """Whether Graphviz is installed."""
    return shutil.which("dot") is not None


def run_dot(text: str, form: str) -> bytes:
    """What dot makes of a text, as "svg" or "png". An SVG comes without reference to other files.

    Raises
    ------
    UnavailableError
        When Graphviz is not installed, or cannot draw this.
    """
    program = shutil.which("dot")
    if program is None:
        raise UnavailableError(f"{HOW_TO_INSTALL}.")
    try:
        done = subprocess.run(
            [program, f"-T{form}"],
            input=text.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"{program} was stopped after {_SECONDS} s. The network is too large for it; without -o"
            " `zoo draw` prints it as text."
        ) from error
    if done.returncode or not done.stdout:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise UnavailableError(f"{program} could not draw it: {told[0] if told else 'no output'}")
    if form != "svg":
        return done.stdout
    # The prologue names a document type on another server.
    return re.sub(rb"\A.*?(?=<svg)", b"", done.stdout, flags=re.DOTALL)


def _box(box: Box) -> str:
    attributes = [
        f"label={_quoted(box.lines())}",
        f"tooltip={_quoted([', '.join(box.layers)])}",
        f'fillcolor="{fill_of(box)}"',
    ]
    if box.unknown:
        attributes.append('style="rounded,filled,dashed"')
    if box.change:
        attributes.append(f'penwidth=3 color="{CHANGED}"')
    return " ".join(attributes)


def _quoted(lines: Sequence[str]) -> str:
    """Lines as one string of dot's, which knows escapes, and entities of HTML."""
    text = "\n".join(map(clean, lines))
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n")):
        text = text.replace(character, escape)
    return f'"{text}"'
