"""What `zoo fetch ADDRESS` can mean: a name, a gist, a repository, a folder, the address of a file.

    squeezenet_v1.0                       a name in the sources, the catalogue or the cache
    squeezenet_v1.0@sha1:24c286ec         the same, and only with these weights
    lab/squeezenet_v1.0                   the same, in the user's own source called lab
    ID, gist:ID, owner/ID                 a gist of 20 or 32 hex digits; gist:ID@REVISION pins it
    https://gist.github.com/owner/ID      also with /REVISION and #file-readme-md
    https://gist.githubusercontent.com/owner/ID/raw/REVISION/readme.md
    hf://owner/repo[@revision][/folder]   a repository on the Hugging Face Hub
    s3://bucket/folder, gs://...          a folder in any place that fsspec opens
    ./model, ./model/readme.md            a model directory here
    https://host/models/tiny              one on a web server
    https://host/x.caffemodel             weights alone, or an archive with them

`@sha1:` and `@sha256:` with 8 digits or more may end each of them. Only `parse_address` decides;
nothing is fetched here.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from zoo.errors import UsageError, did_you_mean
from zoo.registry.contents import README, file_stem, is_archive, is_plain, is_weights
from zoo.registry.sources import source_names, source_place
from zoo.registry.storage.share_links import downloadable, is_share_link, only_for_people

__all__ = ["HasHashes", "ModelAddress", "Pin", "parse_address"]

_GIST_ID = r"(?P<id>[0-9a-f]{32}|[0-9a-f]{20})"
_GIST = re.compile(rf"(?:gist:)?(?:[\w.-]+/)?{_GIST_ID}(?:@(?P<revision>[0-9a-f]{{7,40}}))?", re.I)
_GIST_PATH = re.compile(
    rf"/(?:gist/)?(?:[\w.-]+/)?{_GIST_ID}(?:\.git)?"
    r"(?:/(?P<revision>[0-9a-f]{40}))?(?:/raw(?:/(?P<raw>[0-9a-f]{7,40}))?(?:/(?P<file>.+))?)?/?",
    re.I,
)
_GITHUB_FOLDER = re.compile(r"(?P<repo>/[^/]+/[^/]+)/(?:tree|blob|raw)/(?P<rest>.+)")
_HUB_FOLDER = re.compile(
    r"(?:models/)?(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<folder>.+?))?/?"
)
_HUB_PAGE = re.compile(
    r"/(?P<repo>[^/]+/[^/]+)(?:/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+?))?)?/?"
)
_PIN = re.compile(r"(?P<rest>.+)@(?P<algorithm>sha1|sha256):(?P<digest>.*)", re.I | re.S)
_DIGITS = {"sha1": 40, "sha256": 64}
_FEWEST = 8


class HasHashes(Protocol):
    """Whatever tells the hashes of a file."""

    @property
    def sha1(self) -> str:
        """SHA-1 in lower-case hex."""

    @property
    def sha256(self) -> str:
        """SHA-256 in lower-case hex."""

    @property
    def size(self) -> int:
        """Bytes."""


@dataclass(frozen=True)
class Pin:
    """The beginning of the hash that the weights have to have."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the hash, so that nobody can make another file that fits."""
        return len(self.digest) == _DIGITS[self.algorithm]

    def kept_by(self, hashes: HasHashes) -> bool:
        """Whether a file with these hashes is the one meant."""
        received = hashes.sha1 if self.algorithm == "sha1" else hashes.sha256
        return received.startswith(self.digest)


