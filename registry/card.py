"""The card of a model: its readme.md, which says what it is, where its weights are, how to use it.

The format is that of Caffe's model zoo: metadata between `---` lines (name, caffemodel,
caffemodel_url, license, sha1, gist_id, ...), then text for people. To it come an optional
`input:` section (see `zoo.input_spec`), `labels:` and `sha256:`. Few authors kept to it, so a card
is read as a person reads it; `Card.warnings` tells what had to be put right or guessed. Written
back unchanged it is the same file, byte for byte; a changed key touches its own lines alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import CardError
from zoo.input_spec import InputSpec
from zoo.registry.atomic import write_atomically
from zoo.registry.readme.bibtex import find_bibtex
from zoo.registry.readme.document import Document
from zoo.registry.readme.edit import changed_document
from zoo.registry.readme.encoding import decode_readme, encode_readme
from zoo.registry.readme.keys import CAFFE_KEYS
from zoo.registry.readme.lines import CardWarning
from zoo.registry.readme.parse import parse_document

__all__ = ["Card", "CardWarning", "InputSpec"]


@dataclass(frozen=True)
class Card:
    """What a readme.md says about a model.

    A readme may describe several models (`models`). Then a property is the value on which all of
    them agree, else None, and `model` gives the card of one.

    Examples
    --------
    >>> card = Card.parse("---\\nname: LeNet\\nsha1: 3c5e\\nauthor: me\\n---\\nReads digits.\\n")
    >>> card.name, card.sha1, card.license
    ('LeNet', '3c5e', None)
    >>> card.with_values(license="MIT", author=None).text()
    '---\\nname: LeNet\\nsha1: 3c5e\\nlicense: MIT\\n---\\nReads digits.\\n'
    >>> Card.parse("name: A: the net\\n\\ncaffemodel: a.caffemodel\\n").warnings[0].text
    "'name' is not YAML (mapping values are not allowed here); it is taken as it stands"
    """

    document: Document
    encoding: str = "utf-8"
    chosen: int | None = None

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
        """Read the bytes of a readme.md.

        What is not UTF-8 is taken as UTF-16 if it says so, else as Latin-1, and kept so.
        """
        text, encoding = decode_readme(data)
        return replace(cls.parse(text, path), encoding=encoding)

    @classmethod
    def parse(cls, text: str, path: str | Path = "<string>") -> Card:
        """Read the text of a readme.md; `path` is named in messages."""
        return cls(parse_document(text, str(path)))

    @property
    def path(self) -> str:
        """Where the card was read."""
        return self.document.path

    @property
    def kind(self) -> str:
        """Where the metadata stands: "fenced" as Caffe wanted it, "heading", "bare", "table" ..."""
        return self.document.kind

    @property
    def warnings(self) -> list[CardWarning]:
        """Everything that had to be put right or guessed, by line."""
        found = self.document.remarks(self.chosen)
        if self.encoding == "utf-8":
            return found
        return [CardWarning(1, f"the readme is not UTF-8; it is read as {self.encoding}"), *found]

    @property
    def models(self) -> list[dict[str, Any]]:
        """What is said of each model, when the readme describes several; else empty.

        Keys without a value are left out. A model without a name is called as its weights.
        """
        models = self.document.models
        return [model.facts() for model in models] if len(models) > 1 else []

    def model(self, name: str | None = None) -> Card:
        """The card of one of the models that the readme describes.

        Parameters
        ----------
        name : its name, its weights, or these without extension; not needed where it is the only.

        Raises
        ------
        CardError
            when it is needed and not given, or there is no such model; the message lists them.
        """
        if self.chosen is not None or (name is None and not self.models):
            return self
        index = self.document.find(name)
        return replace(self, chosen=index) if self.models else self

    def each_model(self) -> list[Card]:
        """The card of each model; this one alone if it describes no others."""
        return [replace(self, chosen=index) for index in range(len(self.models))] or [self]

    def require_decided(self, *keys: str) -> None:
        """Raise CardError where the card speaks of several models, or of one of `keys` in versions.

        Such a key has no value; where that must not pass for a missing one, ask here.
        """
        self.document.require_decided(keys, self.chosen)

    def line(self, key: str | None = None) -> int:
        """The line of a key, else that in which the metadata begins; from 1."""
        entry = self.document.entry(key, self.chosen) if key else None
        first = entry or self.document.models[self.chosen or 0].entries[0]
        return first.first + 1

    @property
    def metadata(self) -> dict[str, Any]:
        """Every key in its order, unknown ones too; scalars as written, None where empty."""
        return self.document.values(self.chosen)

    @property
    def other_keys(self) -> dict[str, Any]:
        """The keys that Caffe's model zoo did not ask for, with their values."""
        given = self.document.given(self.chosen)
        return {key: value for key, value in given.items() if key not in CAFFE_KEYS}

    @property
    def empty_keys(self) -> list[str]:
        """The keys that are there without a value."""
        return self.document.empty(self.chosen)

    @property
    def body(self) -> str:
        """The text around the metadata."""
        return self.document.body

    def value(self, key: str) -> str | None:
        """The value of a key as text, blanks around it removed; None where absent or empty."""
        return self.document.text_of(key, self.chosen)

    @property
    def name(self) -> str | None:
        """The title that its author gave the model."""
        if self.chosen is None:
            return self.value("name")
        return self.document.models[self.chosen].facts().get("name")

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
    def license_from_body(self) -> str | None:
        """What the text says of the licence, in short: "unrestricted", "non-commercial", "CC0"."""
        return self.document.licence_told

    @property
    def caffe_commit(self) -> str | None:
        """The commit of Caffe that the model was made with, as written."""
        return self.value("caffe_commit")

    @property
    def caffe_version(self) -> str | None:
        """The version of Caffe that the model was made with, as written."""
        return self.value("caffe_version")

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
        return "\n\n".join(find_bibtex(self.body)) or None

    def with_values(self, **changes: Any) -> Card:
        """A copy with other values; None removes a key, a new key is written last.

        Only the lines of the keys that change are touched. `input` takes an `InputSpec` or a dict.

        Raises
        ------
        CardError
            when the readme describes several models and this is not the card of one, or a value
            has no place where the metadata stands.
        """
        document = self.document
        for key, value in changes.items():
            if isinstance(value, InputSpec):
                value = value.to_mapping()
            document = changed_document(document, key, value, self.chosen)
        return replace(self, document=document)

    def text(self) -> str:
        """The whole readme, character for character as it was read where nothing changed."""
        return self.document.text

    def to_bytes(self) -> bytes:
        """The whole readme as a file holds it."""
        return encode_readme(self.text(), self.encoding)

    def write(self, path: str | Path) -> None:
        """Write the readme; a file that was there stays whole until the new one is."""
        write_atomically(path, self.to_bytes())
