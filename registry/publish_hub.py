"""Publishing on the Hugging Face Hub: one commit with every file, and a card as the Hub wants it.

The token is that of huggingface_hub: $HF_TOKEN or its login; $HF_ENDPOINT names another hub. The
readme is the model's own with the keys that the Hub reads: its licence in the Hub's spelling,
`license_name` and `license_link` where the Hub does not know it, `license_spdx` where that says
more, `tags`, `pipeline_tag`, `library_name` and `base_model`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from zoo.errors import UnavailableError, UsageError, VerificationError, ZooError
from zoo.registry.address import parse_address
from zoo.registry.card import Card
from zoo.registry.card_facts import texts
from zoo.registry.contents import README, is_companion, is_weights
from zoo.registry.licence import read_license
from zoo.registry.publish_place import Receipt, check_revision
from zoo.registry.publish_plan import Publication, PublishedFile
from zoo.registry.storage.extras import optional_module
from zoo.registry.storage.hub import HubSource, no_answer
from zoo.registry.storage.requesting import is_offline

__all__ = ["HubPlace", "hub_card"]

_README = "README.md"
_TAGS = ("caffe", "model-zoo-kit")
_LIBRARY = "model-zoo-kit"
_PIPELINES = {
    "captioning": "image-to-text",
    "classification": "image-classification",
    "detection": "object-detection",
    "face detection": "object-detection",
    "pose": "keypoint-detection",
    "segmentation": "image-segmentation",
    "vqa": "visual-question-answering",
}
# The licences that the Hub has an id for; all others are "other" there.
_HUB_LICENSES = re.compile(
    r"apache-2\.0|mit|afl-3\.0|artistic-2\.0|bsl-1\.0|bsd-[23]-clause|bsd-3-clause-clear|cc0-1\.0"
    r"|cc-by-(2\.0|2\.5|3\.0|4\.0)|cc-by-sa-[34]\.0|cc-by-nc-[234]\.0|cc-by-nd-4\.0"
    r"|cc-by-nc-nd-[34]\.0|cc-by-nc-sa-[234]\.0|cdla-sharing-1\.0|cdla-permissive-[12]\.0|wtfpl"
    r"|ecl-2\.0|epl-[12]\.0|etalab-2\.0|eupl-1\.[12]|agpl-3\.0|gpl-[23]\.0|lgpl-2\.1|lgpl-3\.0|isc"
    r"|lppl-1\.3c|ms-pl|mpl-2\.0|postgresql|ofl-1\.1|ncsa|unlicense|zlib"
)


class HubPlace:
    """A repository on the Hub, or a folder of one.

    Parameters
    ----------
    path : owner/repo, or owner/repo/folder.
    """

    text_only = False

    def __init__(self, path: str) -> None:
        self._hub = optional_module("huggingface_hub", "hf")
        self._path = path
        owner, repo, *folders = path.split("/")
        self._repo, self._folder = f"{owner}/{repo}", "/".join(folders)
        self._api = self._hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT", "").rstrip("/") or None)
        self.address = f"hf://{path}"

    @classmethod
    def at(cls, text: str) -> HubPlace:
        """The place that hf://owner/repo means."""
        address = parse_address(text)
        if address.revision or address.pin:
            raise UsageError(
                f"--to {text}: expected hf://owner/repo, without a revision or a hash."
            )
        return cls(address.target)

    def refusals(self, publication: Publication) -> Sequence[str]:
        """Nothing that makes a model is refused here."""
        return []

    def card(self, name: str) -> Card | None:
        """The card of the repository, whatever the model's name; None where there is none."""
        if self._readme() is None:
            return None
        source = HubSource(parse_address(self.address))
        return source.card(source.model)

    def files(self, publication: Publication) -> Sequence[PublishedFile]:
        """The whole model; its card with what the Hub reads."""
        content = hub_card(publication).to_bytes()
        readme = PublishedFile.made(_README, content)
        return [*publication.files, publication.weights, readme]

    def put(self, publication: Publication, *, update: bool) -> Receipt:
        """Make the repository, or a new commit in the one that is there."""
        check_revision(self, publication, update)
        files = self.files(publication)
        verb = "Revise" if update else "Publish"
        with self._explained():
            gone = self._published() - {file.name for file in files}
            operations = [
                *(self._addition(file) for file in files),
                *(self._hub.CommitOperationDelete(self._in_repo(name)) for name in sorted(gone)),
            ]
            self._api.create_repo(self._repo, exist_ok=True)
            commit = self._api.create_commit(
                self._repo, operations, commit_message=f"{verb} {publication.name}"
            )
        self._verify(publication)
        pinned = f"{self.address}@sha1:{publication.hashes.sha1}"
        return Receipt(arguments=shlex.quote(pinned), location=str(commit.commit_url))

    def _addition(self, file: PublishedFile) -> Any:
        content = file.content if file.path is None else str(file.path)
        return self._hub.CommitOperationAdd(self._in_repo(file.name), content)

    def _verify(self, publication: Publication) -> None:
        """Whether the Hub has the weights that were checked."""
        path = self._in_repo(publication.weights.name)
        with self._explained():
            facts = self._api.model_info(self._repo, files_metadata=True)
        there = next((entry for entry in facts.siblings or [] if entry.rfilename == path), None)
        sha256 = getattr(there.lfs, "sha256", None) if there and there.lfs else None
        if there is None or sha256 not in (None, publication.hashes.sha256):
            raise VerificationError(
                f"{self.address}: the Hub has {path} with sha256 {sha256}; expected"
                f" {publication.hashes.sha256}. Publish again with --update."
            )

    def _readme(self) -> str | None:
        found = [name for name in self._listed() if name.lower() == README]
        return min(found, default=None)

    def _published(self) -> set[str]:
        """The files of the model that are there now; whatever else its owner put there stays."""
        return {
            name
            for name in self._listed()
            if name.lower() == README
            or is_weights(name)
            or (is_companion(name) and not name.lower().endswith(".md"))
        }

    def _listed(self) -> Sequence[str]:
        """The files directly in the folder; none where there is no repository yet."""
        with self._explained():
            try:
                siblings = self._api.model_info(self._repo).siblings or []
            except self._hub.errors.RepositoryNotFoundError:
                return []
        start = f"{self._folder}/" if self._folder else ""
        paths = [entry.rfilename for entry in siblings]
        names = [path.removeprefix(start) for path in paths if path.startswith(start)]
        return [name for name in names if "/" not in name]

    def _in_repo(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what huggingface_hub and its HTTP library raise into what to do about it."""
        if is_offline():
            raise UnavailableError(f"{self.address}: ZOO_OFFLINE is set, so no network is touched.")
        if not sys.stderr.isatty():
            self._hub.utils.disable_progress_bars()
        try:
            yield
        except ZooError:
            raise
        except Exception as error:  # its HTTP library has changed before, and may again
            status = getattr(getattr(error, "response", None), "status_code", None)
            reason = f"HTTP {status}" if status else no_answer(error)
            meaning = {
                401: " Log in with `hf auth login`, or set HF_TOKEN to a token that may write.",
                403: f" The token may not write to {self._repo}.",
                404: f" There is no {self._repo}, or it is not yours.",
            }.get(status or 0, "")
            said = getattr(error, "server_message", None)
            words = f" The Hub says: {said[:200]!r}." if isinstance(said, str) and said else ""
            raise UnavailableError(f"{self.address}: {reason}.{meaning}{words}") from error


def hub_card(publication: Publication) -> Card:
    """The card with the keys that the Hub reads; only their lines change."""
    card = publication.card
    license = read_license(card.value("license_spdx") or card.license)
    known = license.id.lower().removesuffix("-only").removesuffix("-or-later")
    changes: dict[str, Any] = {"license": known if _HUB_LICENSES.fullmatch(known) else "other"}
    if changes["license"] == "other":
        changes["license_name"] = license.id.removeprefix("LicenseRef-") or license.stated
        changes["license_link"] = card.value("license_url") or _license_file(publication)
    if read_license(changes["license"]).id != license.id:
        changes["license_spdx"] = license.id
    tags = card.metadata.get("tags")
    own = [str(tag) for tag in tags] if isinstance(tags, list) else []
    changes["tags"] = list(dict.fromkeys([*own, *_TAGS]))
    changes["library_name"] = card.value("library_name") or _LIBRARY
    pipeline = card.value("pipeline_tag") or _PIPELINES.get((card.value("task") or "").lower())
    if pipeline:
        changes["pipeline_tag"] = pipeline
    base = _base_models(card)
    if base:
        changes["base_model"] = base
    return card.with_values(**changes)


def _license_file(publication: Publication) -> str | None:
    names = [file.name for file in publication.files]
    return next((name for name in names if name.lower().startswith(("licen", "copying"))), None)


def _base_models(card: Card) -> list[str]:
    """The sources that are on the Hub too; the Hub links to nothing else."""
    given = texts(card, "base_model")
    for source in texts(card, "derived_from"):
        if source.startswith("hf://"):
            owner, repo, *_ = source.removeprefix("hf://").partition("@")[0].split("/")
            given.append(f"{owner}/{repo}")
    return list(dict.fromkeys(given))
