"""The files of a plan, each from where it is, into one directory.

Files of web servers come through `download_all`, several at once and resumed; those of folders and
other places as streams; those in archives are taken out of them, and nothing else is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from zoo.errors import ZooError
from zoo.registry.cached import FileRecord
from zoo.registry.contents import is_archive
from zoo.registry.diagnose import mismatch
from zoo.registry.download import LARGEST, Patience, Progress, is_unguarded
from zoo.registry.download_all import Job, download_all
from zoo.registry.found import Found
from zoo.registry.hashes import Expected, Hashes
from zoo.registry.known import known_hash
from zoo.registry.plan import FetchPlan, PlannedFile
from zoo.registry.receive import Address, receive
from zoo.registry.storage import WebFiles, location
from zoo.registry.storage.archive import extract_member
from zoo.registry.storage.bounded import LARGEST_COMPANION, bounded

__all__ = ["Assembled", "AtHand", "assemble"]

_ARCHIVES = ".archives"

AtHand = Callable[[Expected, Path], Hashes | None]
"""Puts a file that is on this machine already at a path and gives its hashes; None where it is not.
"""


@dataclass(frozen=True)
class Assembled:
    """What came: the record of each file, and for each that did not come the reason."""

    files: Mapping[str, FileRecord]
    missing: Mapping[str, str]


class _Work:
    """One model on its way into a directory."""

    def __init__(
        self,
        found: Found,
        directory: Path,
        parts: Path,
        progress: Progress | None,
        patience: Patience,
        weights: str | None,
        trusted: bool,
    ) -> None:
        self._weights, self._trusted = weights, trusted
        self._found, self._directory, self._parts = found, directory, parts
        self._progress, self._patience = progress, patience
        self._opened: dict[tuple[str, ...], tuple[Path, Hashes, str]] = {}

    def urls(self, file: PlannedFile) -> tuple[str, ...]:
        """The addresses of a file on web servers; none where it comes as a stream."""
        source = self._found.source
        if file.is_elsewhere or not isinstance(source, WebFiles):
            return file.urls
        url = source.url("" if file.shared else self._found.name, file.name)
        checked = file.expected or self._trusts(file)
        return () if not url or (is_unguarded(url) and not checked) else (url,)

    def stream(self, file: PlannedFile, *, explain: bool) -> Hashes:
        """Bring a file of the storage."""
        source, name = self._found.source, "" if file.shared else self._found.name
        label = location(source, name, file.name)
        address = Address(
            label, lambda: bounded(source.open(name, file.name), label, self._largest(file))
        )
        return receive(
            [address],
            self._directory / file.name,
            expected=file.expected,
            size=file.size,
            explain=explain,
            progress=self._progress,
        )

    def download(self, jobs: Sequence[Job]) -> list[Hashes]:
        """Bring files from web servers."""
        source = self._found.source
        done = download_all(
            jobs,
            parts=self._parts,
            progress=self._progress,
            patience=self._patience,
            known_hash=known_hash,
            headers=source.headers if isinstance(source, WebFiles) else lambda url: {},
        )
        return [each.hashes for each in done]

    def job(self, file: PlannedFile) -> Job:
        """The download of a file."""
        expected = Expected.of(file.expected, file.size if file.expected else None)
        target = self._directory / file.name
        return Job(self.urls(file), target, expected, self._trusts(file), self._largest(file))

    def unpack(self, file: PlannedFile) -> Hashes:
        """Take a file out of its archive, which is fetched once for all that are in it."""
        if file.archives not in self._opened:
            self._opened[file.archives] = self._archive(file)
        archive, hashes, label = self._opened[file.archives]
        target = self._directory / file.name
        received = extract_member(archive, file.member, target, label=label, size=file.size)
        expected = Expected.of(file.expected)
        # Some cards give the hash of the archive for that of the weights in it.
        if not expected.kept_by(received) and not expected.kept_by(hashes):
            raise mismatch(target, file.name, label, expected, received, known_hash=known_hash)
        return received

    def _largest(self, file: PlannedFile) -> int:
        """How many bytes a file may have of which the card says nothing."""
        return LARGEST if file.name == self._weights else LARGEST_COMPANION

    def _trusts(self, file: PlannedFile) -> bool:
        """Whether the user said that what comes will do."""
        return self._trusted and file.name == self._weights

    def _archive(self, file: PlannedFile) -> tuple[Path, Hashes, str]:
        from zoo.registry.storage.trouble import shown

        last = unquote(urlsplit(file.archives[0]).path.rpartition("/")[2])
        name = f"archive{''.join(Path(last).suffixes[-2:]) if is_archive(last) else '.tar.gz'}"
        folder = self._directory / _ARCHIVES / str(len(self._opened))
        folder.mkdir(parents=True)
        expected = Expected.of(file.archive_hashes)
        job = Job(file.archives, folder / name, expected, bool(file.expected) or self._trusts(file))
        return job.target, self.download([job])[0], shown(file.archives[0])


def assemble(
    found: Found,
    plan: FetchPlan,
    directory: Path,
    parts: Path,
    *,
    progress: Progress | None = None,
    patience: Patience = Patience(),  # noqa: B008
    trusted: bool = False,
    at_hand: AtHand = lambda expected, target: None,
) -> Assembled:
    """Bring the files of a plan into a directory.

    Parameters
    ----------
    found : the model.
    plan : what is to come.
    directory : where to; on the volume of `parts`.
    parts : folder of unfinished downloads, which go on the next time.
    progress : called with (file, bytes so far, bytes in all or None).
    patience : with servers.
    trusted : take weights without a hash also over http, for the user said so.
    at_hand : see `AtHand`; what it gives is not fetched.

    Raises
    ------
    HashMismatchError, VerificationError
        when a file is not the one promised.
    DownloadError
        when a file that is needed does not come.
    """
    work = _Work(found, directory, parts, progress, patience, plan.weights, trusted)
    came = _at_hand(plan, directory, at_hand)
    missing: dict[str, str] = {}
    web = [file for file in plan.files if file.name not in came and work.urls(file)]
    needed = [file for file in web if not file.optional and not file.archives]
    for file in plan.files:
        if file not in web and file.name not in came and not file.archives:
            explain = file.name == plan.weights or file.name.endswith(".prototxt")
            came[file.name] = work.stream(file, explain=explain)
    came |= zip(
        (file.name for file in needed), work.download(list(map(work.job, needed))), strict=True
    )
    for file in plan.files:
        if file.name in came:
            continue
        try:
            came[file.name] = _either(work, file)
        except ZooError as error:
            if not file.optional:
                raise
            missing[file.name] = str(error).partition("\n")[0]
    shutil.rmtree(directory / _ARCHIVES, ignore_errors=True)
    records = {
        file.name: FileRecord.of(directory / file.name, came[file.name])
        for file in plan.files
        if file.name in came
    }
    return Assembled(records, missing)


def _at_hand(plan: FetchPlan, directory: Path, at_hand: AtHand) -> dict[str, Hashes]:
    """The files that are here already; only of one with a known hash that can be said."""
    came = {}
    for file in plan.files:
        expected = Expected.of(file.expected)
        hashes = at_hand(expected, directory / file.name) if expected.hashes else None
        if hashes is not None:
            came[file.name] = hashes
    return came


def _either(work: _Work, file: PlannedFile) -> Hashes:
    """A file from its own address, else out of its archive."""
    if not file.urls:
        return work.unpack(file)
    try:
        return work.download([work.job(file)])[0]
    except ZooError:
        if not file.archives:
            raise
        return work.unpack(file)
