"""Which scripts used which models of a cache, for `zoo cite --project`.

One small file for each model and script, <home>/usage/<hash>.json:

    {"model": "bvlc_googlenet", "script": "/home/me/paper/evaluate.py", "last_used": ISO time}

It never leaves the machine, and ZOO_NO_USAGE=1 switches it off. A record that cannot be written is
none: using a model must not fail for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from zoo.registry.atomic import write_atomically

__all__ = ["INTERACTIVE", "Use", "record_use", "uses"]

INTERACTIVE = "(interactive)"


@dataclass(frozen=True)
class Use:
    """A model, the script that used it, and when it last did, in ISO form."""

    model: str
    script: str
    last_used: str


def record_use(model: str, home: Path) -> None:
    """Note that the running script uses a model.

    Parameters
    ----------
    model : its name in the cache.
    home : the folder of the cache.
    """
    if os.environ.get("ZOO_NO_USAGE"):
        return
    started = sys.argv[0] if sys.argv else ""
    script = INTERACTIVE if started in ("", "-c", "-") else os.path.abspath(started)
    use = Use(model, script, datetime.now(UTC).isoformat(timespec="seconds"))
    name = hashlib.sha256(f"{model}\0{script}".encode(errors="surrogateescape")).hexdigest()[:24]
    with suppress(OSError, ValueError):
        folder = home / "usage"
        folder.mkdir(exist_ok=True)
        write_atomically(folder / f"{name}.json", json.dumps(asdict(use)).encode())


def uses(home: Path) -> list[Use]:
    """Every use that was noted, by model and script; a file that is none is passed over."""
    found = []
    for path in (home / "usage").glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            found.append(Use(**json.loads(path.read_bytes())))
    return sorted(found, key=lambda use: (use.model, use.script))
