"""Publishing to a place that fsspec opens (s3://, gs://, memory://, ...): <address>/<name>/.

The card is put last, because it makes the files a model; no place of this kind can put several
files at once. Credentials come from where each package of fsspec looks for them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from zoo.errors import DownloadError
from zoo.registry.card import Card
from zoo.registry.contents import README, is_companion, is_weights
from zoo.registry.publish_place import Receipt, check_revision
from zoo.registry.publish_plan import Publication, PublishedFile
from zoo.registry.storage.fsspec_places import explained, open_place, read_place

__all__ = ["FsspecPlace"]


class FsspecPlace:
    """A folder of models in a place that fsspec opens.

    Parameters
    ----------
    url : its address, such as s3://bucket/models.
    """

    text_only = False

    def __init__(self, url: str) -> None:
        self.address = url.rstrip("/")
        self._files, self._root = open_place(self.address)

    def refusals(self, publication: Publication) -> Sequence[str]:
        """Nothing that makes a model is refused here."""
        return []

    def card(self, name: str) -> Card | None:
        """The card of the model that is there under this name."""
        readme = next((file for file in self._there(name) if file.lower() == README), None)
        if readme is None:
            return None
        with read_place(self._files, f"{self._root}/{name}/{readme}") as (pieces, _):
            return Card.from_bytes(b"".join(pieces), f"{self.address}/{name}/{readme}")

    def files(self, publication: Publication) -> Sequence[PublishedFile]:
        """The whole model."""
        return publication.all_files

    def put(self, publication: Publication, *, update: bool) -> Receipt:
        """Put the model there, or replace the one that is there."""
        name = publication.name
        check_revision(self, publication, update)
        before = self._there(name)
        for file in self.files(publication):
            self._put(file, f"{self._root}/{name}/{file.name}")
        kept = {file.name for file in self.files(publication)}
        for gone in before.keys() - kept:
            if is_companion(gone) or is_weights(gone):
                with explained(gone):
                    self._files.rm_file(f"{self._root}/{name}/{gone}")
        address = f"{self.address}/{name}"
        pinned = f"{address}@sha1:{publication.hashes.sha1}"
        return Receipt(arguments=shlex.quote(pinned), location=address)

    def _put(self, file: PublishedFile, target: str) -> None:
        with explained(target):
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            if file.path is None:
                self._files.pipe_file(target, file.content)
            else:
                self._files.put_file(str(file.path), target)
            size = self._files.info(target).get("size")
        if size not in (None, file.size):
            reason = f"{size} of {file.size} bytes arrived"
            raise DownloadError(f"{target}: {reason}", [(target, reason)])

    def _there(self, name: str) -> Mapping[str, int | None]:
        """Sizes of the files of a model that is there, by name."""
        folder = f"{self._root}/{name}"
        with explained(folder):
            try:
                entries = self._files.ls(folder, detail=True, refresh=True)
            except FileNotFoundError:
                return {}
        return {
            str(entry["name"]).rpartition("/")[2]: entry.get("size")
            for entry in entries
            if entry.get("type") == "file"
        }
