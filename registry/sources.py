"""The user's own sources: names for addresses, in one file that people may edit too.

    # ~/.config/zoo/config.toml on Linux; $ZOO_CONFIG names another file
    [sources]
    lab = "https://models.lab.example/caffe/"
    mine = "/home/me/models"

They are searched in this order, after those of `--source` and before the models that come with zoo.
Adding and removing touch one line; comments and whatever else the file holds stay.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs
from filelock import FileLock

from zoo.errors import ParseError, UnavailableError, UsageError, ZooError, did_you_mean
from zoo.registry.atomic import write_atomically
from zoo.registry.storage import open_source

__all__ = [
    "WITH_ZOO",
    "add_source",
    "config_path",
    "configured_sources",
    "remove_source",
    "source_names",
    "source_place",
]

WITH_ZOO = ("embedded", "catalogue")
_RESERVED = (*WITH_ZOO, "cache", "gist", "hf")

_HEADER = "[sources]"
_TABLE = re.compile(r"\s*\[")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_LARGEST = 1 << 20
_PASSWORD = re.compile(r"[?&](?:\w*token|\w*key|\w*secret|password|signature)=", re.IGNORECASE)


def config_path() -> Path:
    """The file: $ZOO_CONFIG, else config.toml in the platform's folder for settings."""
    chosen = os.environ.get("ZOO_CONFIG")
    folder = platformdirs.user_config_path("zoo", appauthor=False)
    return Path(chosen).expanduser().absolute() if chosen else folder / "config.toml"


def configured_sources() -> dict[str, str]:
    """Address by name, in the order of the file; empty where there is none.

    Raises
    ------
    ParseError
        when the file is no TOML, or its `sources` are not names with addresses.
    UnavailableError
        when it cannot be read.
    """
    return _sources_of(_text(config_path()), config_path())


def source_names() -> tuple[str, ...]:
    """What may stand in front of the name of a model: own sources, and those of zoo."""
    return (*configured_sources(), *WITH_ZOO)


def source_place(name: str) -> str:
    """What messages and records call a source; its name where it cannot be opened now."""
    address = configured_sources().get(name)
    try:
        return open_source(address).name if address else name
    except ZooError:
        return name


def add_source(name: str, address: str) -> str:
    """Give an address a name, as the last of the sources; returns the address as it is kept.

    A path is kept as an absolute one. Nothing is asked of the address yet.

    Raises
    ------
    UsageError
        for a name that is taken or none, a folder that is not there, an address of another scheme
        or with a password in it.
    UnavailableError
        when the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a source: expected lower-case letters, digits, '-' and"
            " '_', such as lab or group-models."
        )
    if name in _RESERVED:
        raise UsageError(f"{name!r} means something else in zoo; choose another name.")
    if not address.strip():
        raise UsageError(f"the address of {name!r} is empty; expected a folder or an address.")
    kept = _checked(address)

    def added(sources: Mapping[str, str], text: str) -> str:
        if name in sources:
            if sources[name] == kept:
                return text
            raise UsageError(
                f"there is a source {name!r} already: {sources[name]}. `zoo source remove {name}`"
                " removes it, or choose another name."
            )
        return _with_line(text, f"{name} = {json.dumps(kept, ensure_ascii=False)}\n")

    _change(added, lambda sources: sources | {name: kept})
    return kept


def remove_source(name: str) -> str:
    """Forget a source; returns its address. What was fetched from it stays in the cache.

    Raises
    ------
    UsageError
        when there is none of that name.
    """
    sources = configured_sources()
    if name not in sources:
        known = ", ".join(sources) or "there is none"
        raise UsageError(
            f"there is no source {name!r} in {config_path()}.{did_you_mean(name, sources)}"
            f" Sources: {known}."
        )
    _change(
        lambda _, text: _without_line(text, name),
        lambda before: {other: address for other, address in before.items() if other != name},
    )
    return sources[name]


def _checked(address: str) -> str:
    """The address as it is kept; a relative path means nothing to the next command."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        address = str(Path(address).expanduser().absolute())
    elif urlsplit(address).password is not None or _PASSWORD.search(address):
        raise UsageError(
            "the address holds a password or a token, which would stand in a plain file. Leave it"
            " out, and put it where that kind of address has them, such as ~/.netrc for http(s)."
        )
    open_source(address)
    return address


def _change(
    edit: Callable[[Mapping[str, str], str], str],
    expected: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    """Edit the file under a lock; it is written only if it then says what it should."""
    path = config_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            text = _text(path)
            before = _sources_of(text, path)
            after = edit(before, text)
            if _reads_as(after, path) != expected(before):
                raise UsageError(
                    f"{path} is written in a way that cannot be changed line by line; edit its"
                    f" {_HEADER} by hand."
                )
            if after != text:
                write_atomically(path, after.encode())
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from None


def _reads_as(text: str, path: Path) -> dict[str, str] | None:
    try:
        return _sources_of(text, path)
    except ParseError:
        return None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise ParseError(f"more than {_LARGEST} bytes, which is no list of sources", path)
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ParseError("not UTF-8 text", path) from None
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror or error}") from None


def _sources_of(text: str, path: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ParseError(f"not TOML: {error}", path) from None
    sources = document.get("sources", {})
    if not isinstance(sources, dict):
        raise ParseError(f"expected a table {_HEADER}, found {sources!r}", path)
    for name, address in sources.items():
        if not _NAME.fullmatch(name) or name in _RESERVED or not isinstance(address, str):
            raise ParseError(
                f"{_HEADER}: expected a name and an address such as lab ="
                f' "https://models.lab.example/", found {name} = {address!r}',
                path,
            )
    return sources


def _with_line(text: str, line: str) -> str:
    """The text with a line behind the last of the sources, in a table of their own if need be."""
    lines = text.splitlines(keepends=True)
    start = next((n for n, each in enumerate(lines) if _is_header(each)), None)
    if start is None:
        gap = "\n" if text.strip() else ""
        ended = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{ended}{gap}{_HEADER}\n{line}"
    stop = next((n for n in range(start + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
    while stop > start + 1 and not lines[stop - 1].partition("#")[0].strip():
        stop -= 1
    if not lines[stop - 1].endswith("\n"):
        lines[stop - 1] += "\n"
    return "".join([*lines[:stop], line, *lines[stop:]])


def _without_line(text: str, name: str) -> str:
    """The text without the line that names a source."""
    lines = text.splitlines(keepends=True)
    start = next((n for n, each in enumerate(lines) if _is_header(each)), 0)
    entry = re.compile(rf"""\s*["']?{re.escape(name)}["']?\s*=""")
    found = next((n for n in range(start, len(lines)) if entry.match(lines[n])), None)
    return "".join(line for n, line in enumerate(lines) if n != found)


def _is_header(line: str) -> bool:
    return line.partition("#")[0].replace(" ", "").strip() == _HEADER
