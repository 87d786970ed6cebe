"""Beginning a model directory: a readme with every key, filled as far as the files tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.caffe.read import read_definition
from zoo.errors import CardError, NetError, ParseError, UnavailableError, UsageError
from zoo.layers.kind import known_types
from zoo.loaded import deployable, load_directory
from zoo.net import Net
from zoo.publishing import source_card
from zoo.registry.address import parse_address
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel, Record
from zoo.registry.card import Card
from zoo.registry.contents import README, definition_file, labels_file, weights_file
from zoo.registry.found import Sources
from zoo.registry.hashes import hash_file
from zoo.registry.publish_check import published_license
from zoo.registry.publish_template import TEMPLATE

__all__ = ["NewModel", "new_model"]


@dataclass
class NewModel:
    """What was begun: the readme, the keys that are filled, and what a person should know."""

    readme: Path
    filled: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def new_model(
    directory: str | Path, *, name: str = "", source: str = "", sources: Sources = ()
) -> NewModel:
    """Make a model directory with a readme to fill in; files that lie there fill what they can.

    Parameters
    ----------
    directory : is made if it is not there.
    name : the title; by default the name of the directory.
    source : the model that this one is made from, by name or address; becomes `derived_from`.
    sources : where that is looked for, see `zoo.fetch`.

    Raises
    ------
    UsageError
        when there is a readme already; it is never replaced.

    Examples
    --------
    >>> import tempfile
    >>> new_model(tempfile.mkdtemp() + "/digits", source="lenet_digits").filled["license"]
    'Apache-2.0'
    """
    root = Path(directory).expanduser()
    _require_none(root)
    new = NewModel(root / README)
    new.filled["name"] = name or root.resolve().name
    if source:
        new.filled |= _from_source(source, sources, new.notes)
    if root.is_dir():
        new.filled |= _from_files(root, new)
    card = Card.parse(TEMPLATE, new.readme).with_values(**new.filled)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with new.readme.open("xb") as file:
            file.write(card.to_bytes())
    except OSError as error:
        raise UnavailableError(
            f"{new.readme} cannot be written: {error.strerror or error}"
        ) from None
    return new


def _require_none(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; expected a folder, or the name of a new one.")
    there = (
        [path for path in root.iterdir() if path.name.lower() == README] if root.exists() else []
    )
    if there:
        raise UsageError(f"{there[0]} is there already, and is not replaced; edit it.")


def _from_source(source: str, sources: Sources, notes: list[str]) -> dict[str, Any]:
    """What a model takes over from the one it is made from."""
    address = parse_address(source, prefer_names=True)
    text = source.partition("@sha")[0] if address.pin else source
    cached = Cache().get(address.target) if address.kind == "name" else None
    card = source_card(sources)(text)
    record = cached.record.files.get(cached.record.weights or "") if cached else None
    known = {
        "sha1": record.sha1 if record else (card.sha1 or "").lower(),
        "sha256": record.sha256 if record else (card.sha256 or "").lower(),
    }
    if (pin := address.pin) and not known[pin.algorithm].startswith(pin.digest):
        if known[pin.algorithm]:
            raise UsageError(
                f"{source}: the weights of {text} have {pin.algorithm} {known[pin.algorithm]}."
            )
        known[pin.algorithm] = pin.digest
    if not known["sha1"]:
        notes.append(
            f"no hash of the weights of {text} is known: add @sha1:... to derived_from, or"
            f" `zoo fetch {text}` first"
        )
    license = published_license(card)
    values: dict[str, Any] = {
        "derived_from": f"{text}@sha1:{known['sha1']}" if known["sha1"] else text,
        "license": license.id or license.stated,
    }
    notes.append(f"the licence is that of {text} ({license.sentence}); choose one that agrees")
    if card.input is not None:
        values["input"] = {k: v for k, v in card.input.to_mapping().items() if k != "labels"}
    return {key: value for key, value in values.items() if value}


def _from_files(root: Path, new: NewModel) -> dict[str, Any]:
    """What the files in a directory tell of the model."""
    names = sorted(path.name for path in root.iterdir() if path.is_file())
    bare = Card.parse("---\nname: new\n---\n", new.readme)
    values: dict[str, Any] = {}
    try:
        if weights := weights_file(names, bare):
            hashes = hash_file(root / weights)
            values |= {"caffemodel": weights, "sha1": hashes.sha1, "sha256": hashes.sha256}
            values["size_bytes"] = str(hashes.size)
    except CardError as error:
        new.notes.append(_said(error, bare))
    if labels := labels_file(names, bare):
        values["labels"] = labels
    try:
        values |= _from_definition(root, names, bare, new)
    except CardError as error:
        new.notes.append(_said(error, bare))
    except (ParseError, NetError) as error:
        new.notes.append(str(error))
    return values


def _from_definition(root: Path, names: Sequence[str], bare: Card, new: NewModel) -> dict[str, Any]:
    """How pictures are prepared, where the training definition says it; else the input's size."""
    definition = root / definition_file(names, bare)
    files = CachedModel(root.resolve().name, root, bare, Record(root.name, str(root), {}))
    try:
        loaded = load_directory(files)
    except UsageError as error:
        new.notes.append(str(error).splitlines()[0])
    else:
        if loaded.spec is not None:
            new.notes.append("the input section is that of train_val.prototxt; look it over")
            return {"input": _of_channels(loaded.spec.to_mapping(), loaded.net)}
    if "input" in new.filled:
        return {}
    net, _ = deployable(read_definition(definition, known_types()), path=definition)
    shape = next((shape for shape in net.inputs.values() if shape and len(shape) == 4), None)
    if shape is None or shape[1] not in (1, 3):
        return {}
    new.notes.append("the input section lacks what no file says: the mean, and what comes before")
    size, channels = list(shape[2:]), "BGR" if shape[1] == 3 else "GRAY"
    return {"input": {"size": size, "channels": channels, "mean": [0] * shape[1]}}


def _of_channels(section: dict[str, Any], net: Net) -> dict[str, Any]:
    """The section of a data layer, which does not say whether its pictures have colours."""
    shape = next(iter(net.inputs.values()), ())
    if len(shape) == 4 and shape[1] == 1:
        return section | {"channels": "GRAY", "mean": section["mean"][:1]}
    return section


def _said(error: CardError, card: Card) -> str:
    return str(error).removeprefix(f"{card.path}: ")
