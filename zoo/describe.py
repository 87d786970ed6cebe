"""Facts about a net or a model of the registry, as plain dicts that print as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from zoo.caffe.read import parse_definition
from zoo.errors import CardError, NetError, ParseError
from zoo.layers.kind import count, known_types
from zoo.loaded import deployable
from zoo.net import Layer, Net
from zoo.receptive_field import ReceptiveField, receptive_fields
from zoo.registry.address import parse_address
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel
from zoo.registry.card_facts import card_facts
from zoo.registry.catalogue import Registry
from zoo.registry.contents import definition_file
from zoo.registry.found import Found
from zoo.registry.local import local_model
from zoo.registry.locate import found_at
from zoo.registry.storage.known import KnownSource

__all__ = ["describe", "info"]


def describe(net: Net) -> dict[str, Any]:
    """Layers, blobs, cost and what is not supported.

    Returns
    -------
    ``{"name", "phase", "inputs", "outputs", "layers": [{"name", "type", "bottoms", "tops",
    "params": [shape], "macs", "param_count", "activation_bytes", "line"}], "blobs": {name: shape},
    "param_count", "macs", "activation_bytes", "unsupported": [{"type", "layers", "nearest"}],
    "receptive_fields": {blob: {"size", "stride", "start", "whole"}}, "report": {"dialect",
    "upgraded", "left_out", "deployed", "ignored", "folded"}}``. A shape is a list, None where an
    unsupported layer hides it; macs and activation_bytes (float32) are for one picture. What a
    layer writes in place counts for the layer that made it. A field is None where a blob sees no
    picture, see `zoo.receptive_field`.
    """
    known = known_types()
    return {
        "name": net.name,
        "phase": net.phase,
        "inputs": {name: list(shape) for name, shape in net.inputs.items()},
        "outputs": net.outputs,
        "layers": [
            _layer_facts(layer, net.batch, net.report.lines.get(layer.name)) for layer in net.layers
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
        "receptive_fields": {
            name: field and _field_facts(field) for name, field in receptive_fields(net).items()
        },
        "report": {name: getattr(net.report, name) for name in _REPORTED},
    }


# What a report says about the definition.
_REPORTED = ("dialect", "upgraded", "left_out", "deployed", "ignored", "folded")


def _layer_facts(layer: Layer, batch: int, line: int | None) -> dict[str, Any]:
    made = [
        shape
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
        if shape is not None and top not in layer.bottoms
    ]
    return {
        "name": layer.name,
        "type": layer.type,
        "bottoms": list(layer.bottoms),
        "tops": list(layer.tops),
        "params": [list(shape) for shape in layer.param_shapes],
        "macs": layer.macs // batch,
        "param_count": sum(map(count, layer.param_shapes)),
        "activation_bytes": 4 * sum(map(count, made)) // batch,
        "line": line,
    }


def _field_facts(field: ReceptiveField) -> dict[str, Any]:
    def plain(stride: Fraction | None) -> int | float | None:
        return stride if stride is None else int(stride) if stride == int(stride) else float(stride)

    return {
        "size": list(field.size),
        "stride": [plain(stride) for stride in field.stride],
        "start": list(field.start),
        "whole": field.whole,
    }


def info(name: str, sources: Sequence[str] = ()) -> dict[str, Any]:
    """A model's card, and what its definition says, without fetching weights.

    Parameters
    ----------
    name : a model directory, a model's name or another address, see `zoo.load`.
    sources : where to look for a name, see `zoo.fetch`.

    Returns
    -------
    ``{"name", "title", "source", "cached", "directory", "size_bytes", "params", "macs",
    "activation_bytes", "input_shapes", "definition_problem"}`` and all of
    `zoo.registry.card_facts.card_facts`; None where nothing is known.

    Raises
    ------
    UnknownModelError, DownloadError, CardError, UsageError
    """
    address = parse_address(name)
    if address.kind == "folder":
        return _facts_of_files(local_model(address.target), cached=False)
    if address.kind != "name":
        return _facts_of_found(found_at(address))
    cache = Cache()
    in_one_source = "/" in name  # such as lab/my_model
    cached = None if in_one_source else cache.get(name)
    if cached is None:
        found = Registry(sources, cache).find(name)
        cached = cache.get(found.name)
        if cached is None or (in_one_source and cached.record.source != found.source.name):
            return _facts_of_found(found)
    return _facts_of_files(cached, cached=True)


def _facts_of_files(model: CachedModel, *, cached: bool) -> dict[str, Any]:
    """What is known of a model that is here, in the cache or in a directory of the user's."""
    size = model.weights.stat().st_size if model.weights and model.weights.exists() else None
    return {
        "name": model.name,
        "title": model.card.name or model.name,
        "source": model.record.source,
        "cached": cached,
        "directory": str(model.directory),
        **card_facts(model.card),
        "size_bytes": size,
        **_definition_facts(lambda: model.deploy.read_text()),
    }


def _facts_of_found(found: Found) -> dict[str, Any]:
    facts: dict[str, Any] = dict.fromkeys(_DEFINITION)
    if not isinstance(found.source, KnownSource):  # whose definitions lie elsewhere
        names = [file.name for file in found.files()]
        facts = _definition_facts(lambda: found.text(definition_file(names, found.card)))
    return {
        "name": found.name,
        "title": found.card.name or found.name,
        "source": found.source.name,
        "cached": False,
        "directory": None,
        **card_facts(found.card),
        "size_bytes": found.card.size_bytes,
        **facts,
    }


_DEFINITION = ("params", "macs", "activation_bytes", "input_shapes", "definition_problem")


def _definition_facts(text: Any) -> dict[str, Any]:
    """What the definition alone tells; the reason where it cannot be read."""
    facts: dict[str, Any] = dict.fromkeys(_DEFINITION)
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
