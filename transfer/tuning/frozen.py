"""What a stage must not change, and the proof that it has not: a SHA-256 of each layer.

The statistics of a BatchNorm belong to it: they stay unless the stage learns those of the batches
and neither the layer nor the Scale behind it is frozen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256

from zoo.errors import VerificationError
from zoo.net import Net
from zoo.transfer.plan import Stage
from zoo.transfer.solver.params import Owner

__all__ = ["check_frozen", "fingerprints", "frozen_params"]


def frozen_params(
    net: Net, moving: Collection[Owner], statistics: Collection[str] = ()
) -> list[Owner]:
    """The params that a stage may not change.

    Parameters
    ----------
    moving : those that it trains.
    statistics : the BatchNorm layers whose statistics it learns.
    """
    return [
        (layer.name, index)
        for layer in net.layers
        if layer.name not in statistics
        for index, owner in enumerate(layer.owners)
        if owner not in moving
    ]


def fingerprints(net: Net, params: Sequence[Owner]) -> dict[str, str]:
    """A SHA-256 for each layer, of the bytes of those of its params that are named."""
    hashes = {layer: sha256() for layer, _ in params}
    for layer, index in params:
        hashes[layer].update(net.params[layer][index].tobytes())
    return {layer: found.hexdigest() for layer, found in hashes.items()}


def check_frozen(
    before: Mapping[str, str], net: Net, params: Sequence[Owner], stage: Stage
) -> None:
    """Prove that what is frozen has not changed by a single bit.

    Raises
    ------
    VerificationError
        Names the layers that have.
    """
    after = fingerprints(net, params)
    changed = [layer for layer in after if after[layer] != before.get(layer)]
    if changed:
        raise VerificationError(
            f"stage {stage.name!r}: {', '.join(changed)} should be frozen, but changed: the SHA-256"
            f" of {changed[0]!r} was {before.get(changed[0])} and is {after[changed[0]]}. Please"
            " report this with the plan."
        )
