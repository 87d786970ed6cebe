"""The files and folders that a web server's page about a directory links to.

Python's http.server, nginx and Apache all write a page of links relative to the directory.
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from zoo.registry.contents import is_plain

__all__ = ["directory_links"]


def directory_links(page: str, url: str) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files directly below `url` that `page` links to.

    >>> directory_links('<a href="../">up</a> <a href="lenet/">lenet/</a> <a href="a.txt">', "http://h/z/")
    (['lenet'], ['a.txt'])
    """
    reader = _Links()
    reader.feed(page)
    base = urlsplit(url)
    folders: dict[str, None] = {}
    files: dict[str, None] = {}
    for href in reader.found:
        try:
            link = urlsplit(urljoin(url, href))
        except ValueError:
            continue
        if link.hostname != base.hostname or link.query or not link.path.startswith(base.path):
            continue
        rest = unquote(link.path[len(base.path) :])
        name = rest.removesuffix("/")
        if is_plain(name):
            (folders if rest.endswith("/") else files)[name] = None
    return list(folders), list(files)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for key, value in attrs if tag == "a" and key == "href" and value]
