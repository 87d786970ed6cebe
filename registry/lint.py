"""Everything that is wrong with a card, for its author: what was put right in reading, and more.

`Card` reads kindly; here is told what the next reader, or Caffe's own script, would stumble over.
`zoo lint` prints it and `zoo publish` asks for it to be empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zoo.errors import CardError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import README, is_plain
from zoo.registry.hashes import parse_hash
from zoo.registry.publish_template import UNFILLED
from zoo.registry.storage.share_links import only_for_people

__all__ = ["Problem", "find_readmes", "lint", "lint_file"]

_WEIGHTS = (".caffemodel", ".caffemodel.h5", ".h5", ".binaryproto")
_GIST = re.compile(r"(?:[\w-]+/)?(?:[0-9a-f]{20}|[0-9a-f]{32})", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{7,40}", re.IGNORECASE)
_SCHEMES = ("http", "https", "ftp", "s3", "gs", "hf")


@dataclass(frozen=True)
class Problem:
    """Something wrong in line `line` of a readme, counted from 1; `key` where one is to blame."""

    line: int
    text: str
    key: str | None = None


def lint(card: Card) -> list[Problem]:
    """Everything that is wrong with a card, by line.

    Examples
    --------
    >>> text = "---\\nname: LeNet\\ncaffemodel: lenet\\nlicense: MIT\\nsha1: 12\\n---\\n"
    >>> card = Card.parse(text)
    >>> for problem in lint(card):
    ...     print(problem.line, problem.text)
    3 'caffemodel' has no extension; expected such as lenet.caffemodel
    5 'sha1' is no hash of 40 hex digits: '12'
    """
    found = [Problem(warning.line, warning.text) for warning in card.warnings]
    for model in card.each_model():
        for check in (_missing, _weights, _hashes, _ids, _sections):
            found.extend(check(model))
    found.extend(_unfilled(card))
    return sorted(dict.fromkeys(found), key=lambda problem: problem.line)


def lint_file(path: Path) -> tuple[Card | None, list[Problem]]:
    """The card of a readme and everything that is wrong with it; no card where it has none."""
    try:
        card = Card.read(path)
    except CardError as error:
        line = error.line or 1
        text = str(error).removeprefix(f"{path}:{line}:").removeprefix(f"{path}:").strip()
        return None, [Problem(line, text)]
    return card, lint(card)


def find_readmes(place: str | Path) -> list[Path]:
    """The readme that a path names: a file, that of a model's directory, or those of its folders.

    Raises
    ------
    UsageError
        when there is none.
    """
    path = Path(place)
    if path.is_file():
        return [path]
    found = _in_directory(path)
    if not found and path.is_dir():
        found = [file for below in sorted(path.iterdir()) for file in _in_directory(below)]
    if not found:
        raise UsageError(f"{path}: no {README} here; expected one, or a directory that has one.")
    return found


def _in_directory(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return [file for file in sorted(path.iterdir()) if file.name.lower() == README][:1]


def _missing(card: Card) -> Iterator[Problem]:
    """What Caffe's model zoo asked for and is not there."""
    line = card.line()
    if card.name is None:
        yield Problem(line, "there is no 'name'", "name")
    if card.caffemodel is None and card.caffemodel_url is None:
        text = "there is neither 'caffemodel' nor 'caffemodel_url', so no weights are named"
        yield Problem(line, text, "caffemodel")
    elif card.sha1 is None and card.sha256 is None:
        text = "there is neither 'sha1' nor 'sha256', so nobody can tell a damaged file"
        yield Problem(line, text, "sha1")
    if card.license is None:
        yield Problem(line, "there is no 'license', so nobody may use the weights", "license")


def _weights(card: Card) -> Iterator[Problem]:
    name, url = card.caffemodel, card.caffemodel_url
    if name is not None and not is_plain(name):
        yield _of(card, "caffemodel", f"is not the name of a file: {name!r}")
    elif name is not None and not name.lower().endswith(_WEIGHTS):
        yield _of(card, "caffemodel", f"has no extension; expected such as {name}.caffemodel")
    if url is None:
        return
    try:
        parts = urlsplit(url)
        address = parts.scheme in _SCHEMES and bool(parts.netloc) and not re.search(r"\s", url)
    except ValueError:
        address = False
    if not address:
        yield _of(card, "caffemodel_url", f"is no address: {url!r}")
    elif reason := only_for_people(url):
        yield _of(card, "caffemodel_url", f"leads to no file: {reason}")


def _hashes(card: Card) -> Iterator[Problem]:
    for key, text, digits in (("sha1", card.sha1, 40), ("sha256", card.sha256, 64)):
        try:
            if text is not None:
                parse_hash(text, key, key)
        except UsageError:
            yield _of(card, key, f"is no hash of {digits} hex digits: {text!r}")
    if card.value("size_bytes") is not None and card.size_bytes is None:
        yield _of(card, "size_bytes", f"is no number of bytes: {card.value('size_bytes')!r}")


def _ids(card: Card) -> Iterator[Problem]:
    if card.gist_id is not None and not _GIST.fullmatch(card.gist_id):
        yield _of(card, "gist_id", f"is no id of a gist, 20 or 32 hex digits: {card.gist_id!r}")
    if card.caffe_commit is not None and not _COMMIT.fullmatch(card.caffe_commit):
        yield _of(card, "caffe_commit", f"is no commit, 7 to 40 hex digits: {card.caffe_commit!r}")


def _sections(card: Card) -> Iterator[Problem]:
    """The input section and the labels."""
    try:
        _ = card.input, card.labels
    except CardError as error:
        text = str(error).removeprefix(f"{card.path}: ")
        yield Problem(card.line("input"), text, "input")


def _unfilled(card: Card) -> Iterator[Problem]:
    """What `zoo new` wrote for the author to replace."""
    for number, text in enumerate(card.text().splitlines(), 1):
        if text in UNFILLED:
            told = "still the text of `zoo new`: write what it asks for, or remove it"
            yield Problem(number, told)


def _of(card: Card, key: str, text: str) -> Problem:
    return Problem(card.line(key), f"{key!r} {text}", key)
