"""Several files from the web, some of them at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from zoo.registry.diagnose import KnownHash
from zoo.registry.download import (
    LARGEST,
    Downloaded,
    Expected,
    Headers,
    Patience,
    Progress,
    download,
)

__all__ = ["Job", "download_all"]

_AT_ONCE = 4


@dataclass(frozen=True)
class Job:
    """One of the files: its addresses, its place, what it has to be, see `download`."""

    urls: Sequence[str]
    target: Path
    expected: Expected = Expected()
    unguarded: bool = False
    largest: int = LARGEST


def download_all(
    jobs: Sequence[Job],
    *,
    parts: Path,
    progress: Progress | None = None,
    patience: Patience = Patience(),  # noqa: B008
    headers: Headers = lambda url: {},
    known_hash: KnownHash | None = None,
) -> list[Downloaded]:
    """Bring several files; when one fails, the others are stopped, and go on the next time.

    The results are in the order of `jobs`. `progress` is told of one file at a time, from several
    threads; the other parameters, and what is raised, are those of `download`.
    """
    stop, speaking = threading.Event(), threading.Lock()

    def report(name: str, done: int, total: int | None) -> None:
        with speaking:
            if progress:
                progress(name, done, total)

    def run(job: Job) -> Downloaded:
        return download(
            job.urls,
            job.target,
            expected=job.expected,
            parts=parts,
            progress=report,
            patience=patience,
            headers=headers,
            known_hash=known_hash,
            stop=stop,
            unguarded=job.unguarded,
            largest=job.largest,
        )

    with ThreadPoolExecutor(_AT_ONCE, "zoo download") as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for failed in (future for future in done if future.exception()):
                failed.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in futures]
