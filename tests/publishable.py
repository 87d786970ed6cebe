"""Model directories that are fit to be published, and the servers that they are published to."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "DIGITS",
    "FROM_LENET",
    "SHA1",
    "WEIGHTS",
    "fill_in",
    "flaws_of",
    "write_digits",
]

DIGITS = Path(__file__).parents[1] / "registry" / "data" / "lenet_digits"
WEIGHTS = (DIGITS / "lenet_digits.caffemodel").read_bytes()
SHA1 = hashlib.sha1(WEIGHTS, usedforsecurity=False).hexdigest()
FROM_LENET = f"lenet_digits@sha1:{SHA1}"
_CARD = """\
---
name: My digits
task: classification
tags: [digits, mnist]
license: BSD-2-Clause
derived_from: none
input:
  size: [28, 28]
  channels: GRAY
  mean: [0]
  scale: 0.00390625
labels: labels.txt
---

Reads digits.

## Citation

@misc{me2026digits,
  author = {Me, My},
  title = {Digits again},
  year = {2026}
}
"""


def write_digits(root: Path, name: str = "my_digits", card: str = _CARD) -> Path:
    """A model directory, with the network that comes with zoo, in which nothing is wrong."""
    directory = root / name
    directory.mkdir(parents=True)
    for file in ("deploy.prototxt", "labels.txt"):
        shutil.copy(DIGITS / file, directory)
    shutil.copy(DIGITS / "lenet_digits.caffemodel", directory / "my_digits.caffemodel")
    (directory / "readme.md").write_text(card)
    return directory


def fill_in(directory: Path, **values: object) -> None:
    """Change the card of a model directory; None removes a key, `body` is added to the text."""
    from zoo.registry.card import Card

    body = str(values.pop("body", ""))
    card = Card.read(directory / "readme.md").with_values(**values)
    (directory / "readme.md").write_text(card.text() + body)


def flaws_of(directory: Path, place: Path, **settings: Any) -> list[str]:
    """What is wrong as text, after seeing that nothing was written anywhere."""
    from zoo.errors import PublishError
    from zoo.publishing import publish

    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    with pytest.raises(PublishError) as error:
        publish(directory, str(place), **settings)
    assert error.value.exit_code == 2
    after = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    assert after == before
    assert not place.exists()
    return [str(flaw).removeprefix(f"{directory}/") for flaw in error.value.flaws]
