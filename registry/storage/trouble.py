"""Why a web server did not give a file, in words, and whether asking again may help.

The words hold no credentials: an address is shown without its user, its password and its secret
parameters, and what the libraries say, which quotes addresses, is not repeated.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import urllib3

from zoo.errors import DownloadError
from zoo.registry.patience import retry_after

__all__ = ["NETWORK_ERRORS", "RequestFailed", "is_cut_short", "refusal", "shown", "trouble"]

NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""All that requests and urllib3 raise when a request or its body fails."""

_SECRETS = ("token", "key", "sig", "secret", "pass", "pwd", "credential", "auth", "jwt", "session")
_INVALID = (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError)
_PASSING = (408, 425, 429, 500, 502, 503, 504)

_Kind = TypeVar("_Kind", bound=BaseException)


class RequestFailed(DownloadError):
    """One request that brought no file.

    Parameters
    ----------
    url : the address; the message shows it without credentials.
    reason : why, in a few words.
    retryable : whether the same request may succeed later.
    retry_after : seconds that the server asks to wait; None if it does not.
    wrong_file : whether the server gives something, but something else than was promised.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        wrong_file: bool = False,
    ) -> None:
        self.reason, self.retryable, self.retry_after = reason, retryable, retry_after
        self.wrong_file = wrong_file
        super().__init__(f"{shown(url)}: {reason}", [(shown(url), reason)])


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


def refusal(url: str, response: requests.Response) -> RequestFailed:
    """What a status other than success means."""
    status = response.status_code
    try:
        words = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = f"HTTP {status}"
    return RequestFailed(
        url,
        words,
        retryable=status in _PASSING,
        retry_after=retry_after(response.headers.get("Retry-After")),
    )


def trouble(url: str, error: BaseException, after: str = "") -> RequestFailed:
    """What an exception of the libraries means; `after` tells how far the file had come."""
    reason, retryable = _reason(error)
    return RequestFailed(url, f"{reason}{after}", retryable=retryable)


def is_cut_short(error: BaseException) -> bool:
    """Whether a body ended before its announced end, as if it were whole."""
    return _find(error, urllib3.exceptions.IncompleteRead) is not None


def _reason(error: BaseException) -> tuple[str, bool]:
    """Why a request failed, and whether it is worth another one."""
    unknown = _find(error, socket.gaierror)
    if unknown or _find(error, urllib3.exceptions.NameResolutionError):
        passing = unknown is not None and unknown.errno == socket.EAI_AGAIN
        return "the name of the host is not known", passing
    if _find(error, requests.Timeout) or _find(error, TimeoutError):
        return "no answer in time", True
    if _find(error, ssl.SSLCertVerificationError):
        return "the certificate of the host is not accepted", False
    if _find(error, requests.exceptions.ProxyError):
        return "the proxy does not answer", True
    if refused := _find(error, ssl.SSLError):
        words = (refused.reason or "the connection broke").lower().replace("_", " ")
        return f"TLS failed: {words}", True
    for cause in _chain(error):
        known = isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno
        if known:
            return os.strerror(known).lower(), True
    if _find(error, UnicodeError) or any(_find(error, kind) for kind in _INVALID):
        return "not a valid address", False
    if _find(error, http.client.BadStatusLine) and not _find(error, ConnectionError):
        return "what answers there is no web server", True
    return "the connection broke", True


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
