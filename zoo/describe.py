"""Facts about a net or a model of the registry, as plain dicts that print as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from zoo.caffe.read import parse_definition
from zoo.errors import CardError, NetError, ParseError
from zoo.layers.kind import known_types
from zoo.loaded import deployable
from zoo.net import Net
from zoo.registry.cache import Cache
from zoo.registry.card import Card
from zoo.registry.catalogue import Registry
from zoo.registry.contents import definition_file

__all__ = ["describe", "info"]


def describe(net: Net) -> dict[str, Any]:
    """Layers, blobs, cost and what is not supported.

    Returns
    -------
    ``{"name", "phase", "inputs", "outputs", "layers": [{"name", "type", "bottoms", "tops",
    "params": [shape], "macs"}], "blobs": {name: shape}, "param_count", "macs",
    "activation_bytes", "unsupported": [{"type", "layers", "nearest"}]}``. A shape is a list, None
    where an unsupported layer hides it; macs and activation_bytes (float32) are for one picture.
    """
    known = known_types()
    return {
        "name": net.name,
        "phase": net.phase,
        "inputs": {name: list(shape) for name, shape in net.inputs.items()},
        "outputs": net.outputs,
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "bottoms": list(layer.bottoms),
                "tops": list(layer.tops),
                "params": [list(shape) for shape in layer.param_shapes],
                "macs": layer.macs // net.batch,
            }
            for layer in net.layers
        ],
        "blobs": {
            name: None if shape is None else list(shape) for name, shape in net.blobs.items()
        },
        "param_count": net.param_count,
        "macs": net.macs,
        "activation_bytes": net.activation_bytes,
        "unsupported": [
            {
                "type": kind,
                "layers": layers,
                "nearest": next(iter(difflib.get_close_matches(kind, known, n=1)), None),
            }
            for kind, layers in net.unsupported.items()
        ],
    }


def info(name: str, sources: Sequence[str] = ()) -> dict[str, Any]:
    """A model's card, and what its definition says, without fetching weights.

    Returns
    -------
    ``{"name", "title", "source", "cached", "directory", "license", "task", "caffemodel",
    "caffemodel_url", "sha1", "sha256", "size_bytes", "input", "labels", "citation", "metadata",
    "params", "macs", "activation_bytes", "input_shapes", "definition_problem"}``; None where
    nothing is known.

    Raises
    ------
    UnknownModelError, DownloadError, CardError
    """
    cached = Cache().get(name)
    if cached is not None:
        card, source = cached.card, cached.record.source
        facts: dict[str, Any] = {"size_bytes": None}
        if cached.weights is not None and cached.weights.exists():
            facts["size_bytes"] = cached.weights.stat().st_size
        facts |= _definition_facts(lambda: cached.deploy.read_text())
        name, directory = cached.name, str(cached.directory)
    else:
        found = Registry(sources).find(name)
        card, source, name, directory = found.card, found.source.name, found.name, None
        names = [file.name for file in found.files()]
        facts = {"size_bytes": card.size_bytes}
        facts |= _definition_facts(lambda: found.text(definition_file(names, card)))
    return {
        "name": name,
        "title": card.name or name,
        "source": source,
        "cached": cached is not None,
        "directory": directory,
        **_card_facts(card),
        **facts,
    }


def _card_facts(card: Card) -> dict[str, Any]:
    return {
        "license": card.license,
        "task": card.value("task"),
        "caffemodel": card.caffemodel,
        "caffemodel_url": card.caffemodel_url,
        "sha1": card.sha1,
        "sha256": card.sha256,
        "input": card.input.to_mapping() if card.input else None,
        "labels": card.labels,
        "citation": card.citation,
        "metadata": {key: _plain(value) for key, value in card.metadata.items()},
    }


def _definition_facts(text: Any) -> dict[str, Any]:
    """What the definition alone tells; the reason where it cannot be read."""
    facts: dict[str, Any] = dict.fromkeys(
        ("params", "macs", "activation_bytes", "input_shapes", "definition_problem")
    )
    try:
        net, _ = deployable(parse_definition(text(), known_types=known_types()))
    except (CardError, NetError, ParseError) as error:
        facts["definition_problem"] = str(error)
        return facts
    told = describe(net)
    return facts | {
        "params": told["param_count"],
        "macs": told["macs"],
        "activation_bytes": told["activation_bytes"],
        "input_shapes": told["inputs"],
    }


def _plain(value: Any) -> Any:
    """A front matter value as JSON knows it; YAML reads dates as dates."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
