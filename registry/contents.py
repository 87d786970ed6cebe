"""Which file of a model's directory is what, and which names are safe to use as such.

Names come from cards and servers, so nothing but a plain name in the model's own directory is ever
accepted. The rules work on lists of names: the same ones decide before a fetch and in the cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatch

from zoo.errors import CardError, UsageError
from zoo.registry.card import Card

__all__ = [
    "README",
    "RECORD",
    "check_model_name",
    "definition_file",
    "file_stem",
    "is_archive",
    "is_companion",
    "is_labels_file",
    "is_plain",
    "is_weights",
    "labels_file",
    "named_file",
    "train_val_file",
    "weights_file",
]

README = "readme.md"
RECORD = "zoo.json"

_COMPANIONS = (
    *(".md", ".txt", ".prototxt", ".binaryproto", ".npy"),
    *(".json", ".jsonl", ".yaml", ".bib", ".cff"),
    ".keras",  # the same network, which `zoo finetune` writes beside the weights
)
_WEIGHTS = (".caffemodel", ".caffemodel.h5")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?", re.I
)
_LONGEST = 200  # bytes; most file systems take 255, and temporary names are longer than these
_LEGAL = ("license", "licence", "copying", "notice", "citation", "authors")


def is_plain(name: str) -> bool:
    """Whether a name can be that of one visible file or folder, here and on every other system.

    No separator, no drive, no control character, none of the characters, endings and device names
    that Windows keeps for itself.

    >>> [is_plain(name) for name in ("deploy.prototxt", "../secret", "/etc/passwd", ".hidden")]
    [True, False, False, False]
    >>> [is_plain(name) for name in ("C:x", "nul.txt", "readme.md.", "a\\0b")]
    [False, False, False, False]
    """
    return (
        0 < len(name) <= _LONGEST
        and name.isprintable()
        and len(name.encode()) <= _LONGEST
        and name == name.strip()
        and not name.startswith(".")
        and not name.endswith(".")
        and not set(name) & set('/\\:*?"<>|')
        and not _DEVICES.fullmatch(name)
    )


def is_weights(name: str) -> bool:
    """Whether a name or a path is that of weights."""
    return name.lower().endswith(_WEIGHTS)


def file_stem(name: str) -> str:
    """The name of weights, an archive or a readme without its ending.

    >>> file_stem("VGG_FACE.caffemodel"), file_stem("models.tar.gz"), file_stem("age_net")
    ('VGG_FACE', 'models', 'age_net')
    """
    endings = (*_WEIGHTS, *_ARCHIVES, ".md", ".h5")
    return next((name[: -len(end)] for end in endings if name.lower().endswith(end)), name)


def is_archive(name: str) -> bool:
    """Whether a name or a path is that of an archive that zoo can open."""
    return name.lower().endswith(_ARCHIVES)


def check_model_name(name: str) -> str:
    """The name, if a directory can be called so.

    Raises
    ------
    UsageError
        for a path, a leading dot, an empty name.
    """
    if not is_plain(name):
        raise UsageError(
            f"{name!r} cannot be the name of a model: expected a name such as squeezenet_v1.0,"
            " without '/', '\\', ':' or a leading dot. To use a folder of your own, give it with"
            " --source and its name as the model."
        )
    return name


def named_file(card: Card, key: str, name: str | None) -> str | None:
    """A file that the card names under `key`, if it is one of the model's own directory."""
    if name is not None and not is_plain(name):
        raise CardError(
            f"{card.path}: {key}: {name!r} is not the name of a file beside the readme;"
            " expected a name without folders."
        )
    return name


def is_companion(name: str) -> bool:
    """Whether a file that nobody names belongs to the model: text, definitions, means, licence."""
    lower = name.lower()
    return name != RECORD and (lower.endswith(_COMPANIONS) or lower.startswith(_LEGAL))


def is_labels_file(name: str) -> bool:
    """Whether a file looks like one label per line: labels.txt, synset_words.txt, ..."""
    lower = name.lower()
    return lower.endswith(".txt") and ("label" in lower or "synset" in lower)


def weights_file(names: Iterable[str], card: Card) -> str | None:
    """The weights among `names`: those that the card names, else the only caffemodel."""
    present = set(names)
    wanted = named_file(card, "caffemodel", card.caffemodel)
    if wanted is not None:
        spellings = (wanted, f"{wanted}.caffemodel")
        return next((name for name in spellings if name in present), None)
    found = sorted(name for name in present if name.endswith(".caffemodel")) or sorted(
        name for name in present if name.endswith(".caffemodel.h5")
    )
    if len(found) > 1:
        raise CardError(
            f"{card.path}: names no caffemodel, and there are {len(found)}: {', '.join(found)}."
            " Add 'caffemodel: <file>' to the card."
        )
    return found[0] if found else None


def labels_file(names: Iterable[str], card: Card) -> str | None:
    """The labels among `names`: those that the card names, else the only file that looks so."""
    present = set(names)
    wanted = named_file(card, "labels", card.labels)
    if wanted is not None:
        return wanted if wanted in present else None
    found = [name for name in present if is_labels_file(name)]
    return found[0] if len(found) == 1 else None


def definition_file(names: Iterable[str], card: Card) -> str:
    """The network as it is used: the card's `prototxt`, deploy.prototxt, or what comes nearest.

    Raises
    ------
    CardError
        when there is none, or several and nothing to choose by.
    """
    present = sorted(name for name in names if name.endswith(".prototxt"))
    wanted = named_file(card, "prototxt", card.prototxt)
    if wanted is not None:
        if wanted not in present:
            raise CardError(
                f"{card.path}: prototxt: {wanted!r} is not there; found {_listed(present)}."
            )
        return wanted
    if "deploy.prototxt" in present:
        return "deploy.prototxt"
    networks = [name for name in present if not fnmatch(name.lower(), "*solver*")]
    deployed = [name for name in networks if "deploy" in name.lower()]
    candidates = deployed or networks
    if len(candidates) == 1:
        return candidates[0]
    if not deployed and "train_val.prototxt" in networks:
        return "train_val.prototxt"
    if not networks:
        raise CardError(f"{card.path}: no network definition beside it; expected deploy.prototxt.")
    raise CardError(
        f"{card.path}: which of {_listed(candidates)} defines the network?"
        " Add 'prototxt: <file>' to the card."
    )


def train_val_file(names: Iterable[str]) -> str | None:
    """The network as it is trained: train_val.prototxt, else the only *train*.prototxt."""
    present = [name for name in names if name.endswith(".prototxt")]
    if "train_val.prototxt" in present:
        return "train_val.prototxt"
    found = [name for name in present if "train" in name.lower() and "solver" not in name.lower()]
    return found[0] if len(found) == 1 else None


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "no prototxt"
