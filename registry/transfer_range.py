"""What to ask a server for, given what is here already, and what its answer means for that.

Deciding only, after RFC 9110: a range with `If-Range` brings the rest of the same file or all of
another one (section 13.1.5), which needs a strong validator (8.8). Where a hash will tell in the
end, the rest may come from another mirror, whose validators are its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime

from zoo.registry.transfer_part import Origin

__all__ = ["Placement", "Question", "answered_range", "place", "question", "strong_validator"]

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """What is asked for: the bytes from `start`, in a range if it is not 0."""

    start: int = 0
    validator: str = ""

    def headers(self, stop: int | None = None) -> dict[str, str]:
        """As headers of the request, up to `stop` if it is given.

        >>> Question(10, '"abc"').headers()
        {'Range': 'bytes=10-', 'If-Range': '"abc"'}
        """
        if not self.start and stop is None:
            return {}
        headers = {"Range": f"bytes={self.start}-{'' if stop is None else stop - 1}"}
        return headers | ({"If-Range": self.validator} if self.validator else {})


@dataclass(frozen=True)
class Placement:
    """Where the body of an answer belongs.

    Parameters
    ----------
    offset : of its first byte in the file.
    total : bytes of the whole file, None if unknown.
    restart : whether what is here belongs to another file and has to go.
    complete : whether all is here already and there is no body.
    """

    offset: int = 0
    total: int | None = None
    restart: bool = False
    complete: bool = False


def question(origin: Origin | None, whole: int, url: str, hashed: bool) -> Question:
    """What to ask an address for, so that what is here can be used.

    Parameters
    ----------
    origin, whole : where the bytes here are from, and how many there are without a gap.
    url : the address, as `Origin` has it.
    hashed : whether a hash of the file is known.
    """
    if origin is None or not whole:
        return Question()
    if origin.url == url and origin.validator:
        return Question(whole, origin.validator)
    return Question(whole) if hashed and origin.total is not None else Question()


def place(
    status: int,
    headers: Mapping[str, str],
    asked: Question,
    origin: Origin | None,
    url: str,
    hashed: bool,
    announced: int | None,
) -> Placement | None:
    """What an answer means; None when it makes no sense and the whole file has to be asked for.

    Parameters
    ----------
    status, headers : of the answer, 200, 206 or 416.
    announced : length of the whole file that a status of 200 announces.
    """
    if status == 200:
        return Placement(
            0, announced, restart=not _is_same(headers, origin, url, hashed, announced)
        )
    found = answered_range(headers)
    total = found[2] if found else None
    known = origin.total if origin else None
    if not found or not asked.start or (known is not None and total not in (None, known)):
        return None
    if status == 416:
        return Placement(complete=True, total=total) if total == asked.start else None
    return Placement(asked.start, total or known) if found[0] == asked.start else None


def answered_range(headers: Mapping[str, str]) -> tuple[int | None, int | None, int | None] | None:
    """First byte, end and total of `Content-Range`; None for parts that it does not say.

    >>> answered_range({"Content-Range": "bytes 10-19/100"})
    (10, 20, 100)
    >>> answered_range({"Content-Range": "bytes */100"})
    (None, None, 100)
    """
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if not found:
        return None
    first, last, total = (int(text) if text and text != "*" else None for text in found.groups())
    return first, None if last is None else last + 1, total


def strong_validator(headers: Mapping[str, str]) -> str:
    """What tells this version of a file from all others of its address, or "".

    A date of change counts only if the answer is at least a second younger, for a file may change
    twice within one.

    >>> strong_validator({"ETag": '"abc"'}), strong_validator({"ETag": 'W/"abc"'})
    ('"abc"', '')
    """
    etag = headers.get("ETag", "").strip()
    if len(etag) > 2 and etag[0] == etag[-1] == '"' and etag.isprintable():
        return etag
    changed = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(changed)
    except (ValueError, TypeError, OverflowError):
        return ""
    return changed if age >= timedelta(seconds=1) else ""


def _is_same(
    headers: Mapping[str, str],
    origin: Origin | None,
    url: str,
    hashed: bool,
    announced: int | None,
) -> bool:
    """Whether an answer with the whole file repeats what is here, rather than replaces it."""
    if origin is None:
        return False
    validator = strong_validator(headers)
    if origin.url == url and origin.validator and validator:
        return origin.validator == validator
    return hashed and announced is not None and announced == origin.total
