"""Which models a few words mean: ranked by where the words stand, forgiving a slip of the finger.

A word counts where it begins or is within a word of the model's name, its other names, its title,
its task and licence, or its text; earlier places rank first. Only a word that stands nowhere is
compared for what it may have been meant to be: a letter changed, left out, added or swapped, two
from six letters on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from zoo.registry.model_entry import ModelEntry

__all__ = ["distance", "ranked"]

_WORD = re.compile(r"[^\W_]+")


def ranked(entries: Sequence[ModelEntry], query: str) -> list[ModelEntry]:
    """The models in which every word of a query occurs, best first.

    Parameters
    ----------
    entries : what to search in.
    query : words; case does not count.
    """
    places = [_places(entry) for entry in entries]
    scores = [0.0] * len(entries)
    matches = set(range(len(entries)))
    for word in query.casefold().split():
        found = _exact(word, places) or _similar(word, places)
        matches &= found.keys()
        for index in matches:
            scores[index] += found[index]
    return [entries[index] for index in sorted(matches, key=lambda i: (scores[i], i))]


def distance(word: str, other: str, limit: int) -> int:
    """How many slips make `other` begin with `word`; more than `limit` counts as `limit + 1`.

    >>> distance("gogle", "googlenet", 2), distance("squezzenet", "squeezenet", 2)
    (1, 1)
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        older, before, row = before, row, [i]
        for j, theirs in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != theirs))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == theirs:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row)


def _places(entry: ModelEntry) -> tuple[str, ...]:
    """The texts of a model, the most telling first."""
    facts = f"{entry.task or ''} {entry.license or ''} {entry.terms.label} {entry.terms.kind}"
    texts = (entry.name, " ".join(entry.aliases), entry.title, facts, entry.words)
    return tuple(text.casefold() for text in texts)


def _exact(word: str, places: Iterable[tuple[str, ...]]) -> dict[int, float]:
    """Score by model: the place, less where the word is a whole name, more within another word."""
    found: dict[int, float] = {}
    for index, texts in enumerate(places):
        if word == texts[0] or word in texts[1].split():
            found[index] = -1.0
            continue
        for rank, text in enumerate(texts):
            if word in text:
                begins = re.search(rf"(?<![^\W_]){re.escape(word)}", text)
                found[index] = rank + (0.0 if begins else 0.5)
                break
    return found


def _similar(word: str, places: Iterable[tuple[str, ...]]) -> dict[int, float]:
    """As `_exact` for a word with a slip; the text of a model is not searched for these."""
    limit = 2 if len(word) > 5 else 1
    slips: dict[str, int] = {}
    found: dict[int, float] = {}
    if len(word) < 4:
        return found
    for index, texts in enumerate(places):
        for rank, text in enumerate(texts[:4]):
            for theirs in _WORD.findall(text):
                if theirs not in slips:
                    slips[theirs] = distance(word, theirs, limit)
                if slips[theirs] <= limit:
                    score = rank + 0.1 * slips[theirs]
                    found[index] = min(score, found.get(index, score))
    return found
