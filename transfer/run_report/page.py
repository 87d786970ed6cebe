"""An HTML page that needs nothing but itself: no script, no file beside it, nothing from a network.

The page is built as a tree, so that whatever a class, a file or a log is called is text in it and
never markup. A content policy in its head forbids what the page does not have anyway.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

__all__ = ["GENERATOR", "Picture", "element", "facts", "figure", "page", "section", "table"]

Child: TypeAlias = Element | str | None

GENERATOR = '<meta name="generator" content="zoo report">'
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: .8rem 0; font-size: 14px; }
th, td { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid #eee;
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.kept { font-weight: 600; background: #eef4fb; }
figure { display: inline-block; margin: .4rem; vertical-align: top; max-width: 100%; }
figcaption { font-size: 12px; max-width: 30rem; overflow-wrap: anywhere; }
.small figcaption { max-width: 9rem; } img { max-width: 100%; }
.small img, .pixels img { image-rendering: pixelated; }
pre { background: #f6f6f6; padding: .6rem; overflow-x: auto; font-size: 13px; }
.finding { border-left: 4px solid #c33; padding: .2rem .8rem; background: #fdf1f1; }
"""


@dataclass(frozen=True)
class Picture:
    """A picture of the report: the name of its file without ``.png``, its bytes, what it shows."""

    name: str
    png: bytes
    text: str
    caption: str = ""


def element(tag: str, *children: Child, kind: str = "", **attributes: str) -> Element:
    """A part of the page; `kind` is its class, texts are escaped when it is written."""
    made = Element(tag, {**attributes, **({"class": kind} if kind else {})})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif child is not None and last is None:
            made.text = (made.text or "") + _clean(child)
        elif child is not None and last is not None:
            last.tail = (last.tail or "") + _clean(child)
    return made


def section(title: str, *children: Child) -> Element:
    """A part with a heading."""
    return element("section", element("h2", title), *children)


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Iterable[int] = (),
    marked: Iterable[int] = (),
) -> Element:
    """A table; columns in `numbers` stand to the right, rows in `marked` stand out."""
    right, strong = set(numbers), set(marked)

    def kind(column: int) -> str:
        return "number" if column in right else ""

    head = element("tr")
    head.extend(
        element("th", text, kind=kind(column), scope="col") for column, text in enumerate(headings)
    )
    body = element("tbody")
    for number, row in enumerate(rows):
        cells = element("tr", kind="kept" if number in strong else "")
        cells.extend(element("td", text, kind=kind(column)) for column, text in enumerate(row))
        body.append(cells)
    return element("table", element("thead", head), body)


def facts(pairs: Iterable[tuple[str, str]]) -> Element:
    """Names and values; those without a value are left out."""
    body = element("tbody")
    body.extend(
        element("tr", element("th", name, scope="row"), element("td", value))
        for name, value in pairs
        if value
    )
    return element("table", body)


def figure(picture: Picture) -> Element:
    """A picture with its caption, inside the page."""
    data = base64.b64encode(picture.png).decode("ascii")
    image = element("img", src=f"data:image/png;base64,{data}", alt=_clean(picture.text))
    caption = element("figcaption", picture.caption) if picture.caption else None
    return element("figure", image, caption)


def page(title: str, sections: Iterable[Element]) -> str:
    """The whole document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content="zoo report"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _STYLE),
    )
    body = element("body", element("h1", title), *sections)
    document = element("html", head, "\n", body, "\n", lang="en")
    return "<!DOCTYPE html>\n" + tostring(document, encoding="unicode", method="html")


def _clean(text: str) -> str:
    """Text that HTML can hold: control characters and halves of surrogate pairs made visible."""
    return "".join(
        character if character.isprintable() or character in "\n\t " else f"\\x{ord(character):02x}"
        for character in text
    )
