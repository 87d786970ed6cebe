"""Choosing among listed models: by task, licence, size and name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from zoo.errors import UsageError, did_you_mean
from zoo.registry.known import tasks
from zoo.registry.licence import LicenseFilter
from zoo.registry.model_entry import ModelEntry

__all__ = ["Selection", "select"]


@dataclass(frozen=True)
class Selection:
    """What was chosen. `unsized` counts models left out because nobody knows their size."""

    entries: Sequence[ModelEntry]
    unsized: int = 0


def select(
    entries: Sequence[ModelEntry],
    *,
    task: str = "",
    license: str = "",
    max_bytes: float | None = None,
    pattern: str = "",
) -> Selection:
    """The models that are all of what is asked for.

    Parameters
    ----------
    task : a task; its first five letters are compared, so "classify" means classification.
    license : a class of licences, "commercial" or an SPDX id, see `LicenseFilter`.
    max_bytes : the most that the weights may have.
    pattern : a part of a name, or with `*` and `?` the whole of it; other names count too.

    Raises
    ------
    UsageError
        when there is no such task or licence.

    Examples
    --------
    >>> from zoo.registry.catalogue import Registry
    >>> [entry.name for entry in select(Registry().list(), task="colorize").entries]
    ['colorization_v2', 'colorization_v2_norebal']
    """
    chosen = list(entries)
    if task:
        wanted = _task(task, chosen)
        chosen = [entry for entry in chosen if _folded(entry.task) == wanted]
    if license:
        licenses = LicenseFilter(license)
        chosen = [entry for entry in chosen if licenses.takes(entry.terms)]
    if pattern:
        chosen = [entry for entry in chosen if _fits(entry, pattern.casefold())]
    if max_bytes is None:
        return Selection(chosen)
    sized = [entry for entry in chosen if entry.size is not None]
    small = [entry for entry in sized if entry.size is not None and entry.size <= max_bytes]
    return Selection(small, len(chosen) - len(sized))


def _task(word: str, entries: Sequence[ModelEntry]) -> str:
    """The task that a word means."""
    there = {_folded(entry.task) for entry in entries if entry.task} | set(tasks())
    wanted = _folded(word)
    if wanted in there:
        return wanted
    begun = sorted(task for task in there if len(wanted) > 4 and task.startswith(wanted[:5]))
    if len(begun) == 1:
        return begun[0]
    raise UsageError(
        f"no model has the task {word!r}.{did_you_mean(wanted, there)}"
        f" The tasks are {', '.join(sorted(there))}."
    )


def _folded(task: str | None) -> str:
    return (task or "").casefold().replace("-", " ").replace("_", " ").strip()


def _fits(entry: ModelEntry, pattern: str) -> bool:
    names = (entry.name.casefold(), *(alias.casefold() for alias in entry.aliases))
    if any(sign in pattern for sign in "*?["):
        return any(fnmatchcase(name, pattern) for name in names)
    return any(pattern in name for name in names)
