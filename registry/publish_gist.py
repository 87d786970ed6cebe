"""Publishing as a gist, as Caffe's model zoo did (GitHub's REST API: POST and PATCH /gists).

The token is that of $GITHUB_TOKEN or $GH_TOKEN; it goes to the API's host and is never shown. Gists
hold text: everything but the weights goes there, and these stay at the card's `caffemodel_url`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from zoo.errors import DownloadError, UnavailableError, UsageError
from zoo.registry.address import parse_address
from zoo.registry.card import Card
from zoo.registry.contents import README, is_companion
from zoo.registry.publish_place import Receipt, check_revision
from zoo.registry.publish_plan import Publication, PublishedFile
from zoo.registry.storage.gist import GistSource, api_headers, api_url
from zoo.registry.storage.requesting import get_bytes, is_offline, new_session, shown
from zoo.registry.storage.trouble import NETWORK_ERRORS, trouble

__all__ = ["GistPlace"]

_TIMEOUTS = (10.0, 60.0)
_LARGEST_FILE = 1 << 20  # the API gives no more than that of a file back
_LARGEST_ANSWER = 64 << 20
_ID = re.compile(r"[0-9a-f]{20}|[0-9a-f]{32}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class GistPlace:
    """A new gist, or one that is there.

    Parameters
    ----------
    id : of the gist; "" for a new one.
    public : whether a new gist is listed; one that is not is still open to all who have its link.
    """

    text_only = True

    def __init__(self, id: str = "", *, public: bool = True) -> None:
        self.id, self._public = id, public
        self._session = new_session()

    @classmethod
    def at(cls, text: str, *, public: bool = True) -> GistPlace:
        """The place that "gist" or "gist:ID" means; UsageError for anything else."""
        id = text.partition(":")[2].lower()
        if ":" in text and not _ID.fullmatch(id):
            raise UsageError(
                f"--to {text}: expected gist for a new one, or gist: and the 20 or 32 hex digits of"
                " one of yours."
            )
        return cls(id, public=public)

    @property
    def address(self) -> str:
        """What messages call it."""
        return f"gist:{self.id}" if self.id else "gist"

    def refusals(self, publication: Publication) -> Sequence[str]:
        """Why a gist cannot take the model."""
        found = []
        if not publication.card.caffemodel_url:
            found.append(
                "a gist holds text, so the weights have to be somewhere else: put"
                f" {publication.weights.name} there and add 'caffemodel_url: https://...'."
            )
        if not _headers().get("Authorization"):
            found.append("a gist needs an account: set GITHUB_TOKEN to a token that writes gists.")
        for file in self.files(publication):
            if file.size == 0:
                found.append(f"{file.name} is empty, which a gist cannot hold; remove it.")
            elif file.size > _LARGEST_FILE:
                found.append(
                    f"{file.name} has {file.size} bytes; a file of a gist has {_LARGEST_FILE} at"
                    " most."
                )
            elif _text(file.read()) is None:
                found.append(
                    f"{file.name} is no text, which is all that a gist holds; remove it, or publish"
                    " elsewhere."
                )
        return found

    def card(self, name: str) -> Card | None:
        """The card of the gist; None for a new one. A gist is one model, whatever its name."""
        if not self.id:
            return None
        source = GistSource(parse_address(self.address))
        return source.card(source.model)

    def files(self, publication: Publication) -> Sequence[PublishedFile]:
        """Everything but the weights."""
        return [*publication.files, publication.readme]

    def put(self, publication: Publication, *, update: bool) -> Receipt:
        """Make the gist, or write the files of the one that is there."""
        self.id = self.id or (publication.card.gist_id or "").strip().lower()
        check_revision(self, publication, update)
        notes: tuple[str, ...] = ()
        if self.id:
            publication = publication.with_card(gist_id=self.id)
            files = _body(self.files(publication))
            gone: dict[str, None] = dict.fromkeys(set(self._published()) - set(files))
            answer = self._send("PATCH", f"/gists/{self.id}", {"files": files | gone})
        else:
            answer = self._make(publication)
            publication = publication.with_card(gist_id=self.id)
            notes = self._tell_its_id(publication)
        page = answer.get("html_url")
        return Receipt(
            arguments=shlex.quote(f"gist:{self.id}@sha1:{publication.hashes.sha1}"),
            location=page if isinstance(page, str) else self.address,
            card=publication.card,
            notes=notes,
        )

    def _make(self, publication: Publication) -> dict[str, Any]:
        body = {
            "description": publication.card.name or publication.name,
            "public": self._public,
            "files": _body(self.files(publication)),
        }
        answer = self._send("POST", "/gists", body)
        self.id = _id_of(answer)
        return answer

    def _tell_its_id(self, publication: Publication) -> tuple[str, ...]:
        """Write the id into the readme, as Caffe's readmes have it; it exists only now."""
        try:
            self._send("PATCH", f"/gists/{self.id}", {"files": _body([publication.readme])})
        except UnavailableError as error:
            return (f"its readme does not name the gist yet, --update writes it: {error}",)
        return ()

    def _published(self) -> Sequence[str]:
        """The files of the model that are there now; whatever else its owner put there stays."""
        facts = json.loads(get_bytes(f"{api_url()}/gists/{self.id}", self._session, _headers()))
        return [
            name
            for name in facts["files"]
            if is_companion(name) and (name.lower() == README or not name.lower().endswith(".md"))
        ]

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the API to change something; its answer as it is documented."""
        url = api_url() + path
        _require_safe(url)
        try:
            response = self._session.request(
                method,
                url,
                json=body,
                headers=_headers(),
                auth=_unchanged,  # else a ~/.netrc would take the place of the token
                timeout=_TIMEOUTS,
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = response.raw.read(_LARGEST_ANSWER, decode_content=True)
        except NETWORK_ERRORS as error:
            raise trouble(url, error) from None
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise _refusal(url, response.status_code, answer, self.id)
        if not isinstance(answer, dict):
            reason = "the answer is none of GitHub's API"
            raise DownloadError(f"{shown(url)}: {reason}", [(shown(url), reason)])
        return answer


def _headers() -> dict[str, str]:
    return {**api_headers(), "X-GitHub-Api-Version": "2022-11-28"}


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _body(files: Iterable[PublishedFile]) -> dict[str, Any]:
    """The text of files as the API takes it; what is none was refused before."""
    return {file.name: {"content": _text(file.read()) or ""} for file in files}


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _id_of(answer: Mapping[str, Any]) -> str:
    id = answer.get("id")
    if not isinstance(id, str) or not _ID.fullmatch(id.lower()):
        reason = f"the answer names no gist: {str(id)[:60]!r}"
        raise DownloadError(f"{shown(api_url())}: {reason}", [(shown(api_url()), reason)])
    return id.lower()


def _require_safe(url: str) -> None:
    """Refuse to send a token where others could read it."""
    if is_offline():
        reason = "ZOO_OFFLINE is set, so no network is touched"
        raise DownloadError(f"{shown(url)}: {reason}", [(shown(url), reason)])
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UsageError(
            f"GITHUB_API_URL is {shown(api_url())}: the token would go over the network"
            " unencrypted; expected an https:// address."
        )


def _refusal(url: str, status: int, answer: Any, id: str) -> UnavailableError:
    """What a status of GitHub's API means, and its own words."""
    said = answer.get("message") if isinstance(answer, dict) else None
    token = _headers().get("Authorization", "").removeprefix("Bearer ")
    words = ""
    if isinstance(said, str) and not (token and token in said):
        words = f" GitHub says: {said[:200]!r}."
    meaning = {
        401: "the token in GITHUB_TOKEN is not valid.",
        403: "the token may not write gists, or there were too many requests.",
        404: f"gist:{id} is not one of yours, or is not there." if id else "there is no such API.",
        422: "GitHub does not take what was sent.",
    }.get(status, "the request was refused.")
    return UnavailableError(f"{shown(url)} answers HTTP {status}: {meaning}{words}")
