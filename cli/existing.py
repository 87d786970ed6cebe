"""Models that have to be in the cache already, for `verify`, `where` and `remove`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.errors import UnavailableError, UnknownModelError

if TYPE_CHECKING:
    from zoo.registry.cache import Cache
    from zoo.registry.cached import CachedModel

__all__ = ["existing_model"]

_PLACES = {"embedded": "the models that come with zoo", "catalogue": "the catalogue"}


def existing_model(name: str, sources: Sequence[str], cache: Cache) -> CachedModel:
    """The model of that name in the cache.

    Raises
    ------
    UnavailableError
        When a source has it and the cache does not: says how to fetch it.
    UnknownModelError
        When nobody has it.
    """
    from zoo.registry.catalogue import Registry

    model = cache.get(name)
    if model is not None:
        return model
    registry = Registry(sources, cache)
    try:
        found = registry.find(name)
    except UnknownModelError as error:
        known = [*registry.names(), *(model.name for model in cache.models())]
        raise UnknownModelError(name, known, f"the cache {cache.home} or the sources") from error
    model = cache.get(found.name)
    if model is not None:
        return model
    options = "".join(f" --source {shlex.quote(source)}" for source in sources)
    place = found.source.name
    place = _PLACES.get(place, place)
    raise UnavailableError(
        f"{found.name} is in {place} but not in the cache {cache.home}."
        f" `zoo fetch {shlex.quote(found.name)}{options}` brings it there."
    )
