"""The card of a model: its readme.md, which says what it is, where its weights are, how to use it.

The format is that of Caffe's model zoo: metadata between `---` lines (name, caffemodel,
caffemodel_url, license, sha1, gist_id, ...), then text for people. To it come an optional
`input:` section (see `zoo.input_spec`), `labels:` and `sha256:`. A card that is written
back unchanged is the same file, byte for byte; changing a key touches the lines of that key alone.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import CardError
from zoo.input_spec import InputSpec
from zoo.registry.atomic import write_atomically
from zoo.registry.front_matter import FrontMatter, parse_front_matter

__all__ = ["Card", "InputSpec"]

_LONGEST = 20_000  # characters of a BibTeX entry: a hostile text must not take forever
_BIBTEX = re.compile(r"^[ \t]*@[A-Za-z]+\s*\{", re.MULTILINE)


@dataclass(frozen=True)
class Card:
    """What a readme.md says about a model.

    Examples
    --------
    >>> card = Card.parse("---\\nname: LeNet\\nsha1: 3c5e\\nauthor: me\\n---\\nReads digits.\\n")
    >>> card.name, card.sha1, card.license
    ('LeNet', '3c5e', None)
    >>> print(card.with_values(license="MIT").text(), end="")
    ---
    name: LeNet
    sha1: 3c5e
    author: me
    license: MIT
    ---
    Reads digits.
    """

    front_matter: FrontMatter
    encoding: str = "utf-8"

    def __repr__(self) -> str:
        return f"Card(name={self.name!r}, path={self.path!r})"

    @classmethod
    def read(cls, path: str | Path) -> Card:
        """Read a readme.md.

        Raises
        ------
        CardError
            when the file cannot be read or describes no model; the message names file and line.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CardError(f"{path}: cannot be read: {error.strerror or error}") from None
        return cls.from_bytes(data, path)

    @classmethod
    def from_bytes(cls, data: bytes, path: str | Path = "<bytes>") -> Card:
        """Read the bytes of a readme.md; what is not UTF-8 is taken as Latin-1 and kept so."""
        try:
            return cls.parse(data.decode("utf-8"), path)
        except UnicodeDecodeError:
            return replace(cls.parse(data.decode("latin-1"), path), encoding="latin-1")

    @classmethod
    def parse(cls, text: str, path: str | Path = "<string>") -> Card:
        """Read the text of a readme.md; `path` is named in messages."""
        return cls(parse_front_matter(text, str(path)))

    @property
    def path(self) -> str:
        """Where the card was read."""
        return self.front_matter.path

    @property
    def metadata(self) -> dict[str, Any]:
        """Every key in its order, unknown ones too; scalars as written, None where empty."""
        return self.front_matter.values()

    @property
    def body(self) -> str:
        """The text after the metadata."""
        return self.front_matter.body

    def value(self, key: str) -> str | None:
        """The value of a key as text, blanks around it removed; None where absent or empty."""
        entry = self.front_matter.field(key)
        if entry is None or entry.value is None:
            return None
        text = entry.value if isinstance(entry.value, str) else entry.raw
        return text.strip() or None

    @property
    def name(self) -> str | None:
        """The title that its author gave the model."""
        return self.value("name")

    @property
    def caffemodel(self) -> str | None:
        """The name of the file of weights."""
        return self.value("caffemodel")

    @property
    def caffemodel_url(self) -> str | None:
        """Where the weights are offered."""
        return self.value("caffemodel_url")

    @property
    def prototxt(self) -> str | None:
        """The name of the file that defines the network, where the card gives one."""
        text = self.metadata.get("prototxt")
        return text.strip() if isinstance(text, str) and "://" not in text else None

    @property
    def sha1(self) -> str | None:
        """SHA-1 of the weights, as written."""
        return self.value("sha1")

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the weights, as written."""
        return self.value("sha256")

    @property
    def size_bytes(self) -> int | None:
        """Size of the weights."""
        text = self.value("size_bytes") or ""
        return int(text) if text.isdecimal() else None

    @property
    def license(self) -> str | None:
        """The licence of the weights, as written."""
        return self.value("license")

    @property
    def gist_id(self) -> str | None:
        """The gist that the model was published as."""
        return self.value("gist_id")

    @property
    def labels(self) -> str | None:
        """The name of the file with one label per line; None where the card names none."""
        section, text = self.metadata.get("input"), self.metadata.get("labels")
        if isinstance(section, dict) and section.get("labels") is not None:
            text = section["labels"]
        if text is not None and not isinstance(text, str):
            raise CardError(
                f"{self.path}: labels: expected the name of a file with one label per line,"
                f" found {text!r}"
            )
        return text.strip() if text else None

    @property
    def input(self) -> InputSpec | None:
        """How a picture becomes the input of the net; None where the card does not say.

        Raises
        ------
        CardError
            when the section is there and wrong.
        """
        section = self.metadata.get("input")
        if section is None:
            return None
        return replace(InputSpec.from_mapping(section, self.path), labels=self.labels)

    @property
    def citation(self) -> str | None:
        """The `citation` key, else the BibTeX entries in the text, a blank line between them."""
        given = self.metadata.get("citation")
        if isinstance(given, str):
            return given.strip() or None
        return "\n\n".join(_bibtex(self.body)) or None

    def with_values(self, **changes: Any) -> Card:
        """A copy with other values; None removes a key, a new key is written last.

        Only the lines of the keys that change are touched. `input` takes an `InputSpec` or a dict.
        """
        front_matter = self.front_matter
        for key, value in changes.items():
            if isinstance(value, InputSpec):
                value = value.to_mapping()
            front_matter = front_matter.with_value(key, value)
        return replace(self, front_matter=front_matter)

    def text(self) -> str:
        """The whole readme, character for character as it was read where nothing changed."""
        return self.front_matter.text

    def to_bytes(self) -> bytes:
        """The whole readme as a file holds it."""
        try:
            return self.text().encode(self.encoding)
        except UnicodeEncodeError:  # a Latin-1 readme was given a value that Latin-1 lacks
            return self.text().encode("utf-8")

    def write(self, path: str | Path) -> None:
        """Write the readme; a file that was there stays whole until the new one is."""
        write_atomically(path, self.to_bytes())


def _bibtex(text: str) -> list[str]:
    """Every BibTeX entry of a text, indentation removed; one that never ends is left out."""
    entries, position = [], 0
    while found := _BIBTEX.search(text, position):
        depth, position = 0, found.end() - 1
        for position in range(found.end() - 1, min(len(text), found.end() + _LONGEST)):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0:
                entry = text[found.start() : position + 1].replace("\r\n", "\n")
                entries.append(textwrap.dedent(entry).strip())
                break
        else:
            position = found.end()
    return entries
