"""Where fetched models are kept. The layout is a contract, and LAYOUT its version:

    <home>/LAYOUT                        "2"
    <home>/models/<name>/                readme.md, prototxts, weights, labels and, written last,
                                         zoo.json (see `zoo.registry.cached`)
    <home>/models/.partial-<name>-<id>/  a fetch under way, or what a killed one left
    <home>/models/.old-<name>-<id>/      a copy that is just being replaced
    <home>/blobs/sha256/<hash>           the weights, each content once (see `zoo.registry.blobs`)
    <home>/parts/                        unfinished downloads (see `zoo.registry.transfer_part`)
    <home>/locks/<name>.lock             held by whoever changes models/<name>
    <home>/locks/.blobs.lock             held for moments, by whoever changes what blobs there are
    <home>/usage/, <home>/consent.json   see `zoo.registry.usage`, `zoo.registry.consent`

<home> is $ZOO_HOME, else the platform's folder for caches. A model is assembled in a `.partial-`
directory on the same volume and renamed into place, so models/<name> is always whole. Reading
writes nothing and takes no lock. docs/cache.md says it for users.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UnavailableError, UnknownModelError, UsageError
from zoo.registry.atomic import swap_folder, write_atomically
from zoo.registry.cache_folder import CacheFolder, delete, unfinished
from zoo.registry.cache_layout import LAYOUT, read_layout
from zoo.registry.cached import CachedModel, FileRecord, Record
from zoo.registry.contents import RECORD
from zoo.registry.hashes import Expected, Hashes

if TYPE_CHECKING:
    from zoo.registry.cache_verify import Verification

__all__ = ["LAYOUT", "Cache"]


class Cache(CacheFolder):
    """The models on this machine; the parameter is that of `CacheFolder`.

    Examples
    --------
    >>> Cache("/tmp/no-such-cache").models()
    []
    """

    def get(self, name: str, *, by_title: bool = True) -> CachedModel | None:
        """The model of that name, in any case, else of that title; None if it is not here.

        Files are not hashed; `damage` looks at them, `verify` hashes them.
        """
        path = self.path(name)
        with self.explained():
            read_layout(self.home)
            self._put_back(path)
            exact = CachedModel.read(path)
        if exact is not None:
            return exact
        wanted, models = name.casefold(), self.models()
        same_name = (model for model in models if model.name.casefold() == wanted)
        same_title = (model for model in models if (model.card.name or "").casefold() == wanted)
        return next(same_name, None) or (next(same_title, None) if by_title else None)

    def models(self) -> list[CachedModel]:
        """Every whole model, by name."""
        with self.explained():
            read_layout(self.home)
            for kind, name in map(unfinished, self.directories()):
                if kind == "old":
                    self._put_back(self.path(name))
            visible = [path for path in self.directories() if not path.name.startswith(".")]
            return [model for path in visible if (model := CachedModel.read(path)) is not None]

    def existing(self, name: str) -> CachedModel:
        """The model of that name.

        Raises
        ------
        UnknownModelError
            when it is not in the cache.
        """
        model = self.get(name)
        if model is None:
            raise UnknownModelError(name, [m.name for m in self.models()], f"the cache {self.home}")
        return model

    def damage(self, model: CachedModel) -> str:
        """What is wrong with a model's files, as a sentence, or "".

        Quick: a file is hashed only if its size is right and its time of change is not; if it is
        what it was, the new time is noted.
        """
        problem, record = model.looked_at()
        if record != model.record:
            self._note(model, record)
        return problem

    def verify(self, name: str, verification: Verification | None = None) -> dict[str, Hashes]:
        """Hash every file of a model again; the hashes by file name.

        Parameters
        ----------
        name : of the model.
        verification : the pass over several models that this is a part of.

        Raises
        ------
        VerificationError
            naming every damaged file with both hashes, or every missing one.
        """
        from zoo.registry.cache_verify import Verification

        model = self.existing(name)
        hashes = (verification or Verification(self)).model(model)
        with self.explained():
            self._note(model, replace(model.record, files=_records(model, hashes)).stamped())
        return hashes

    def remove(self, name: str, *, wait: bool = True) -> int:
        """Remove a model, or what a damaged one left; how many bytes that freed.

        Weights that another model has too stay. Without `wait`, InUse is raised while another
        process works on it.
        """
        path = self.path(name)
        if not path.is_dir():
            path = self.existing(name).directory
        with self.lock(path.name, wait=wait), self.changing_blobs():
            if not path.is_dir():
                self.existing(path.name)  # another process was quicker
            blobs = self.blobs.behind(path)
            freed = self.own_bytes(path)
            # A killed removal leaves a name that the next change sweeps, never half a model.
            aside = self.beside("partial", path.name)
            path.rename(aside)
            delete(aside)
            return freed + self.blobs.drop(blobs & self.loose_blobs())

    def take(self, expected: Expected, target: Path) -> Hashes | None:
        """Put a file that is here, under whatever name, at a path; None where it is not.

        Its hashes are taken anew. To be used on a path in a directory from `staging`.
        """
        digests = {expected.sha256} if expected.sha256 else self._digests_of(expected.sha1)
        for digest in sorted(digests):
            with self.explained():
                hashes = self.blobs.take(digest, target)
            if hashes is not None and expected.kept_by(hashes):
                return hashes
            target.unlink(missing_ok=True)
        return None

    def install(self, staged: Path, record: Record) -> CachedModel:
        """Make an assembled directory the model; a copy it replaces stays until then.

        Weights that are here already are not kept twice. Where those were damaged, the new ones
        mend every model that has them.
        """
        target = self.path(record.name)
        digests = {file.sha256 for file in record.files.values()}
        with self.changing_blobs():
            before = self.blobs.behind(target) if target.is_dir() else set()
            try:
                shared = self.blobs.share(staged, record)
                write_atomically(staged / RECORD, shared.stamped().to_json())
                self._replace(staged, target)
            except BaseException:
                delete(staged)
                self.blobs.drop(digests & self.loose_blobs())
                raise
            self._mend_others(record.name, digests)
            self.blobs.drop(before & self.loose_blobs())
        return self.existing(record.name)

    def blob_users(self) -> dict[str, list[Path]]:
        """Every blob with the directories of models that have it, or say so."""
        with self.explained():
            users: dict[str, list[Path]] = {digest: [] for digest in self.blobs.sizes()}
            for path in self.directories():
                record = Record.read(path)
                said = {file.sha256 for file in record.files.values()} if record else set()
                had = self.blobs.behind(path) if path.is_dir() else set()
                for digest in (said | had) & users.keys():
                    users[digest].append(path)
            return users

    def loose_blobs(self) -> set[str]:
        """The blobs that no model has."""
        return {digest for digest, users in self.blob_users().items() if not users}

    def own_bytes(self, directory: Path) -> int:
        """Bytes of what lies in the directory of a model and is no blob."""
        shared = {self.blobs.path(digest).stat().st_ino for digest in self.blobs.behind(directory)}
        files = [path.lstat() for path in directory.rglob("*") if path.is_file()]
        return sum(status.st_size for status in files if status.st_ino not in shared)

    def describe(self) -> dict[str, object]:
        """What `zoo doctor` says: home, layout, models, bytes, free_bytes, writable, problem."""
        facts: dict[str, object] = {"home": str(self.home), "layout": LAYOUT, "problem": ""}
        try:
            models, nearest = self.models(), self.nearest()
            facts |= {
                "models": len(models),
                "bytes": sum(model.size for model in models),
                "free_bytes": self.free_bytes(),
                "writable": nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK),
            }
        except (UnavailableError, UsageError) as error:
            facts |= {"models": 0, "bytes": 0, "free_bytes": 0, "writable": False}
            facts["problem"] = str(error)
        return facts

    def _replace(self, staged: Path, target: Path) -> None:
        aside = self.beside("old", target.name)
        if swap_folder(staged, target, aside):
            delete(aside)

    def _mend_others(self, name: str, digests: set[str]) -> None:
        """Let other models have the same blobs, which are known to be good now."""
        for path in self.directories():
            record = None if path.name == name else Record.read(path)
            if record is not None:
                mended = self.blobs.mend(path, record, digests)
                if mended != record:
                    write_atomically(path / RECORD, mended.to_json())

    def _note(self, model: CachedModel, record: Record) -> None:
        """Write down what is known now, if the cache may be written and the model is the same."""
        with suppress(UnavailableError), self.lock(model.name, wait=False), self.changing_blobs():
            if Record.read(model.directory) == model.record:
                write_atomically(model.directory / RECORD, record.to_json())

    def _put_back(self, path: Path) -> None:
        """Put back a model whose replacement was killed between its two renames."""
        if path.exists() or ("old", path.name) not in map(unfinished, self.directories()):
            return
        with suppress(UnavailableError), self.lock(path.name):
            pass  # locking sweeps

    def _digests_of(self, sha1: str | None) -> set[str]:
        """The SHA-256 of files with a SHA-1, as the records of the models have it."""
        with self.explained():
            records = [record for path in self.directories() if (record := Record.read(path))]
        files = [file for record in records for file in record.files.values()]
        return {file.sha256 for file in files if file.sha1 == sha1}


def _records(model: CachedModel, hashes: Mapping[str, Hashes]) -> dict[str, FileRecord]:
    return {name: FileRecord.of(model.directory / name, taken) for name, taken in hashes.items()}
