"""What became of a definition and of its weights on the way into a Net, in plain sentences.

The functions that do the work return what they did; here it is kept together. Nothing in it changes
what is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LoadReport", "named_layers"]

_HEADINGS = {
    "dialect": "dialect",
    "upgraded": "upgraded",
    "left_out": "left out",
    "deployed": "made deployable",
    "ignored": "ignored",
    "folded": "folded",
}


@dataclass
class LoadReport:
    """What became of the layers when a definition was read and weights were loaded.

    Attributes
    ----------
    definition : the file that the definition came from, if any.
    lines : layer name to the line of that file on which the layer begins, where known.
    dialect : forks of Caffe whose kinds of layer the network has.
    upgraded : what was rewritten from an older format, as Caffe does.
    left_out : layers that belong to other phases, levels and stages.
    deployed : what was changed to make a training definition deployable.
    ignored : what the definition says and has no effect here.
    folded : layers computed together with others.
    path : the file the weights came from, if any.
    copied : layers whose blobs all came from the file.
    reshaped : those of them whose blobs had the four axes of old Caffe, (1, 1, 1, n).
    fresh : layers with params for which the file has nothing; their fillers start them anew.
    unused : layers of the file that the definition does not have.
    unfit : layers of both whose blobs differ, with the reason.
    """

    definition: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    dialect: list[str] = field(default_factory=list)
    upgraded: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    deployed: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    folded: list[str] = field(default_factory=list)
    path: str | None = None
    copied: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unfit: dict[str, str] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """Whether weights were loaded and some had no place, or some place has none."""
        return self.path is not None and bool(self.fresh or self.unused or self.unfit)

    def sections(self) -> dict[str, list[str]]:
        """A heading and its sentences for everything that there is something to say about."""
        said = {heading: getattr(self, name) for name, heading in _HEADINGS.items()}
        said |= self.weights_sections()
        return {heading: list(sentences) for heading, sentences in said.items() if sentences}

    def weights_sections(self) -> dict[str, list[str]]:
        """The part of `sections` about weights; empty where none were loaded."""
        if self.path is None:
            return {}
        return {
            "copied": [f"{_layers(self.copied)} copied from {Path(self.path).name}."],
            "reshaped": [
                f"{_layers(self.reshaped)} of them from blobs of four axes, as old Caffe wrote."
            ]
            if self.reshaped
            else [],
            "reinitialised": [f"{name}: not in the file" for name in self.fresh],
            "did not fit": [f"{name}: {reason}" for name, reason in self.unfit.items()],
            "left over": [f"{name}: not in the definition" for name in self.unused],
        }

    def weights_text(self) -> str:
        """What became of the weights, a line for each sentence."""
        return _text(self.weights_sections())

    def __str__(self) -> str:
        return _text(self.sections())


def named_layers(names: Iterable[str], lines: Mapping[str, int], most: int = 6) -> str:
    """Layers with their lines as people write them.

    >>> named_layers(["drop6", "drop7"], {"drop6": 297})
    'drop6 (line 297), drop7'
    >>> named_layers("abcd", {}, most=2)
    'a, b and 2 more'
    """
    shown = [f"{name} (line {lines[name]})" if name in lines else name for name in names]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def _layers(names: list[str]) -> str:
    return f"{len(names)} layer{'' if len(names) == 1 else 's'}"


def _text(sections: Mapping[str, list[str]]) -> str:
    return "\n".join(
        f"{heading}: {sentence}"
        for heading, sentences in sections.items()
        for sentence in sentences
    )
