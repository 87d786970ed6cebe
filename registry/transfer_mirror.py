"""One address of a file, asked again while that may help."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import requests

from zoo.registry.hashes import Expected
from zoo.registry.patience import NEWS, Patience
from zoo.registry.storage.requesting import (
    announced_size,
    ask,
    is_compressed,
    new_session,
    pieces,
)
from zoo.registry.storage.trouble import RequestFailed, refusal, shown
from zoo.registry.transfer_filling import Filling
from zoo.registry.transfer_part import Origin, Part, Superseded
from zoo.registry.transfer_range import Placement, Question, place, question, strong_validator

__all__ = ["Mirror", "Task"]


@dataclass(frozen=True)
class Task:
    """What is to be fetched, the same for all mirrors.

    Parameters
    ----------
    part : what is here.
    expected : hashes and size of the file.
    limit : bytes that are never exceeded.
    patience : limits of time.
    headers : those for an address, such as a token for its host.
    """

    part: Part
    expected: Expected
    limit: int
    patience: Patience
    headers: Callable[[str], Mapping[str, str]]

    def check_size(self, url: str, size: int | None) -> None:
        """Refuse what is too large to be the file."""
        if size is not None and size > self.limit:
            promised = " promised" if self.expected.size == self.limit else ", the limit"
            reason = f"has more than the {self.limit} bytes{promised}"
            raise RequestFailed(url, reason, wrong_file=True)


class Mirror:
    """One address.

    Parameters
    ----------
    url : the address.
    task : what is to be fetched.
    lead : called when bytes come, with their origin and whether those that are here have to go;
        gives the lease to write with, or raises Superseded if others come faster.
    failed : told the reason of every attempt that failed.
    """

    def __init__(
        self,
        url: str,
        task: Task,
        lead: Callable[[Mirror, Origin, bool], int],
        failed: Callable[[Mirror, str], None],
    ) -> None:
        self.url, self.label = url, shown(url)
        self.content_type = self.etag = ""
        self._task, self._part = task, task.part
        self._hashed = bool(task.expected.hashes)
        self._lead, self._failed = lead, failed
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._answers: set[requests.Response] = set()

    def fetch(self) -> None:
        """Bring all that is missing.

        Raises
        ------
        RequestFailed
            when it does not come from here.
        Superseded
            when another mirror took over, or `cancel` was called.
        """
        failures = 0
        with new_session() as session:
            while True:
                before = self._part.arrived
                try:
                    return self._attempt(session)
                except RequestFailed as failure:
                    if self._cancelled.is_set():
                        raise Superseded from None
                    self._failed(self, failure.reason)
                    failures = 1 if self._part.arrived - before >= NEWS else failures + 1
                    if not failure.retryable or failures >= self._task.patience.attempts:
                        raise
                    wait = self._task.patience.wait(failures, failure.retry_after)
                    if self._cancelled.wait(wait):
                        raise Superseded from None

    def cancel(self) -> None:
        """End every connection, from any thread."""
        self._cancelled.set()
        self._hang_up()

    @property
    def is_cancelled(self) -> bool:
        """Whether its bytes are no longer wanted, and may be none."""
        return self._cancelled.is_set()

    def _hang_up(self) -> None:
        """Wake whoever reads. Over TLS it may read nonsense then, so its lease must have ended."""
        with self._lock:
            for answer in self._answers:
                # It may have ended by itself just now.
                with suppress(OSError, ValueError, RuntimeError, AttributeError):
                    answer.raw.shutdown()

    @contextmanager
    def _asked(
        self, session: requests.Session, asked: Question, stop: int | None = None
    ) -> Iterator[requests.Response]:
        """The answer to a request; `cancel` ends its body too."""
        patience = self._task.patience
        headers = {**self._task.headers(self.url), **asked.headers(stop)}
        timeouts = (patience.connect, patience.read)
        with ask(
            self.url, session, headers=headers, timeouts=timeouts, checked=self._hashed
        ) as answer:
            with self._lock:
                self._answers.add(answer)
            try:
                if self._cancelled.is_set():
                    raise Superseded
                yield answer
            finally:
                with self._lock:
                    self._answers.discard(answer)

    def _attempt(self, session: requests.Session) -> None:
        asked = question(self._part.origin, self._part.whole, self.label, self._hashed)
        with self._asked(session, asked) as answer:
            found = self._placement(answer, asked)
            if found is not None:
                return self._receive(session, answer, found)
        # The answer to the range made no sense: the whole file, then.
        with self._asked(session, Question()) as answer:
            if answer.status_code != requests.codes.ok:
                raise refusal(self.url, answer)
            self._receive(session, answer, Placement(0, announced_size(answer), restart=True))

    def _placement(self, answer: requests.Response, asked: Question) -> Placement | None:
        status = answer.status_code
        if status not in (200, 206, 416) or (status == 416 and not asked.start):
            raise refusal(self.url, answer)
        found = place(
            status,
            answer.headers,
            asked,
            self._part.origin,
            self.label,
            self._hashed,
            announced_size(answer),
        )
        if found is None and not asked.start:
            raise RequestFailed(self.url, "answered with a part of the file that was not asked for")
        return found

    def _receive(
        self, session: requests.Session, answer: requests.Response, found: Placement
    ) -> None:
        """Write the body of an answer, and fill all other gaps."""
        self._task.check_size(self.url, found.total)
        validator = "" if is_compressed(answer) else strong_validator(answer.headers)
        origin = Origin(self.label, validator, found.total)
        length = None if found.total is None else found.total - found.offset
        body = iter(()) if found.complete else pieces(self.url, answer, length)
        first = next(body, b"")
        lease = self._lead(self, origin, found.restart)
        self.content_type = str(answer.headers.get("Content-Type", ""))
        self.etag = str(answer.headers.get("ETag", ""))
        if found.complete:
            return
        filling = Filling(self.url, self._task, self._asked, origin, lease)
        ranges = answer.status_code == 206 or "bytes" in answer.headers.get("Accept-Ranges", "")
        try:
            filling.write_first(first, body, found.offset, ranges=ranges)
            answer.close()
            filling.fill_ranges(session)
        finally:
            filling.end()
            self._part.revoke(lease)
            self._hang_up()
