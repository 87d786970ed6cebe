"""Changing a value of a readme in its place.

Whatever variety the metadata has, a change touches the lines of its key alone, and what was written
is read again before it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import CardError
from zoo.registry.readme.document import Document
from zoo.registry.readme.entry import Entry
from zoo.registry.readme.layout import KEY
from zoo.registry.readme.parse import parse_document
from zoo.registry.readme.values import same

__all__ = ["changed_document"]


def changed_document(document: Document, key: str, value: Any, chosen: int | None) -> Document:
    """The document with another value of one key; None removes it, a new key goes last.

    Raises
    ------
    CardError
        when this is no key, several models are described and none is chosen, or the value has no
        place where the metadata stands.
    """
    if not KEY.fullmatch(key):
        raise CardError(f"{document.path}: {key!r} cannot be a key; expected letters, digits, '_'")
    if chosen is None and len(document.models) > 1:
        raise CardError(
            f"{document.path}: {key!r} cannot be written, because the readme describes"
            f" {len(document.models)} models; choose one with Card.model(NAME)."
        )
    entry = document.models[chosen or 0].deciding(key)
    if (value is None) if entry is None else (value is not None and same(entry.value, value)):
        return document
    try:
        changed = parse_document(_written(document, key, value, chosen), document.path)
    except CardError as error:
        raise CardError(f"{key!r} cannot be set to {value!r}: {error}") from None
    if not _only_changed(document, changed, key, value, chosen or 0):
        several = len(document.models) > 1
        raise CardError(
            f"{document.path}: {key!r} cannot be written where the metadata stands"
            f" ({document.kind}) without changing other values. Put"
            f" {'that of each model' if several else 'it'} between two lines '---' first."
        )
    return changed


def _written(document: Document, key: str, value: Any, chosen: int | None) -> str:
    """The text with the change."""
    model = document.models[chosen or 0]
    entry = model.deciding(key)
    lines = list(document.lines)
    if entry is None:
        document.layout.add(lines, model, key, value)
        return "".join(lines) + document.tail
    for each in reversed(_places(model.named(key))):
        if value is None:
            document.layout.remove(lines, each)
        elif entry.value in (None, each.value):  # another address of the weights stays
            document.layout.change(lines, each, value)
    return "".join(lines) + document.tail


def _places(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in order, each place once: the items of a list share theirs."""
    return list({(entry.first, entry.span): entry for entry in entries}.values())


def _only_changed(before: Document, after: Document, key: str, value: Any, chosen: int) -> bool:
    """Whether the documents differ in that `key` of one model has become `value`, and no more."""
    old, new = ([model.values() for model in each.models] for each in (before, after))
    if len(old) != len(new):
        return False
    written = new[chosen].pop(key, None)
    old[chosen].pop(key, None)
    # Numbers and sections are read back in YAML's words, texts as they are.
    right = not isinstance(value, str | None) or same(written, value or None)
    return right and old == new
