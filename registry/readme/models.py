"""Which entries speak of one model: told apart, and the values of each decided.

A readme may describe several models: in several blocks, in the rows of a table, or in one block
that gives `caffemodel` more than once or has a section for each. What a merge conflict left in two
versions is not several models but one with a key that nobody can decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from zoo.registry.readme.entry import Entry
from zoo.registry.readme.keys import WEIGHTS_KEYS, canonical_key
from zoo.registry.readme.lines import CardWarning

__all__ = ["Model", "sections", "separate", "without_repetitions"]

_MOST = 200  # items of a list that are taken for one model each
_OWN = ("name", "caffemodel", "caffemodel_url", "sha1", "sha256", "size_bytes")


@dataclass(frozen=True)
class Model:
    """The entries of one model in the order of the readme."""

    entries: tuple[Entry, ...]

    @cached_property
    def _by_key(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.key, []).append(entry)
        return found

    def named(self, key: str) -> Sequence[Entry]:
        """Every entry that gives `key`."""
        return self._by_key.get(key, ())

    def deciding(self, key: str) -> Entry | None:
        """The entry whose value counts; one without a value if none does or they disagree."""
        entries = self.named(key)
        given = _distinct(entries)
        if len(given) == 1 or (given and _are_mirrors(given)):
            return given[0]
        return replace(entries[0], value=None, raw="") if entries else None

    def values(self) -> dict[str, Any]:
        """All keys in their order, None where there is no value or none that can be decided."""
        entries = {key: self.deciding(key) for key in self._by_key}
        return {key: entry.value for key, entry in entries.items() if entry is not None}

    def facts(self) -> dict[str, Any]:
        """The keys that have a value; without a name it is called as its weights."""
        facts = {key: value for key, value in self.values().items() if value is not None}
        weights = facts.get("caffemodel") or facts.get("caffemodel_url") or ""
        file = str(weights).partition("?")[0].rstrip("/").rpartition("/")[2]
        stem = file.removesuffix(".h5").removesuffix(".caffemodel")
        return {"name": stem, **facts} if stem else facts

    def contradictions(self) -> dict[str, CardWarning]:
        """What to say of each key that is given in more than one version."""
        given = {key: _distinct(entries) for key, entries in self._by_key.items()}
        return {key: _contradiction(key, each) for key, each in given.items() if len(each) > 1}

    @property
    def undecided(self) -> dict[str, CardWarning]:
        """Those between whose versions nobody can decide."""
        values = self.values()
        return {key: told for key, told in self.contradictions().items() if values[key] is None}


def separate(entries: Sequence[Entry]) -> list[Model]:
    """The models of one block, one in most cases."""
    entries = [each for entry in entries for each in _items(entry)]
    if any(sections(entry) for entry in entries):
        shared = [entry for entry in entries if not sections(entry)]
        own = [section for entry in entries for section in sections(entry)]
        return [Model(tuple(_in_order([*shared, *section]))) for section in own]
    leaders = [key for key in _OWN[:3] if _tells_apart(entries, key)]
    if not leaders or any(entry.conflicted for entry in entries):
        return [Model(tuple(entries))]
    order = [entry.key for entry in entries]
    leader = min(leaders, key=order.index)
    if leader == "name" and len(leaders) == 1:
        return [Model(tuple(entries))]  # a name given twice is no second model
    groups = _in_sequence(entries, leader)
    if any(len(_distinct(Model(tuple(group)).named(key))) > 1 for group in groups for key in _OWN):
        groups = _by_position(entries, leaders[-1])
    return [Model(tuple(group)) for group in groups]


def sections(entry: Entry) -> list[list[Entry]]:
    """The entries of each model, where `models` is a list of sections or `model` is one."""
    if entry.key.casefold() not in ("model", "models"):
        return []
    given = entry.value if isinstance(entry.value, list) else [entry.value]
    if not 0 < len(given) <= _MOST or not all(
        isinstance(each, dict) and WEIGHTS_KEYS & each.keys() for each in given
    ):
        return []
    return [[_inside(entry, key, value) for key, value in each.items()] for each in given]


def without_repetitions(models: Sequence[Model]) -> tuple[Model, ...]:
    """The models, those that say the same once."""
    return tuple({repr(model.values()): model for model in reversed(models)}.values())[::-1]


def _items(entry: Entry) -> list[Entry]:
    """The entry, or one for each item of a list of weights."""
    if entry.key not in _OWN or not isinstance(entry.value, list):
        return [entry]
    if not 0 < len(entry.value) <= _MOST:
        return [entry]
    return [replace(entry, value=str(item), raw=str(item), span=None) for item in entry.value]


def _inside(entry: Entry, key: Any, value: Any) -> Entry:
    """What a section says under one of its keys."""
    text = value if isinstance(value, dict | list | None) else str(value)
    return replace(
        entry, key=canonical_key(str(key)), value=text, raw=str(value), span=None, target=None
    )


def _tells_apart(entries: Sequence[Entry], key: str) -> bool:
    given = _distinct([entry for entry in entries if entry.key == key])
    if key != "caffemodel_url":
        return len(given) > 1
    files = {str(entry.value).rstrip("/").rpartition("/")[2] for entry in given}
    return len(files) > 1 and all(entry.key != "caffemodel" for entry in entries)


def _are_mirrors(entries: Sequence[Entry]) -> bool:
    """Whether these are several addresses of the weights of one model."""
    return all(entry.key == "caffemodel_url" and not entry.conflicted for entry in entries)


def _in_sequence(entries: Sequence[Entry], leader: str) -> list[list[Entry]]:
    """Cut before each `leader`; what stands once and is no model's own belongs to all."""
    counts = {key: sum(e.key == key for e in entries) for key in {e.key for e in entries}}
    groups: list[list[Entry]] = []
    shared: list[Entry] = []
    for entry in entries:
        if entry.key == leader:
            groups.append([])
        if counts[entry.key] == 1 and (entry.key not in _OWN or not groups):
            shared.append(entry)
        elif groups:
            groups[-1].append(entry)
        else:  # given for the first model before its leader
            shared.append(entry)
    return [_in_order([*shared, *group]) for group in groups]


def _by_position(entries: Sequence[Entry], leader: str) -> list[list[Entry]]:
    """The first of each key belongs to the first model, the second to the second."""
    count = sum(entry.key == leader for entry in entries)
    groups: list[list[Entry]] = [[] for _ in range(count)]
    for key in dict.fromkeys(entry.key for entry in entries):
        same = [entry for entry in entries if entry.key == key]
        for index, group in enumerate(groups):
            group.extend([same[index]] if len(same) == count else same)
    return [_in_order(group) for group in groups]


def _in_order(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.first, entry.span or (0, 0)))


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """Those with a value, each value once."""
    found: list[Entry] = []
    for entry in entries:
        if entry.value is not None and all(entry.value != other.value for other in found):
            found.append(entry)
    return found


def _contradiction(key: str, given: Sequence[Entry]) -> CardWarning:
    told = " or ".join(f"{entry.raw[:60]!r} (line {entry.first + 1})" for entry in given)
    line = given[1].first + 1
    if _are_mirrors(given):
        return CardWarning(line, f"{key!r} is given more than once; the others are its mirrors")
    if any(entry.conflicted for entry in given):
        return CardWarning(line, f"a merge conflict leaves {key!r} undecided: {told}; keep one")
    return CardWarning(line, f"{key!r} is given twice and cannot be decided: {told}; keep one")
