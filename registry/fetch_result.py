"""What a fetch did, or what it would do: the answer of `zoo.registry.fetch`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import UsageError
from zoo.registry.cached import CachedModel
from zoo.registry.consent import license_of, needs_acceptance
from zoo.registry.demands import Demands
from zoo.registry.found import Found
from zoo.registry.licence import License
from zoo.registry.plan import FetchPlan, PlannedFile, joined

__all__ = ["FetchResult", "dry_result", "result_of"]


@dataclass(frozen=True)
class FetchResult:
    """What a fetch did, or what it would do.

    Parameters
    ----------
    name : the model's name, as its directory has it.
    directory : where its files lie.
    source : where they came from.
    files : their names.
    downloaded : False when they were here already, or nothing was to be done.
    bytes : of all files, as far as they are known.
    verified : the hashes of the weights that were promised and kept, such as "sha1:24c2...".
    note : what a user should know, or "".
    license : what the weights may be used for.
    planned : after a dry run, the files with the addresses that they would come from.
    asks_for : after a dry run, the options without which a script would not get it.
    """

    name: str
    directory: Path
    source: str
    files: tuple[str, ...]
    downloaded: bool
    bytes: int
    verified: tuple[str, ...] = ()
    note: str = ""
    license: License | None = None
    planned: tuple[PlannedFile, ...] = ()
    asks_for: tuple[str, ...] = ()
    cached: CachedModel | None = field(default=None, repr=False)

    @property
    def model(self) -> CachedModel:
        """The model in the cache; UsageError after a dry run of one that is not there."""
        if self.cached is None:
            raise UsageError(f"{self.name} was not fetched: this was a dry run")
        return self.cached


def result_of(model: CachedModel, note: str, *, downloaded: bool) -> FetchResult:
    """What a fetch did that ended with a model in the cache."""
    record = model.record
    return FetchResult(
        name=model.name,
        directory=model.directory,
        source=record.source,
        files=tuple(record.files),
        downloaded=downloaded,
        bytes=model.size,
        verified=record.verified_against,
        note=note,
        license=license_of(model.card),
        cached=model,
    )


def dry_result(
    directory: Path, found: Found, plan: FetchPlan, demands: Demands, note: str
) -> FetchResult:
    """What a fetch would do; asks servers for sizes that are not known, and takes nothing."""
    from zoo.registry.measure import measured

    plan, troubles = measured(plan, found)
    asks = ["--accept-license"] if needs_acceptance(found.card) else []
    asks += ["--trust-first-use"] if demands.wants_trust(found, plan) else []
    return FetchResult(
        found.name,
        directory,
        found.source.name,
        tuple(file.name for file in plan.files),
        downloaded=False,
        bytes=plan.bytes,
        note=joined("nothing was fetched (dry run)", note, plan.note, *troubles),
        license=license_of(found.card),
        planned=plan.files,
        asks_for=tuple(asks),
    )
