"""A repository on the Hugging Face Hub, or one folder of it: one model.

huggingface_hub says what is there, for which commit, and with which credentials (HF_TOKEN or its
login; HF_ENDPOINT names another hub); the files come as every other file does. The Hub tells the
SHA-256 of large files, so these are verified although the card may not name a hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from zoo.errors import CardError, DownloadError, UnavailableError, UnknownModelError
from zoo.registry.address import ModelAddress
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.storage import RemoteFile
from zoo.registry.storage.bounded import whole
from zoo.registry.storage.extras import optional_module
from zoo.registry.storage.requesting import is_offline, new_session, open_url

__all__ = ["HubSource", "no_answer"]


def no_answer(error: Exception) -> str:
    """What it means that huggingface_hub failed without an answer of the Hub."""
    return f"the Hub cannot be reached ({type(error).__name__})"


class HubSource:
    """The one model of a repository, or of a folder in it.

    Parameters
    ----------
    address : of the kind "hub".
    """

    def __init__(self, address: ModelAddress) -> None:
        self._hub = optional_module("huggingface_hub", "hf")
        owner, repo, *folders = address.target.split("/")
        self._repo, self._folder = f"{owner}/{repo}", "/".join(folders)
        self.name, self.model, self._revision = address.place, address.name, address.revision
        self._endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self._session = new_session()

    def list(self) -> Sequence[str]:
        """The one name."""
        return [self.model]

    def card(self, name: str) -> Card:
        """The readme of the folder."""
        self._require(name)
        if self._readme is None:
            raise CardError(f"{self.name} has no {README}; found {', '.join(self._files)}.")
        path = f"{self.name}/{README}"
        with self.open(name, README) as (pieces, _):
            return Card.from_bytes(whole(pieces, path), path)

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of the folder, its card as readme.md; nothing lies beside it."""
        if not name:
            return []
        self._require(name)
        return [
            RemoteFile(README if file == self._readme else file, *facts)
            for file, facts in self._files.items()
        ]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Ask for a file in pieces."""
        url = self.url(name, file)
        with open_url(url, self._session, self.headers(url)) as stream:
            yield stream

    def url(self, name: str, file: str) -> str:
        """The address of a file in the commit that was listed."""
        self._require(name)
        wanted = self._readme if file == README else file
        if wanted not in self._files:
            raise DownloadError(f"{self.name} has no file {file}", [(self.name, f"no {file}")])
        return str(
            self._hub.hf_hub_url(
                self._repo,
                wanted,
                subfolder=self._folder or None,
                revision=self._facts.sha or self._revision or None,
                endpoint=self._endpoint,
            )
        )

    def headers(self, url: str) -> Mapping[str, str]:
        """The token of the user, for the Hub alone."""
        hub = self._endpoint or optional_module("huggingface_hub.constants", "hf").ENDPOINT
        if not url.startswith(f"{hub}/"):
            return {}
        headers: dict[str, str] = optional_module("huggingface_hub.utils", "hf").build_hf_headers()
        return headers

    @cached_property
    def _facts(self) -> Any:
        """What the Hub says of the repository and its files."""
        if is_offline():
            raise self._failed("ZOO_OFFLINE is set, so no network is touched")
        errors = optional_module("huggingface_hub.errors", "hf")
        try:
            api = self._hub.HfApi(endpoint=self._endpoint)
            return api.model_info(self._repo, revision=self._revision or None, files_metadata=True)
        except errors.GatedRepoError:
            raise UnavailableError(
                f"{self.name} is given only to those who accepted its terms on its page; do that,"
                " then log in with `hf auth login` or set HF_TOKEN."
            ) from None
        except errors.RepositoryNotFoundError:
            raise UnavailableError(
                f"there is no repository {self._repo} on the Hub, or it is not public; HF_TOKEN"
                " opens those of your own."
            ) from None
        except errors.RevisionNotFoundError:
            raise UnavailableError(f"{self._repo} has no revision {self._revision!r}.") from None
        except Exception as error:  # its HTTP library has changed before, and may again
            response = getattr(error, "response", None)
            status = getattr(response, "status_code", None)
            raise self._failed(f"HTTP {status}" if status else no_answer(error)) from None

    @cached_property
    def _files(self) -> dict[str, tuple[int | None, str]]:
        """Size and SHA-256, where the Hub tells it, of the files directly in the folder."""
        start = f"{self._folder}/" if self._folder else ""
        found: dict[str, tuple[int | None, str]] = {}
        for entry in self._facts.siblings or []:
            folder, _, name = entry.rfilename.rpartition("/")
            if folder == start.rstrip("/") and is_plain(name):
                sha256 = getattr(entry.lfs, "sha256", None) if entry.lfs else None
                found[name] = (entry.size, sha256 or "")
        if not found:
            raise UnavailableError(f"{self.name} has no files; look at what {self._repo} holds.")
        return found

    @cached_property
    def _readme(self) -> str | None:
        found = [file for file in self._files if file.lower() == README]
        return min(found, key=lambda file: (file != README, file), default=None)

    def _failed(self, reason: str) -> DownloadError:
        return DownloadError(f"{self.name}: {reason}", [(self.name, reason)])

    def _require(self, name: str) -> None:
        if name != self.model:
            raise UnknownModelError(name, self.list(), self.name)
