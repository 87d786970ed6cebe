"""Addresses that people share, turned into addresses that give the file.

A link to Dropbox, Google Drive, OneDrive, Box or a page of GitHub opens a page for people; each
place has an address beside it that gives the file. Where a place has none, such as a folder on
Drive, `only_for_people` says why.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["downloadable", "is_share_link", "only_for_people"]

_DRIVE_FILE = re.compile(r"/(?:a/[^/]+/)?file/(?:u/\d+/)?d/(?P<id>[\w-]+)")
_GITHUB_PAGE = re.compile(r"(?P<repo>/[^/]+/[^/]+)/blob/(?P<rest>.+)")
_GITHUB_NO_FILE = re.compile(r"/[^/]+/[^/]+(/|/tree/.*|/releases|/releases/(tag|latest).*)?")
_SHARED_AT = (
    "drive.google.com",
    "docs.google.com",
    "drive.usercontent.google.com",
    "dropbox.com",
    "dropboxusercontent.com",
    "onedrive.live.com",
    "1drv.ms",
    "sharepoint.com",
    "box.com",
)
_HAND = {
    "mega.nz": "MEGA decrypts files in the browser",
    "mega.co.nz": "MEGA decrypts files in the browser",
    "pan.baidu.com": "Baidu wants a login and its own program",
    "yun.baidu.com": "Baidu wants a login and its own program",
    "yadi.sk": "it is a page of Yandex Disk",
    "disk.yandex.ru": "it is a page of Yandex Disk",
    "disk.yandex.com": "it is a page of Yandex Disk",
    "mediafire.com": "it is a page of MediaFire",
}


def downloadable(url: str) -> str:
    """The address of the file itself; an address that is no share link is returned as it is.

    Examples
    --------
    >>> downloadable("https://www.dropbox.com/s/abc/x.caffemodel?dl=0")
    'https://www.dropbox.com/s/abc/x.caffemodel?dl=1'
    >>> downloadable("https://github.com/me/nets/blob/main/x.caffemodel?raw=true")
    'https://github.com/me/nets/raw/main/x.caffemodel'
    >>> downloadable("https://drive.google.com/file/d/0B_s0/view?usp=sharing")
    'https://drive.google.com/uc?export=download&confirm=t&id=0B_s0'
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
    except ValueError:
        return url
    if parts.scheme.lower() not in ("http", "https"):
        return url
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if _at(host, "dropbox.com"):
        return _with(parts, {**{k: v for k, v in query.items() if k != "raw"}, "dl": "1"})
    if host in ("drive.google.com", "docs.google.com"):
        return _drive(parts, query) or url
    if _at(host, "github.com") and (found := _GITHUB_PAGE.fullmatch(parts.path)):
        query.pop("raw", None)
        return _with(parts._replace(path=f"{found['repo']}/raw/{found['rest']}"), query)
    if _at(host, "gitlab.com") and "/-/blob/" in parts.path:
        return _with(parts._replace(path=parts.path.replace("/-/blob/", "/-/raw/", 1)), query)
    if host == "huggingface.co" and "/blob/" in parts.path:
        return _with(parts._replace(path=parts.path.replace("/blob/", "/resolve/", 1)), query)
    if host == "onedrive.live.com" and parts.path.lower() in ("/redir", "/embed", "/redir.aspx"):
        return _with(parts._replace(path="/download"), query)
    if host == "1drv.ms":
        token = base64.urlsafe_b64encode(url.strip().encode()).decode().rstrip("=")
        return f"https://api.onedrive.com/v1.0/shares/u!{token}/root/content"
    if _at(host, "sharepoint.com"):
        return _with(parts, {**query, "download": "1"})
    if _at(host, "box.com") and (found := re.fullmatch(r"/s/(\w+)", parts.path)):
        return _with(parts._replace(path=f"/shared/static/{found[1]}"), query)
    return url


def is_share_link(url: str) -> bool:
    """Whether an address is one of a place where people share single files.

    >>> is_share_link("https://www.dropbox.com/s/abc/x"), is_share_link("https://host/models/x")
    (True, False)
    """
    return any(_at(_host(url), place) for place in _SHARED_AT)


def only_for_people(url: str) -> str:
    """Why an address can never give the file itself, "" where it may.

    >>> only_for_people("https://mega.nz/#!9JMBlCaS!zsTl7eZ")
    'MEGA decrypts files in the browser'
    """
    host, path = _host(url), _path(url)
    for place, reason in _HAND.items():
        if _at(host, place):
            return reason
    if host == "drive.google.com" and ("/folders/" in path or "folderview" in path):
        return "it is a folder on Google Drive; the link of the file in it is needed"
    if host in ("github.com", "www.github.com") and _GITHUB_NO_FILE.fullmatch(path):
        return "it is a page of GitHub; the link of the file itself is needed"
    return ""


def _drive(parts: SplitResult, query: Mapping[str, str]) -> str | None:
    """Drive's address of a file; `confirm` answers its page about files too large to scan."""
    found = _DRIVE_FILE.match(parts.path)
    id = found["id"] if found else query.get("id")
    if not id or "folder" in parts.path:
        return None
    wanted = {"export": "download", "confirm": "t", "id": id}
    if key := query.get("resourcekey"):
        wanted["resourcekey"] = key
    return f"https://drive.google.com/uc?{urlencode(wanted)}"


def _with(parts: SplitResult, query: Mapping[str, str]) -> str:
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


def _at(host: str, place: str) -> bool:
    return host == place or host.endswith(f".{place}")


def _host(url: str) -> str:
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""


def _path(url: str) -> str:
    try:
        return urlsplit(url.strip()).path
    except ValueError:
        return ""
