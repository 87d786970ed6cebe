"""How much is in the cache, and how much room it takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zoo.registry.cache import Cache
from zoo.registry.cache_gc import find_waste
from zoo.registry.cache_layout import read_layout

__all__ = ["CacheFacts", "cache_facts"]


@dataclass(frozen=True)
class CacheFacts:
    """What there is. Bytes are those of the files; a file with several names counts once.

    Parameters
    ----------
    home : the folder.
    layout : None where nothing was written yet.
    models, blobs : how many.
    bytes : of models and blobs.
    bytes_shared : what more it would be if each model had its own copy of its weights.
    partials, partial_bytes : unfinished downloads, those under way too.
    feature_bytes : of features that were computed before; they may be removed.
    waste_bytes : what `zoo cache gc` would free.
    bytes_free : on the volume.
    writable : whether this user may write.
    """

    home: Path
    layout: int | None
    models: int
    blobs: int
    bytes: int
    bytes_shared: int
    partials: int
    partial_bytes: int
    feature_bytes: int
    waste_bytes: int
    bytes_free: int
    writable: bool


def cache_facts(cache: Cache) -> CacheFacts:
    """Look through a cache; nothing is hashed or written."""
    models, sizes = cache.models(), cache.blobs.sizes()
    with cache.explained():
        own = sum(cache.own_bytes(path) for path in cache.directories() if path.is_dir())
        users = cache.blob_users()
        parts = [path.stat() for path in cache.parts.glob("*.part")]
        features = [path.stat() for path in (cache.home / "features").glob("*/*")]
        nearest = cache.nearest()
    shared = sum(sizes[digest] * (len(having) - 1) for digest, having in users.items() if having)
    return CacheFacts(
        home=cache.home,
        layout=read_layout(cache.home),
        models=len(models),
        blobs=len(sizes),
        bytes=own + sum(sizes.values()),
        bytes_shared=shared,
        partials=len(parts),
        partial_bytes=sum(min(part.st_size, part.st_blocks * 512) for part in parts),
        feature_bytes=sum(file.st_size for file in features),
        waste_bytes=sum(waste.bytes for waste in find_waste(cache)) if sizes or models else 0,
        bytes_free=cache.free_bytes(),
        writable=nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK),
    )
