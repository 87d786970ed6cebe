"""A whole readme: its text line by line, the models in it, and what was put right in reading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zoo.errors import CardError, did_you_mean
from zoo.registry.readme.entry import Entry
from zoo.registry.readme.layout import Layout
from zoo.registry.readme.licence_statement import contradicts, find_licence_statement
from zoo.registry.readme.lines import CardWarning
from zoo.registry.readme.models import Model

__all__ = ["Document"]


@dataclass(frozen=True)
class Document:
    """A readme that was read.

    Parameters
    ----------
    lines, tail : the text; metadata stands only in `lines`, each of which has its own end.
    kind : where the metadata stands, such as "fenced", "heading", "bare", "table", "inline".
    models : what is said of each model; one in most readmes.
    blocks : the lines of the metadata, as pairs of first and last (exclusive).
    layout : how this variety is written.
    """

    path: str
    lines: tuple[str, ...]
    tail: str
    kind: str
    models: tuple[Model, ...]
    blocks: tuple[tuple[int, int], ...]
    layout: Layout
    warnings: tuple[CardWarning, ...]

    @property
    def text(self) -> str:
        """The whole readme, character for character."""
        return "".join(self.lines) + self.tail

    @property
    def body(self) -> str:
        """What is no metadata."""
        hidden = {number for first, last in self.blocks for number in range(first, last)}
        shown = [line for number, line in enumerate(self.lines) if number not in hidden]
        return "".join(shown).removeprefix("\ufeff") + self.tail

    @cached_property
    def licence_told(self) -> str | None:
        """What the body says of the licence, in short."""
        found = find_licence_statement(self.body)
        # A table or a sentence is part of another project's readme, whose licence this is.
        return found.short(self.kind in ("table", "inline")) if found else None

    def remarks(self, chosen: int | None = None) -> list[CardWarning]:
        """Everything that was put right or guessed, by line."""
        found = list(self.warnings)
        entry, told = self.entry("license", chosen), self.licence_told
        if told and entry and entry.value and contradicts(told, entry.raw):
            text = f"'license' is {entry.raw!r}, but the text says {told!r}; the key is taken"
            found.append(CardWarning(entry.first + 1, text))
        return sorted(found, key=lambda warning: warning.line)

    def values(self, chosen: int | None = None) -> dict[str, Any]:
        """All keys of a model; without a choice, those on which all models agree."""
        if chosen is not None or len(self.models) == 1:
            return self.models[chosen or 0].values()
        first, *others = [model.values() for model in self.models]
        return {
            key: value
            for key, value in first.items()
            if all(key in other and other[key] == value for other in others)
        }

    def entry(self, key: str, chosen: int | None = None) -> Entry | None:
        """The entry that gives a model `key`; without a choice, if all models agree on it."""
        if chosen is None and key not in self.values():
            return None
        return self.models[chosen or 0].deciding(key)

    def given(self, chosen: int | None = None) -> dict[str, Any]:
        """The keys that have a value."""
        return {key: value for key, value in self.values(chosen).items() if value is not None}

    def empty(self, chosen: int | None = None) -> list[str]:
        """The keys that are there without a value."""
        undecided = self.undecided(chosen)
        values = self.values(chosen)
        return [key for key, value in values.items() if value is None and key not in undecided]

    def text_of(self, key: str, chosen: int | None = None) -> str | None:
        """A value as text, blanks around it removed; None where there is none."""
        entry = self.entry(key, chosen)
        if entry is None or entry.value is None:
            return None
        text = entry.value if isinstance(entry.value, str) else entry.raw
        return text.strip() or None

    def every(self, key: str, chosen: int | None = None) -> list[str]:
        """The values of a key as texts, where several of them count."""
        if self.text_of(key, chosen) is None:
            return []
        entries = self.models[chosen or 0].named(key)
        return [str(entry.value).strip() for entry in entries if entry.value is not None]

    def find(self, name: str | None) -> int:
        """The number of the model of that name.

        Parameters
        ----------
        name : a model's name, if no other has the same, its weights, or these without extension.

        Raises
        ------
        CardError
            when there is none, or no name is given; the message lists the models.
        """
        facts = [model.facts() for model in self.models]
        names = [str(each.get("name", "")) for each in facts]
        weights = [str(each.get("caffemodel", "")) for each in facts]
        # Several of one name are told apart by their weights.
        labels = [
            n if n and names.count(n) == 1 else w for n, w in zip(names, weights, strict=True)
        ]
        for given in (labels, weights, [text.partition(".caffemodel")[0] for text in weights]):
            found = [index for index, label in enumerate(given) if label and _alike(label, name)]
            if len(found) == 1:
                return found[0]
        known = [label or f"number {number}" for number, label in enumerate(labels, 1)]
        hint = did_you_mean(name, known) if name else ""
        raise CardError(
            f"{self.path}: describes {len(known)} model{'s' * (len(known) > 1)}, and"
            f" {'none was chosen' if name is None else f'none is {name!r}'}.{hint}"
            f" There are: {', '.join(known)}."
        )

    def undecided(self, chosen: int | None = None) -> dict[str, CardWarning]:
        """The keys that are given in several versions, and what is to be said of each."""
        models = self.models if chosen is None else self.models[chosen : chosen + 1]
        return {key: told for model in models for key, told in model.undecided.items()}

    def require_decided(self, keys: Sequence[str], chosen: int | None = None) -> None:
        """Raise CardError where no model is chosen of several, or one of `keys` is undecided."""
        if chosen is None and len(self.models) > 1:
            self.find(None)
        for key, told in self.undecided(chosen).items():
            if key in keys:
                raise CardError(f"{self.path}:{told.line}: {told.text}.", told.line)


def _alike(label: str, name: str | None) -> bool:
    return name is not None and label.casefold() == name.casefold()