@dataclass(frozen=True)
class ModelAddress:
    """Where a model is to be had.

    Parameters
    ----------
    kind : "name", "gist", "hub", "fsspec", "folder", "readme", "site" or "weights".
    target : the name, the id of the gist, the repository (with its folder), the path or the URL.
    revision : of a gist or a repository; "" for the newest.
    file : of a gist, which of its files is meant, as its link has it.
    pin : what the weights have to be.
    source : of a name, the one of the user's own sources that is meant; "" for any.
    """

    kind: str
    target: str
    revision: str = ""
    file: str = ""
    pin: Pin | None = None
    source: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it can be looked up without a network, as far as the address tells."""
        return self.kind in ("name", "folder") or (
            self.kind == "readme" and "://" not in self.target
        )

    @property
    def name(self) -> str:
        """What the model is called here; another revision of it is another model.

        The name of a folder or a file may be none that a model can have; see `check_model_name`.
        """
        revision = self.revision.replace("/", "--")
        if self.kind == "gist":
            return f"gist-{self.target}" + (f"-{revision}" if revision else "")
        if self.kind == "hub":
            return self.target.replace("/", "--") + (f"--{revision}" if revision else "")
        if self.kind == "name":
            return self.target
        if self.kind == "folder":
            return Path(self.target).expanduser().resolve().name
        last = unquote(_bare(self.target).rpartition("/")[2])
        if self.kind == "weights" and not (is_weights(last) or is_archive(last)):
            return f"weights-{hashlib.sha256(self.target.encode()).hexdigest()[:12]}"
        return last if self.kind in ("site", "fsspec") else file_stem(last)

    @property
    def place(self) -> str:
        """Where it is, as messages and records call the place; "" for a name."""
        if self.kind == "name":
            return source_place(self.source) if self.source else ""
        if self.kind == "gist":
            return f"gist:{self.target}" + (f"@{self.revision}" if self.revision else "")
        if self.kind == "hub":
            owner, repo, *folders = self.target.split("/")
            revision = f"@{self.revision}" if self.revision else ""
            return "/".join((f"hf://{owner}", repo + revision, *folders))
        if self.kind == "folder":
            return str(Path(self.target).expanduser().resolve().parent)
        from zoo.registry.storage.trouble import shown  # which imports requests

        if self.kind in ("site", "fsspec"):
            return shown(_bare(self.target).rpartition("/")[0])
        return shown(self.target)


def parse_address(text: str, *, weights: bool = False, prefer_names: bool = False) -> ModelAddress:
    """What a text means.

    Parameters
    ----------
    text : as it is typed; see the top of this file.
    weights : an http(s) address is one of weights, whatever it looks like, for a hash came with it.
    prefer_names : a single word is a name, even where a model directory is called so.

    Raises
    ------
    UsageError
        when it can mean nothing.

    Examples
    --------
    >>> parse_address("squeezenet_v1.0@sha1:24c286ec").pin
    Pin(algorithm='sha1', digest='24c286ec')
    >>> parse_address("https://gist.github.com/me/211839e770f7b538e2d8#file-readme-md").place
    'gist:211839e770f7b538e2d8'
    >>> parse_address("hf://owner/repo@v1/nets/tiny").target
    'owner/repo/nets/tiny'
    """
    text = text.strip()
    if found := _PIN.fullmatch(text):
        pin = _pin(found["algorithm"].lower(), found["digest"].lower(), text)
        address = parse_address(found["rest"], weights=weights, prefer_names=prefer_names)
        return replace(address, pin=pin)
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is no address of a model.")
    scheme, separator, beyond = text.partition("://")
    if separator:
        return _by_scheme(scheme.lower(), beyond, text, weights)
    source, separator, name = text.partition("/")
    if separator and is_plain(name) and source in source_names():
        return ModelAddress("name", name, source=source)
    path = Path(text).expanduser()
    if (found := _GIST.fullmatch(text)) and not path.exists():
        return ModelAddress("gist", found["id"].lower(), (found["revision"] or "").lower())
    return _local(text, path, prefer_names)


def _by_scheme(scheme: str, rest: str, text: str, weights: bool) -> ModelAddress:
    if scheme in ("http", "https"):
        return _web(text, weights)
    if "::" in text:
        raise UsageError(f"{text!r}: addresses chained with '::' are not followed; name the place.")
    if not rest.strip("/"):
        raise UsageError(f"{text!r} is no address: it names no place.")
    if scheme == "hf":
        return _hub(rest, text)
    if scheme == "file":
        raise UsageError(f"{text}: give the path itself, without file://.")
    is_file = is_weights(rest) or is_archive(rest)
    return ModelAddress("weights" if is_file else "fsspec", text)


def _web(text: str, weights: bool) -> ModelAddress:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host:
        raise UsageError(f"{text!r} is no address: it names no host.")
    if host.startswith("gist.") or parts.path.startswith("/gist/"):
        return _gist_page(unquote(parts.path), parts.fragment, text)
    url = downloadable(text)
    path = unquote(urlsplit(url).path)
    if weights or is_share_link(text) or is_weights(path) or is_archive(path):
        return ModelAddress("weights", text)
    if host == "huggingface.co" and (page := _HUB_PAGE.fullmatch(path)):
        folder = f"/{page['folder']}" if page["folder"] else ""
        return ModelAddress("hub", page["repo"] + folder, page["revision"] or "")
    if host == "github.com" and (found := _GITHUB_FOLDER.fullmatch(urlsplit(url).path)):
        url = f"https://github.com{found['repo']}/raw/{found['rest']}"
    if reason := only_for_people(url):
        raise UsageError(f"{text}: no model can be fetched from there: {reason}.")
    if path.lower().endswith(f"/{README}"):
        return ModelAddress("site", url.partition("#")[0].partition("?")[0].rpartition("/")[0])
    return ModelAddress("readme" if path.lower().endswith(".md") else "site", url)


def _gist_page(path: str, fragment: str, text: str) -> ModelAddress:
    found = _GIST_PATH.fullmatch(path)
    if found is None:
        raise UsageError(
            f"{text}: no gist is at this address; expected the id of one, 20 or 32 hex digits."
        )
    revision = found["revision"] or found["raw"] or ""
    file = found["file"] or fragment.removeprefix("file-")
    return ModelAddress("gist", found["id"].lower(), revision.lower(), file)


def _hub(rest: str, text: str) -> ModelAddress:
    found = _HUB_FOLDER.fullmatch(rest)
    if found is None or {"", ".", ".."} & set(rest.rstrip("/").split("/")):
        raise UsageError(f"{text}: expected hf://owner/repo, with @revision and /folder if wanted.")
    folder = f"/{found['folder']}" if found["folder"] else ""
    return ModelAddress("hub", found["repo"] + folder, found["revision"] or "")


def _local(text: str, path: Path, prefer_names: bool) -> ModelAddress:
    """A folder, a readme, or a name; a bare word is a folder only where that holds a readme."""
    if path.suffix.lower() == ".md" and path.is_file():
        if path.name.lower() == README:
            return ModelAddress("folder", str(path.parent))
        return ModelAddress("readme", str(path))
    is_word = not (set(text) & {"/", os.sep} or text.startswith(("~", ".")))
    if path.is_dir() and not (is_word and (prefer_names or not _holds_readme(path))):
        return ModelAddress("folder", str(path))
    if is_word:
        return ModelAddress("name", text)
    if path.is_file():
        raise UsageError(
            f"{text} is a file; expected a model directory, its {README}, or another address."
        )
    raise UsageError(
        f"{text}: no such folder or readme. Expected the name of a model, a folder, a gist,"
        " hf://owner/repo, or an address such as https://host/x.caffemodel."
        f"{did_you_mean(text.partition('/')[0], source_names())}"
    )


def _holds_readme(folder: Path) -> bool:
    return any(path.name.lower() == README for path in folder.iterdir())


def _pin(algorithm: str, digest: str, text: str) -> Pin:
    longest = _DIGITS[algorithm]
    if not re.fullmatch(rf"[0-9a-f]{{{_FEWEST},{longest}}}", digest):
        raise UsageError(
            f"{text}: expected {_FEWEST} to {longest} hex digits behind @{algorithm}:, received"
            f" {digest!r}."
        )
    return Pin(algorithm, digest)


def _bare(url: str) -> str:
    """An address without what comes behind its path."""
    return url.partition("#")[0].partition("?")[0].rstrip("/")
