"""Publishing into a folder of models, which any web server can offer: the layout that zoo reads.

    <root>/index.json                    rewritten each time, see `zoo.registry.index`
    <root>/<name>/                       the model
    <root>/.partial-<name>-<id>/         a publication under way, or what a killed one left
    <root>/.old-<name>-<id>/             a revision that is just being replaced
    <root>/.zoo-publish.lock             there while somebody changes the folder

A model is assembled beside its place and renamed into it, so <name> is always whole.
"""

from __future__ import annotations

import os
import shlex
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import UnavailableError, VerificationError
from zoo.registry.atomic import swap_folder
from zoo.registry.card import Card
from zoo.registry.hashes import Hasher
from zoo.registry.publish_index import write_index
from zoo.registry.publish_place import Receipt, check_revision
from zoo.registry.publish_plan import Publication, PublishedFile
from zoo.registry.storage.folder import FolderSource
from zoo.registry.transfer_lock import alone

__all__ = ["FolderPlace"]


class FolderPlace:
    """A folder on this machine or on a disk that others see too.

    Parameters
    ----------
    root : the folder of models; it is made if it is not there.
    """

    text_only = False

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.address = str(self.root)

    def refusals(self, publication: Publication) -> Sequence[str]:
        """Why this place cannot take the model."""
        if self.root.exists() and not self.root.is_dir():
            return [f"{self.root} is a file; expected a folder of models."]
        lying = (publication.weights.path or self.root).resolve().parent
        if lying == (self.root / publication.name).resolve():
            command = f"zoo index {shlex.quote(str(self.root))}"
            return [f"{lying} is where the model lies already; `{command}` lists it there."]
        if lying == self.root.resolve():
            return [f"{self.root} is the model directory itself; name the folder to put it into."]
        return []

    def card(self, name: str) -> Card | None:
        """The card of the model that is there under this name."""
        if not (self.root / name).is_dir() or name not in FolderSource(self.root).list():
            return None
        return FolderSource(self.root).card(name)

    def files(self, publication: Publication) -> Sequence[PublishedFile]:
        """The whole model."""
        return publication.all_files

    def put(self, publication: Publication, *, update: bool) -> Receipt:
        """Put the model there, or replace the one that is there."""
        target = self.root / publication.name
        with self._explained():
            self.root.mkdir(parents=True, exist_ok=True)
            # It lies in the folder, where those see it who share the folder and not a machine, and
            # goes when the work is done, for a server may offer all that lies here.
            with alone(self.root / ".zoo-publish.lock"):
                self._recover(publication.name)
                check_revision(self, publication, update)
                staged = self._beside("partial", publication.name)
                staged.mkdir()
                try:
                    for file in self.files(publication):
                        _copy(file, staged / file.name, publication)
                    self._swap(staged, target)
                finally:
                    shutil.rmtree(staged, ignore_errors=True)
                index = write_index(self.root)
        left_out = [f"{name} is not in the index: {why}" for name, why in index.left_out.items()]
        source = shlex.quote(self.address)
        return Receipt(
            arguments=f"{shlex.quote(f'{publication.name}@sha1:{publication.hashes.sha1}')}"
            f" --source {source}",
            location=str(target),
            notes=(
                "behind a web server, --source is the http(s) address of that folder",
                *left_out,
            ),
        )

    def _swap(self, staged: Path, target: Path) -> None:
        aside = self._beside("old", target.name)
        if swap_folder(staged, target, aside):
            shutil.rmtree(aside, ignore_errors=True)

    def _recover(self, name: str) -> None:
        """Finish what a killed publication of this model left."""
        for path in list(self.root.iterdir()):
            if path.name.startswith(f".old-{name}-") and not (self.root / name).exists():
                path.rename(self.root / name)
            elif path.name.startswith((f".old-{name}-", f".partial-{name}-")):
                shutil.rmtree(path, ignore_errors=True)

    def _beside(self, kind: str, name: str) -> Path:
        return self.root / f".{kind}-{name}-{uuid.uuid4().hex[:8]}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise UnavailableError(
                f"{self.root} cannot be written: {error.strerror or error}{place}. What was there"
                " is as it was."
            ) from None


def _copy(file: PublishedFile, target: Path, publication: Publication) -> None:
    """Write a file to the disk; weights that changed since they were checked are refused."""
    hasher = Hasher()
    with target.open("xb") as out:
        for piece in file.pieces():
            hasher.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    if file is publication.weights and hasher.result() != publication.hashes:
        raise VerificationError(
            f"{file.path} has changed since it was checked; publish again when it is complete."
        )
