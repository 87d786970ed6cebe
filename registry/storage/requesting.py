"""Asking a web server for a file: every request of zoo to a web server goes through `ask`.

Timeouts always; redirects are followed here and not by requests, so that no credentials go to
another host and no redirect leads out of the web or from https back to http unnoticed; a body
that is shorter than the server announced is an error and never a file.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
from requests.utils import get_auth_from_url

from zoo import __version__
from zoo.registry.patience import Pace, Patience
from zoo.registry.storage.trouble import (
    NETWORK_ERRORS,
    RequestFailed,
    is_cut_short,
    refusal,
    shown,
    trouble,
)

__all__ = [
    "announced_size",
    "ask",
    "get_bytes",
    "is_compressed",
    "is_offline",
    "new_session",
    "open_url",
    "pieces",
    "shown",
]

_TIMEOUTS = (10.0, 30.0)  # seconds to connect, and between two pieces
_SLOWEST = Patience().slowest
_PIECE = 1 << 20
_SMALL = 16 << 20
_MOST_REDIRECTS = 10
_FOR_ANY_HOST = ("range", "if-range", "accept")


def new_session() -> requests.Session:
    """A session that says who asks, and wants files as they are."""
    session = requests.Session()
    session.headers["User-Agent"] = f"zoo/{__version__} (model-zoo-kit)"
    # A compressed body would have another length than the file, and no ranges.
    session.headers["Accept-Encoding"] = "identity"
    return session


def is_offline() -> bool:
    """Whether ZOO_OFFLINE forbids to touch the network."""
    return os.environ.get("ZOO_OFFLINE", "") not in ("", "0")


@contextmanager
def ask(
    url: str,
    session: requests.Session,
    *,
    headers: Mapping[str, str] | None = None,
    timeouts: tuple[float, float] | None = None,
    checked: bool = False,
) -> Iterator[requests.Response]:
    """The answer of the last server that an address leads to, its body still to be read.

    Parameters
    ----------
    headers : for the host of `url` only, such as a token; a range goes along with redirects.
    checked : whether a hash will tell if the file is the right one; without one, a redirect from
        https to http is refused.

    Raises
    ------
    RequestFailed
        when there is no answer, or a redirect leads where none may; any status is an answer.
    """
    if is_offline():
        raise RequestFailed(url, "ZOO_OFFLINE is set, so no network is touched")
    _check_scheme(url, url)
    with _answer(url, session, dict(headers or {}), timeouts or _TIMEOUTS, checked) as response:
        yield response


@contextmanager
def open_url(
    url: str,
    session: requests.Session | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Ask for a file once; yields its pieces and its size, None where the server does not say.

    Raises
    ------
    DownloadError
        when it does not come, or ends early; also while the pieces are read.
    """
    with ask(url, session or new_session(), headers=headers) as response:
        if response.status_code != HTTPStatus.OK:
            raise refusal(url, response)
        total = announced_size(response)
        yield _steady(url, pieces(url, response, total)), total


def get_bytes(
    url: str, session: requests.Session, headers: Mapping[str, str] | None = None
) -> bytes:
    """A small file whole: a card, an index, a page."""
    content = bytearray()
    with open_url(url, session, headers) as (parts, _):
        for piece in parts:
            content += piece
            if len(content) > _SMALL:
                reason = f"more than {_SMALL} bytes, which is no card and no listing"
                raise RequestFailed(url, reason)
    return bytes(content)


def announced_size(response: requests.Response) -> int | None:
    """The length of the file that an answer of status 200 announces, None if it does not."""
    length = str(response.headers.get("Content-Length", ""))
    return (
        int(length)
        if not is_compressed(response) and length.isascii() and length.isdigit()
        else None
    )


def pieces(url: str, response: requests.Response, length: int | None) -> Iterator[bytes]:
    """The body as it comes, a piece for what has arrived, decompressed if it must be.

    Parameters
    ----------
    length : of the body, None where it is not known; another length is an error.

    Raises
    ------
    RequestFailed
        when the connection breaks, or the compression is none that was asked for.
    """
    done = 0
    try:
        for piece in _read(url, response):
            done += len(piece)
            yield piece
    except (*NETWORK_ERRORS, zlib.error) as error:
        if not is_cut_short(error) or length is None:
            so_far = f"{done} bytes" if length is None else f"{done} of {length} bytes"
            raise trouble(url, error, f" after {so_far}") from None
    if length is not None and done != length:
        raise RequestFailed(url, f"cut short: {done} of {length} bytes came", retryable=True)


def _steady(url: str, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, as long as they come faster than a byte now and then."""
    pace = Pace()
    for piece in parts:
        yield piece
        pace.count(len(piece))
        if pace.idle > _SLOWEST:
            raise RequestFailed(url, "too slow to ever end", retryable=True)


def _read(url: str, response: requests.Response) -> Iterator[bytes]:
    compression = _compression(response)
    if compression in ("gzip", "x-gzip", "deflate"):
        return response.iter_content(_PIECE)
    if compression:
        raise RequestFailed(url, f"came compressed as {compression}, which was not asked for")
    return iter(lambda: response.raw.read1(_PIECE, decode_content=False), b"")


def is_compressed(response: requests.Response) -> bool:
    """Whether the body is compressed, so that its bytes are not those of the file."""
    return bool(_compression(response))


def _compression(response: requests.Response) -> str:
    """How the body is compressed, or "" for a body that is the file."""
    encoding = str(response.headers.get("Content-Encoding", "")).strip().lower()
    path = urlsplit(str(response.url)).path.lower()
    # Some servers label an archive so; there the archive is the file.
    if encoding in ("gzip", "x-gzip") and path.endswith((".gz", ".tgz")):
        return ""
    return "" if encoding == "identity" else encoding


@contextmanager
def _answer(
    url: str,
    session: requests.Session,
    headers: dict[str, str],
    timeouts: tuple[float, float],
    checked: bool,
) -> Iterator[requests.Response]:
    here, login = url, get_auth_from_url(url)
    for _ in range(_MOST_REDIRECTS + 1):
        try:
            response = session.get(
                here,
                headers=headers,
                auth=login if any(login) else None,
                timeout=timeouts,
                stream=True,
                allow_redirects=False,
            )
            target = session.get_redirect_target(response)
        except NETWORK_ERRORS as error:
            if type(error) is ValueError:  # requests reads the address of a redirect at once
                raise RequestFailed(url, "redirected to what is no valid address") from None
            raise trouble(url, error) from None
        if target is None:
            with response:
                yield response
            return
        response.close()
        there = urldefrag(urljoin(here, target)).url
        _check_scheme(url, there)
        if here.lower().startswith("https:") and there.lower().startswith("http:") and not checked:
            raise RequestFailed(
                url, f"redirected to {shown(there)}, which is not encrypted, and no hash is known"
            )
        if session.should_strip_auth(here, there):  # type: ignore[no-untyped-call]
            login = ("", "")
            headers = {key: value for key, value in headers.items() if key.lower() in _FOR_ANY_HOST}
        here = there
    raise RequestFailed(url, f"redirected more than {_MOST_REDIRECTS} times")


def _check_scheme(url: str, there: str) -> None:
    if there.lower().startswith(("http://", "https://")):
        try:
            urlsplit(there)
        except ValueError:
            raise RequestFailed(url, "not a valid address") from None
        return
    if there == url:
        raise RequestFailed(url, "not an http(s) address")
    raise RequestFailed(url, f"redirected to {shown(there)}, which is not an http(s) address")
