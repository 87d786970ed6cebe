"""Checks that a page is valid, sane and needs nothing but itself; gives what can be read in it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO

from PIL import Image

VOID = {"meta", "img", "br", "hr", "col"}
KNOWN = VOID | {"html", "head", "title", "style", "body", "section", "h1", "h2", "h3", "p", "b"}
KNOWN |= {"ol", "li", "pre", "details", "summary", "div", "figure", "figcaption"}
KNOWN |= {"table", "thead", "tbody", "tr", "th", "td"}


@dataclass
class HtmlPage(HTMLParser):
    """A page as it is read; every rule it breaks is an AssertionError."""

    source: str
    headings: list[str] = field(default_factory=list)
    images: list[tuple[Image.Image, str]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        assert self.source.startswith("<!DOCTYPE html>\n<html")
        self.feed(self.source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    @property
    def text(self):
        return "\n".join(self.texts)

    def row(self, first):
        """The cells of the row that begins so."""
        return next(cells for cells in self.rows if cells[0] == first)

    def handle_starttag(self, tag, attrs):
        assert tag in KNOWN, f"<{tag}>"
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice: {attrs}"
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("href", "srcset", "data", "action"), name
            assert name != "style", value
            assert "url(" not in (value or ""), value
        if tag == "img":
            assert given["alt"]
            head, _, data = given["src"].partition(",")
            assert head in ("data:image/png;base64", "data:image/jpeg;base64")
            picture = Image.open(BytesIO(base64.b64decode(data, validate=True)))
            picture.load()
            self.images.append((picture, given["alt"]))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> does not end {self.open}"

    def handle_data(self, data):
        if not self.open:
            assert not data.strip()
            return
        if self.open[-1] == "style":
            assert "url(" not in data
            assert "@import" not in data
            return
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        if self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data
