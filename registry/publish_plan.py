"""What is published: the files of a model directory, and the card with what can be computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.errors import CardError, UsageError
from zoo.registry.card import Card
from zoo.registry.contents import (
    README,
    RECORD,
    is_companion,
    is_plain,
    named_file,
    weights_file,
)
from zoo.registry.hashes import Hashes

__all__ = ["Flaw", "Publication", "PublishedFile", "choose_files", "readme_of"]

_PIECE = 1 << 20
_OF_A_RUN = ("checkpoints", "events", "pictures", "report.html")
"""What training leaves beside the model and beside run.json, for whoever trained it."""


@dataclass(frozen=True)
class Flaw:
    """Something that has to be put right before a model is published.

    Parameters
    ----------
    file : where it is.
    line : counted from 1; None where it is not about a line.
    text : what is wrong and what to do, as sentences.
    """

    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass(frozen=True)
class PublishedFile:
    """A file under the name that it is published by: one on disk, or `content` made here."""

    name: str
    size: int
    path: Path | None = None
    content: bytes = b""

    @classmethod
    def of(cls, path: Path, name: str = "") -> PublishedFile:
        """A file as it lies on disk."""
        return cls(name or path.name, path.stat().st_size, path)

    @classmethod
    def made(cls, name: str, content: bytes) -> PublishedFile:
        """A file whose bytes are made here."""
        return cls(name, len(content), None, content)

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces, so that the size does not matter."""
        if self.path is None:
            yield self.content
            return
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    def read(self) -> bytes:
        """All bytes, of a small file."""
        return b"".join(self.pieces())


@dataclass(frozen=True)
class Publication:
    """A model that passed every check: its name, its card, its files and the hashes of its weights.

    The card is not among `files`, for some places want it under another name.
    """

    name: str
    card: Card
    files: tuple[PublishedFile, ...]
    weights: PublishedFile
    hashes: Hashes

    @property
    def readme(self) -> PublishedFile:
        """The card as a file."""
        return PublishedFile.made(README, self.card.to_bytes())

    @property
    def all_files(self) -> tuple[PublishedFile, ...]:
        """Everything in the order in which it is put: the card last, for it makes the model."""
        return (*self.files, self.weights, self.readme)

    def with_card(self, **changes: object) -> Publication:
        """The same model with other values in its card."""
        return replace(self, card=self.card.with_values(**changes))


def readme_of(directory: str | Path) -> Path:
    """The readme of a model directory, in any spelling of its case.

    Raises
    ------
    UsageError
        when there is none.
    """
    root = Path(directory).expanduser()
    if not root.is_dir():
        raise UsageError(f"{directory}: no such folder; expected a model directory.")
    found = sorted(path for path in root.iterdir() if path.name.lower() == README)
    if not found:
        raise UsageError(
            f"{directory} has no {README}, so it is no model directory. `zoo new {directory}`"
            " makes one to fill in."
        )
    return next((path for path in found if path.name == README), found[0])


def choose_files(
    readme: Path, card: Card
) -> tuple[Sequence[PublishedFile], PublishedFile | None, list[Flaw]]:
    """The files beside a readme that belong to the model, its weights, and what does not belong.

    Hidden files, and the curves and pictures of a run that made the model, are left where they are;
    everything else has to be of the model, because whoever publishes a folder should not give away
    what lies in it by chance.
    """
    root = readme.parent
    present = {path.name: path for path in sorted(root.iterdir()) if path.name != readme.name}
    visible = {name: path for name, path in present.items() if not name.startswith(".")}
    for name in (RECORD, *(_OF_A_RUN if "run.json" in present else ())):
        visible.pop(name, None)
    try:
        weights = weights_file([name for name, path in visible.items() if path.is_file()], card)
        named = {named_file(card, key, getattr(card, key)) for key in ("prototxt", "labels")}
    except CardError as error:
        return [], None, [Flaw(str(readme), None, str(error))]
    files, flaws = [], []
    for name, path in visible.items():
        if problem := _foreign(path, root, name == weights or name in named):
            flaws.append(Flaw(str(path), None, problem))
        elif name != weights:
            files.append(PublishedFile.of(path))
    chosen = PublishedFile.of(visible[weights]) if weights else None
    return files, chosen, flaws


def _foreign(path: Path, root: Path, wanted: bool) -> str:
    """Why a file cannot be published with the model, or ""."""
    if not path.exists():
        return "a link to a file that is not there; remove it."
    if path.is_symlink() and root.resolve() not in path.resolve().parents:
        return "a link that leads out of the model's directory; put the file itself here."
    if path.is_dir():
        return "a folder; a model is published as one folder of files, so move it away."
    if not path.is_file():
        return "not an ordinary file; move it away."
    if not is_plain(path.name):
        return "a name that not every system can have; rename it."
    if not wanted and not is_companion(path.name):
        return "not a file of the model, as far as its readme says; move it away."
    return ""
