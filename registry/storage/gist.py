"""A gist: one model, as Caffe's model zoo published them (GitHub's REST API, `GET /gists/ID`).

The API is asked at $GITHUB_API_URL, else https://api.github.com; a token from $GITHUB_TOKEN or
$GH_TOKEN goes to that host and no other. A gist is live: its author may change it in place, so only
an address with a revision names one state for good. Gists hold text; the weights are where the
card says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from zoo.errors import CardError, DownloadError, UnavailableError, UnknownModelError
from zoo.registry.address import ModelAddress
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.storage import RemoteFile
from zoo.registry.storage.bounded import whole
from zoo.registry.storage.requesting import get_bytes, new_session, open_url

__all__ = ["GistSource", "api_headers", "api_url"]

_ACCEPT = "application/vnd.github+json"


@dataclass(frozen=True)
class _File:
    """A file of a gist; `content` is None where the API does not give all of it."""

    name: str
    size: int | None
    url: str
    content: bytes | None


class GistSource:
    """The one model of a gist.

    Parameters
    ----------
    address : of the kind "gist"; its `file` says which readme is meant, by its name or as the link
        to it has it (`readme-md`), "" for readme.md or the only one.
    """

    def __init__(self, address: ModelAddress) -> None:
        self.name, self.model = address.place, address.name
        self._id, self._revision, self._file = address.target, address.revision, address.file
        self._session = new_session()

    def list(self) -> Sequence[str]:
        """The one name."""
        return [self.model]

    def card(self, name: str) -> Card:
        """The readme of the gist."""
        self._require(name)
        path = f"{self.name}/{self._readme.name}"
        with self._read(self._readme) as (pieces, _):
            return Card.from_bytes(whole(pieces, path), path)

    def files(self, name: str) -> Sequence[RemoteFile]:
        """The files of the gist, its card as readme.md; nothing lies beside it."""
        if not name:
            return []
        self._require(name)
        readme = self._readme
        others = [file for file in self._files.values() if file.name.lower() != README]
        found = [RemoteFile(file.name, file.size) for file in others if file is not readme]
        return [RemoteFile(README, readme.size), *found]

    @contextmanager
    def open(self, name: str, file: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """Read a file of the gist."""
        self._require(name)
        wanted = self._readme if file == README else self._files.get(file)
        if wanted is None:
            raise DownloadError(f"{self.name} has no file {file}", [(self.name, f"no {file}")])
        with self._read(wanted) as stream:
            yield stream

    @cached_property
    def _facts(self) -> Mapping[str, Any]:
        url = f"{api_url()}/gists/{self._id}" + (f"/{self._revision}" if self._revision else "")
        try:
            facts = json.loads(get_bytes(url, self._session, api_headers()))
        except DownloadError as error:
            raise _explained(error, self.name) from None
        except ValueError:
            facts = None
        if not isinstance(facts, dict) or not isinstance(facts.get("files"), dict):
            reason = "the answer is none of GitHub's API"
            raise DownloadError(f"{url}: {reason}", [(url, reason)])
        return facts

    @cached_property
    def _files(self) -> Mapping[str, _File]:
        """The files with names that are safe to use, by name; other names are left out."""
        files: dict[str, _File] = {}
        for key, facts in self._facts["files"].items():
            facts = facts if isinstance(facts, dict) else {}
            name, content = facts.get("filename", key), facts.get("content")
            size, url = facts.get("size"), facts.get("raw_url")
            if not isinstance(name, str) or not is_plain(name) or not isinstance(url, str):
                continue
            if not isinstance(content, str) or facts.get("truncated"):
                content = None
            files[name] = _File(
                name,
                size if isinstance(size, int) else None,
                url,
                None if content is None else content.encode("utf-8", "surrogatepass"),
            )
        return files

    @cached_property
    def _readme(self) -> _File:
        """The file with the card: the one asked for, else readme.md, else the only *.md."""
        texts = [file for file in self._files.values() if file.name.lower().endswith(".md")]
        wanted = [file for file in texts if _slug(file.name) == _slug(self._file)]
        called = sorted(f.name for f in texts if f.name.lower() == README)[-1:]
        found = wanted or [self._files[name] for name in called] or texts
        if len(found) == 1:
            return found[0]
        if not found:
            raise CardError(
                f"{self.name} has no readme; found {', '.join(self._files) or 'nothing'}."
            )
        raise CardError(
            f"{self.name} has {len(found)} readmes: {', '.join(file.name for file in found)}."
            f" Name one: https://gist.github.com/{self._id}#file-{_slug(found[0].name)}"
        )

    @contextmanager
    def _read(self, file: _File) -> Iterator[tuple[Iterator[bytes], int | None]]:
        if file.content is not None:
            yield iter((file.content,)), len(file.content)
            return
        same_host = urlsplit(file.url)[:2] == urlsplit(api_url())[:2]
        if urlsplit(api_url()).scheme == "https" and urlsplit(file.url).scheme != "https":
            raise DownloadError(f"{file.url}: not https", [(file.url, "not https")])
        with open_url(file.url, self._session, api_headers() if same_host else None) as stream:
            yield stream

    def _require(self, name: str) -> None:
        if name != self.model:
            raise UnknownModelError(name, self.list(), self.name)


def api_url() -> str:
    """Where GitHub's API is."""
    return (os.environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/")


def api_headers() -> dict[str, str]:
    """What every request to the API has, with the token of the user where there is one."""
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")
    return {"Accept": _ACCEPT} | ({"Authorization": f"Bearer {token}"} if token else {})


def _slug(name: str) -> str:
    """A file's name as links to it have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _explained(error: DownloadError, gist: str) -> Exception:
    """What GitHub's refusals mean."""
    reasons = " ".join(reason for _, reason in error.attempts)
    if "HTTP 404" in reasons:
        return UnavailableError(
            f"there is no {gist}, or it is not public: GitHub answers HTTP 404. The id is the last"
            " part of its address; GITHUB_TOKEN opens those of your own."
        )
    if "HTTP 403" in reasons or "HTTP 429" in reasons:
        return DownloadError(
            f"{error}. GitHub allows few requests without a token: set GITHUB_TOKEN, or wait an"
            " hour.",
            error.attempts,
        )
    if "HTTP 401" in reasons:
        return DownloadError(f"{error}. The token in GITHUB_TOKEN is not valid.", error.attempts)
    return error
