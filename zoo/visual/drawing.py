"""Drawing a net into a file, with Graphviz where it is installed."""

from __future__ import annotations

from pathlib import Path

from zoo.caffe.replacing import check_target, replacing
from zoo.errors import UnavailableError
from zoo.net import Net
from zoo.visual.changes import Changed, changes
from zoo.visual.graphviz import HOW_TO_INSTALL, dot_text, has_dot, run_dot
from zoo.visual.scheme import Scheme, scheme_of
from zoo.visual.svg import html_page, svg_text
from zoo.visual.tree import tree_text

__all__ = ["ENDINGS", "check_drawing", "draw", "draw_scheme", "net_scheme", "net_tree"]

ENDINGS = (".svg", ".png", ".html")


def draw(net: Net, output: str | Path, *, changed: Changed | None = None) -> str:
    """Draw a net: boxes with shapes and params, blocks, what is frozen, what is new.

    Parameters
    ----------
    net : the network; its weights do not matter.
    output : a file .svg, .html or .png. Each stands alone. What is there is replaced once the
        drawing is done.
    changed : what to mark: layer name to a word, the report of an operation of `zoo.surgery`, or
        the net as it was before.

    Returns
    -------
    "graphviz", or "zoo" where that is not installed.

    Raises
    ------
    UsageError
        When the file has another ending, or cannot be one.
    UnavailableError
        When it is to be .png and Graphviz is not installed.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lenet.svg"
    >>> _ = draw(Net.read("examples/lenet_digits.prototxt"), path)
    >>> path.read_text().startswith("<svg")
    True
    """
    return draw_scheme(net_scheme(net, changed), output)


def check_drawing(path: str | Path) -> Path:
    """Refuse, before any work, what is no name of a drawing in a folder that is there."""
    return check_target(path, ENDINGS)


def draw_scheme(scheme: Scheme, output: str | Path) -> str:
    """The same for boxes and arrows."""
    output = check_drawing(output)
    ending = output.suffix.lower()
    by_graphviz = has_dot()
    with replacing(output) as partial:
        if ending == ".png":
            if not by_graphviz:
                raise UnavailableError(f"{HOW_TO_INSTALL}. .svg and .html can do without.")
            partial.write_bytes(run_dot(dot_text(scheme), "png"))
        else:
            svg = run_dot(dot_text(scheme), "svg").decode() if by_graphviz else svg_text(scheme)
            page = html_page(scheme, svg, tree_text(scheme)) if ending == ".html" else svg
            partial.write_text(page, encoding="utf-8")
    return "graphviz" if by_graphviz else "zoo"


def net_tree(net: Net, *, changed: Changed | None = None) -> str:
    """The same as text, a line for each box, see `zoo.visual.tree.tree_text`."""
    return tree_text(net_scheme(net, changed))


def net_scheme(net: Net, changed: Changed | None = None) -> Scheme:
    """What is drawn of a net."""
    words, removed = changes(net, changed)
    return scheme_of(net, words, removed)
