"""A file from the web to its place: resumed, from the first mirror that gives it, and verified.

The recipe is `download`. What it rests on: `transfer_part` keeps what has come and outlives the
process, `transfer_race` asks the mirrors, `transfer_mirror` asks one of them until that helps no
more, `transfer_filling` writes what it sends, `transfer_hashes` hashes meanwhile, and `diagnose`
says what came instead.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.errors import DownloadError, HashMismatchError, VerificationError
from zoo.registry.diagnose import KnownHash, diagnose, mismatch
from zoo.registry.hashes import Expected, Hashes
from zoo.registry.patience import Patience

if TYPE_CHECKING:
    from zoo.registry.transfer_mirror import Task

__all__ = [
    "LARGEST",
    "Downloaded",
    "Expected",
    "Headers",
    "Patience",
    "Progress",
    "download",
    "is_unguarded",
]

Progress = Callable[[str, int, int | None], None]
"""Called with the name of a file, the bytes that came and the bytes in all, None if unknown."""

Headers = Callable[[str], Mapping[str, str]]
"""Headers for an address, such as a token for its host; they go to no other host."""

LARGEST = 64 << 30
"""Bytes that a file may have of which nobody said how large it is."""

_UNGUARDED = (
    "http without a hash to check the file by, so anybody on the way could change it;"
    " use https, or give its hash"
)


@dataclass(frozen=True)
class Downloaded:
    """A file that came and is what it should be.

    Parameters
    ----------
    url : the address that gave it, without credentials.
    hashes : SHA-1 and SHA-256.
    size : in bytes.
    etag, content_type : what the server said; "" if it said nothing.
    attempts : (address, reason) of what failed before.
    resumed_from : how many bytes an earlier process had left.
    """

    url: str
    hashes: Hashes
    size: int
    etag: str = ""
    content_type: str = ""
    attempts: tuple[tuple[str, str], ...] = ()
    resumed_from: int = 0


def download(
    urls: Sequence[str],
    target: Path,
    *,
    expected: Expected = Expected(),  # noqa: B008
    parts: Path,
    progress: Progress | None = None,
    patience: Patience = Patience(),  # noqa: B008
    largest: int = LARGEST,
    headers: Headers = lambda url: {},
    known_hash: KnownHash | None = None,
    stop: threading.Event | None = None,
    unguarded: bool = False,
) -> Downloaded:
    """Bring a file from the web to `target`.

    Parameters
    ----------
    urls : its addresses, the best one first; the next is asked when one fails or stalls.
    target : where it will lie; what is there stays until then. Without a hash, an archive is
        accepted only under the name of one.
    expected : hashes and size that it must have. Without a hash, http:// is refused except on this
        machine, and so are pages, Git LFS pointers and empty files.
    parts : folder for unfinished files, on the volume of `target`. What a stopped or killed process
        left there is resumed.
    progress : is told how far it is, from the calling thread.
    patience : limits of time.
    largest : bytes that are never exceeded, where `expected` has no size.
    headers : see `Headers`; netrc and the user in an address work without.
    known_hash : tells the name of a model by the hash of its weights, for the diagnosis.
    stop : ends the download when it is set; what came so far is kept.
    unguarded : take http:// without a hash all the same, for the user said so.

    Raises
    ------
    HashMismatchError, VerificationError
        when what came is not the file; both hashes, both sizes, and what it seems to be.
    DownloadError
        when no address gave it; one line for each.
    OSError
        when it cannot be written.
    """
    from zoo.registry.storage.trouble import shown
    from zoo.registry.transfer_mirror import Task
    from zoo.registry.transfer_part import open_part

    useful, attempts = _useful(urls, bool(expected.hashes) or unguarded, target.name)
    limit = largest if expected.size is None else expected.size
    wrong: VerificationError | None = None
    anew = False
    with open_part(parts, _key(urls, expected)) as part:
        task = Task(part, expected, limit, patience, headers)
        while True:
            try:
                found = _bring(useful, task, target.name, progress, stop, attempts)
            except DownloadError as error:
                raise _with_failures(wrong, error) if wrong else error from None
            problem = _problem(part.path, target.name, expected, found, known_hash)
            if problem is None:
                part.become(target)
                return found
            pieced = part.is_pieced
            part.empty()
            if pieced and not anew:
                anew = True  # the file may be right, and what was here before or went on wrong
                continue
            wrong = wrong or problem
            attempts.append((found.url, "gave another file"))
            useful = [url for url in useful if shown(url) != found.url]
            if not useful:
                raise wrong


def _useful(
    urls: Sequence[str], guarded: bool, name: str
) -> tuple[list[str], list[tuple[str, str]]]:
    """The addresses that may be asked, and the others, each with the reason why not."""
    from zoo.registry.storage.trouble import shown

    useful = [url for url in urls if guarded or not is_unguarded(url)]
    refused = [(shown(url), _UNGUARDED) for url in urls if url not in useful]
    if not useful:
        tried = "".join(f"\n  {label}: {reason}" for label, reason in refused)
        raise DownloadError(
            f"{name} could not be fetched.{tried or ' It has no address.'}", refused
        )
    return useful, refused


def is_unguarded(url: str) -> bool:
    """Whether anybody on the way can change what comes from an address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    return parts.scheme.lower() == "http" and not here


