"""How long a download waits, how often it asks again, and when it gives up.

A server asks for a pause with `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3).
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["NEWS", "Pace", "Patience", "retry_after"]

NEWS = 1 << 16
"""Bytes that count as progress; fewer in the same time are a stall."""

_FIRST_WAIT = 0.5


@dataclass(frozen=True)
class Patience:
    """Limits in seconds; every download ends within them.

    Parameters
    ----------
    connect : until a connection stands.
    read : between two pieces of a body.
    stall : without progress, until the next mirror is started beside the slow one.
    slowest : in which at least 64 KiB must come over a connection, else it is given up.
    attempts : how often in a row one address is asked without progress.
    longest_wait : between two attempts, whatever the server asks for.
    total : without progress from any address, until everything is given up.

    Examples
    --------
    >>> Patience().wait(1, 7.0), Patience().wait(1, 9999.0)
    (7.0, 60.0)
    """

    connect: float = 10.0
    read: float = 30.0
    stall: float = 5.0
    slowest: float = 60.0
    attempts: int = 5
    longest_wait: float = 60.0
    total: float = 600.0

    def wait(self, failures: int, asked_for: float | None) -> float:
        """Seconds until the next attempt: what the server asked for, else twice as long each time.

        Up to half of it is left to chance, so that many who failed together do not return together.
        """
        seconds = asked_for
        if seconds is None:
            seconds = _FIRST_WAIT * 2.0 ** min(failures - 1, 16) * random.uniform(0.5, 1.0)
        return min(seconds, self.longest_wait)


class Pace:
    """How fast bytes come, and for how long next to none did; `news` is when some last came."""

    def __init__(self) -> None:
        self._began = self.news = time.monotonic()
        self._bytes = self._since_news = 0

    def count(self, size: int) -> None:
        """Bytes came."""
        self._bytes += size
        self._since_news += size
        if self._since_news >= NEWS:
            self._since_news, self.news = 0, time.monotonic()

    @property
    def idle(self) -> float:
        """Seconds since there was progress."""
        return time.monotonic() - self.news

    @property
    def age(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self._bytes / max(self.age, 1e-3)


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks to wait; None where there is none to understand.

    >>> retry_after("120")
    120.0
    >>> retry_after("Wed, 21 Oct 2015 07:28:05 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC))
    5.0
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
