"""Asking a web server for a file, and saying in words why it did not come.

Timeouts always; no credentials in any message; a body that is shorter than the server announced is
an error and never a file.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import urllib3

from zoo import __version__
from zoo.errors import DownloadError

__all__ = ["get_bytes", "new_session", "open_url", "shown"]

_TIMEOUTS = (10.0, 30.0)  # seconds to connect, and between two pieces
_CHUNK = 1 << 16
_SMALL = 16 << 20
_SECRETS = ("token", "key", "sig", "secret", "password", "credential", "auth")

_Kind = TypeVar("_Kind", bound=BaseException)


def new_session() -> requests.Session:
    """A session that says who asks, and wants files as they are."""
    session = requests.Session()
    session.headers["User-Agent"] = f"zoo/{__version__} (model-zoo-kit)"
    # A compressed body would have another length than the file.
    session.headers["Accept-Encoding"] = "identity"
    return session


def shown(url: str) -> str:
    """An address as messages and records have it: without user, password and secret parameters.

    >>> shown("https://me:pw@host/a?dl=1&token=abc")
    'https://host/a?dl=1&token=...'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    query = parts.query
    if any(secret in query.lower() for secret in _SECRETS):
        pairs = [
            (key, "..." if any(secret in key.lower() for secret in _SECRETS) else value)
            for key, value in parse_qsl(query, keep_blank_values=True)
        ]
        query = urlencode(pairs)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


@contextmanager
def open_url(
    url: str, session: requests.Session | None = None
) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Ask for a file; yields its pieces and its size, None where the server does not say.

    Raises
    ------
    DownloadError
        when it does not come, or ends early; also while the pieces are read.
    """
    if os.environ.get("ZOO_OFFLINE", "") not in ("", "0"):
        raise _failed(url, "ZOO_OFFLINE is set, so no network is touched")
    if not url.lower().startswith(("http://", "https://")):
        raise _failed(url, "not an http(s) address")
    session = session or new_session()
    try:
        response = session.get(url, stream=True, timeout=_TIMEOUTS)
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise _failed(url, _reason(error)) from None
    with response:
        if response.status_code != HTTPStatus.OK:
            raise _failed(url, f"HTTP {response.status_code} {response.reason or ''}".strip())
        plain = response.headers.get("Content-Encoding", "identity") == "identity"
        length = response.headers.get("Content-Length", "") if plain else ""
        total = int(length) if length.isdecimal() else None
        yield _pieces(url, response, total), total


def get_bytes(url: str, session: requests.Session) -> bytes:
    """A small file whole: a card, an index, a page."""
    content = b""
    with open_url(url, session) as (pieces, _):
        for piece in pieces:
            content += piece
            if len(content) > _SMALL:
                raise _failed(url, f"more than {_SMALL} bytes, which is no card and no listing")
    return content


def _pieces(url: str, response: requests.Response, total: int | None) -> Iterator[bytes]:
    done = 0
    try:
        for piece in response.iter_content(_CHUNK):
            done += len(piece)
            yield piece
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        short = _find(error, urllib3.exceptions.IncompleteRead)
        if short is not None and total is not None and isinstance(short.partial, int):
            done = max(done, short.partial)
        else:
            so_far = f"{done} of {total} bytes" if total is not None else f"{done} bytes"
            raise _failed(url, f"{_reason(error)} after {so_far}") from None
    if total is not None and done != total:
        raise _failed(url, f"cut short: {done} of {total} bytes came")


def _failed(url: str, reason: str) -> DownloadError:
    return DownloadError(f"{shown(url)}: {reason}", [(shown(url), reason)])


def _reason(error: BaseException) -> str:
    """Why a request failed, without the addresses that the libraries put into their words."""
    if _find(error, urllib3.exceptions.NameResolutionError) or _find(error, socket.gaierror):
        return "the name of the host is not known"
    if _find(error, requests.Timeout) or _find(error, TimeoutError):
        return "no answer in time"
    if _find(error, requests.exceptions.SSLError):
        return "the certificate of the host is not accepted"
    if _find(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if _find(error, requests.TooManyRedirects):
        return "too many redirects"
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            return os.strerror(cause.errno).lower()
    if _find(error, requests.exceptions.InvalidURL) or isinstance(error, ValueError):
        return "not a valid address"
    return "the connection broke"


def _find(error: BaseException, kind: type[_Kind]) -> _Kind | None:
    return next((cause for cause in _chain(error) if isinstance(cause, kind)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps: urllib3 hands causes on as arguments and as `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [getattr(cause, "reason", None), cause.__cause__, cause.__context__]
            waiting += list(cause.args)