def _key(urls: Sequence[str], expected: Expected) -> str:
    """The name of a part: that of the content where it is known, else of its first address."""
    from zoo.registry.storage.trouble import shown

    for promise in reversed(expected.hashes):
        return f"{promise.algorithm}-{promise.digest}"
    return f"url-{hashlib.sha256(shown(urls[0]).encode()).hexdigest()}"


def _bring(
    urls: Sequence[str],
    task: Task,
    name: str,
    progress: Progress | None,
    stop: threading.Event | None,
    attempts: list[tuple[str, str]],
) -> Downloaded:
    """All bytes, from wherever they come, and their hashes."""
    from zoo.registry.transfer_hashes import FollowingHashes
    from zoo.registry.transfer_part import Superseded
    from zoo.registry.transfer_race import Race

    def report(done: int, total: int | None) -> None:
        if progress:
            progress(name, done, total)

    with FollowingHashes(task.part) as following:
        if came := _came_before(task):
            report(task.part.whole, task.part.whole)
            hashes = following.result()
            return Downloaded(came, hashes, hashes.size, resumed_from=hashes.size)
        race = Race(urls, task, name)
        try:
            mirror = race.run(report, stop or threading.Event())
        except Superseded:
            raise DownloadError(f"{name}: the download was stopped") from None
        finally:
            attempts += race.attempts
        hashes = following.result()
    return Downloaded(
        mirror.label,
        hashes,
        hashes.size,
        mirror.etag,
        mirror.content_type,
        tuple(attempts),
        task.part.resumed,
    )


def _came_before(task: Task) -> str:
    """The address of a part that is all there, for its process died before it took its name."""
    origin, expected = task.part.origin, task.expected
    if origin is None or not expected.hashes or task.part.whole != task.part.arrived:
        return ""
    total = origin.total if expected.size is None else expected.size
    return origin.url if task.part.whole == total else ""


def _problem(
    path: Path, name: str, expected: Expected, found: Downloaded, known_hash: KnownHash | None
) -> VerificationError | None:
    """What is wrong with a file that came, None if nothing is."""
    if not expected.kept_by(found.hashes):
        return mismatch(
            path, name, found.url, expected, found.hashes, found.content_type, known_hash
        )
    if expected.hashes or expected.size == 0 or name.lower().endswith((".html", ".htm")):
        return None
    instead = diagnose(path, name)
    if not instead:
        return None
    return VerificationError(f"{name} from {found.url} was not kept. {instead}")


def _with_failures(wrong: VerificationError, error: DownloadError) -> VerificationError:
    """That one address gave another file, and that the others gave none."""
    lines = "".join(f"\n  {label}: {reason}" for label, reason in error.attempts)
    message = f"{wrong}\nNo other address gave it:{lines}"
    if not isinstance(wrong, HashMismatchError):
        return VerificationError(message)
    return HashMismatchError(
        message, algorithm=wrong.algorithm, expected=wrong.expected, received=wrong.received
    )
