"""What the weights have to be: pinned by the user, promised by the card, or trusted at first sight.

Weights that come over a network need a hash: from the card, from the place, from the user, or, if
the user says so, the one that they are seen to have the first time, which holds from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from zoo.errors import HashMismatchError, UsageError, VerificationError
from zoo.registry.address import ModelAddress, Pin
from zoo.registry.cached import CachedModel, FileRecord
from zoo.registry.consent import Consent
from zoo.registry.found import Found
from zoo.registry.hashes import ExpectedHash, parse_hash
from zoo.registry.plan import FetchPlan, PlannedFile
from zoo.registry.storage import location

__all__ = ["Demands"]


@dataclass(frozen=True)
class Demands:
    """What one fetch asks of the weights.

    Parameters
    ----------
    pins : the beginnings of hashes, whole ones too, that the user gave.
    trust_first_use : whether weights are taken whose hash nobody gave.
    consent : what was agreed to before.
    """

    pins: tuple[Pin, ...]
    trust_first_use: bool
    consent: Consent

    @classmethod
    def of(
        cls,
        address: ModelAddress,
        sha1: str | None,
        sha256: str | None,
        trust_first_use: bool,
        consent: Consent,
    ) -> Demands:
        """Read what the user gave; UsageError where it is no hash."""
        given = (("sha1", sha1), ("sha256", sha256))
        hashes = [parse_hash(text, f"--{kind}", kind) for kind, text in given if text]
        pins = [Pin(promise.algorithm, promise.digest) for promise in hashes]
        pins += [address.pin] if address.pin else []
        return cls(tuple(pins), trust_first_use, consent)

    @property
    def hashes(self) -> tuple[ExpectedHash, ...]:
        """The pins that are whole hashes."""
        return tuple(ExpectedHash(pin.algorithm, pin.digest) for pin in self.pins if pin.is_whole)

    def check_cached(self, model: CachedModel) -> None:
        """Refuse a model in the cache whose weights are not those that were pinned."""
        record = model.record
        for pin in self.pins:
            # What an archive was verified by is no hash of the weights that were in it.
            if not any(kept.startswith(str(pin)) for kept in record.verified_against):
                weights = record.files.get(record.weights or "")
                self._check(pin, model.name, weights, "in the cache")

    def applied(self, plan: FetchPlan, found: Found, *, dry_run: bool = False) -> FetchPlan:
        """The plan with all that the weights have to be.

        Raises
        ------
        HashMismatchError
            when the card promises other weights than those pinned.
        UsageError
            when no hash is known, and the user did not say that this will do.
        """
        weights = plan.weights_file
        if weights is None:
            if self.pins:
                raise VerificationError(
                    f"{found.name} has no weights that could be {self.pins[0]}."
                )
            return plan
        for pin in self.pins:
            for promise in weights.expected:
                if promise.algorithm == pin.algorithm and not promise.digest.startswith(pin.digest):
                    raise _mismatch(pin, found.name, promise.digest, "by its card")
        known = {promise.algorithm: promise for promise in (*self.hashes, *weights.expected)}
        seen = self.consent.first_seen(_place(found, weights))
        if not known and seen is not None:
            known = {seen.algorithm: seen}
        if not known and not dry_run and self.wants_trust(found, plan) and not self.trust_first_use:
            raise UsageError(
                f"{found.name}: nobody says which hash {weights.name} has, so what comes from"
                f" {_place(found, weights)} could not be checked. If you know it, give --sha256 or"
                " --sha1; else --trust-first-use (trust_first_use=True) takes what comes now, and"
                " holds every later fetch to it."
            )
        held = replace(weights, expected=tuple(known.values()))
        return replace(plan, files=tuple(held if file is weights else file for file in plan.files))

    def wants_trust(self, found: Found, plan: FetchPlan) -> bool:
        """Whether the weights come over a network and nobody says what they have to be."""
        weights = plan.weights_file
        if weights is None or weights.expected:
            return False
        return weights.is_elsewhere or not getattr(found.source, "is_local", False)

    def check_weights(
        self, found: Found, plan: FetchPlan, record: FileRecord | None
    ) -> tuple[str, ...]:
        """Hold what came to the pins, and remember it where it was trusted; the kept promises."""
        weights = plan.weights_file
        if weights is None or record is None:
            return ()
        short = [pin for pin in self.pins if not pin.is_whole]
        for pin in short:  # whole ones were among those expected
            self._check(pin, found.name, record, "as it came")
        if self.wants_trust(found, plan):
            self.consent.trust(_place(found, weights), record)
        return tuple(dict.fromkeys([*map(str, weights.expected), *map(str, short)]))

    def note(self, found: Found, plan: FetchPlan, record: FileRecord | None) -> str:
        """What a user should know of weights that were not verified."""
        weights = plan.weights_file
        if weights is None or record is None or weights.expected:
            return ""
        if self.wants_trust(found, plan):
            return (
                f"nobody gave a hash of {weights.name}; what came has sha256 {record.sha256} and is"
                " what later fetches have to be"
            )
        return (
            f"the card gives no sha1 to verify {weights.name} against; what came has sha1"
            f" {record.sha1}"
        )

    def _check(self, pin: Pin, name: str, weights: FileRecord | None, where: str) -> None:
        if weights is None:
            raise VerificationError(f"{name} has no weights that could be {pin}.")
        if not pin.kept_by(weights):
            raise _mismatch(pin, name, getattr(weights, pin.algorithm), where)


def _mismatch(pin: Pin, name: str, digest: str, where: str) -> HashMismatchError:
    advice = "--force fetches it again." if where == "in the cache" else "Nothing was kept."
    return HashMismatchError(
        f"{name} {where} has the weights {pin.algorithm}:{digest}, not {pin}. {advice}",
        algorithm=pin.algorithm,
        expected=pin.digest,
        received=digest,
    )


def _place(found: Found, weights: PlannedFile) -> str:
    """Where the weights come from, as it is remembered: without credentials."""
    from zoo.registry.storage.trouble import shown

    if weights.is_elsewhere:
        return shown([*weights.urls, *weights.archives][0])
    return location(found.source, found.name, weights.name)
