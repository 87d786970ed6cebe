"""Fetching a damaged model again from where it came, and nothing else than what it was."""

from __future__ import annotations

from zoo.errors import UsageError
from zoo.registry.address import parse_address
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel
from zoo.registry.download import Progress
from zoo.registry.fetch import FetchResult, fetch
from zoo.registry.locate import Hints

__all__ = ["refetch"]

_COME_WITH_ZOO = ("embedded", "catalogue")
_OF_ONE_MODEL = ("gist", "hub", "readme", "weights")


def refetch(cache: Cache, model: CachedModel, progress: Progress | None = None) -> FetchResult:
    """Fetch a model again; the copy that is here stays until the new one is verified.

    Parameters
    ----------
    cache : where it is.
    model : the damaged one.
    progress : called with (file, bytes so far, bytes in all or None).

    Raises
    ------
    HashMismatchError
        when the place has other weights by now.
    DownloadError, UnavailableError
        when the place does not give it any more.
    """
    weights = model.record.files.get(model.record.weights or "")
    address, sources, hints = _origin(model)
    pinned = f"{address}@sha256:{weights.sha256}" if weights else address
    return fetch(pinned, sources, cache=cache, force=True, hints=hints, progress=progress)


def _origin(model: CachedModel) -> tuple[str, list[str], Hints]:
    """The address that a model was fetched by, the sources in which that is a name, and hints."""
    source = model.record.source
    if source in _COME_WITH_ZOO:
        return model.name, [], Hints()
    try:
        address = parse_address(source)
    except UsageError:
        return model.name, [source], Hints()
    name, _, part = model.name.partition("--") if address.kind != "hub" else (model.name, "", "")
    if address.kind not in _OF_ONE_MODEL or address.name not in (name, model.name):
        return model.name, [source], Hints()
    given = model.card.metadata.get("prototxt")
    definitions = tuple(map(str, given)) if isinstance(given, list) else ()
    alone = address.kind == "weights"
    return (
        source,
        [],
        Hints(
            model="" if address.name == model.name else part,
            prototxts=definitions if alone else (),
            member=(model.card.value("archive_member") or "") if alone else "",
        ),
    )
