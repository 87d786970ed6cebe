"""Blobs to take features from: those that everything passes through, from input to classifier."""

from __future__ import annotations

from zoo.build.model import needed_layers
from zoo.errors import UsageError
from zoo.net import Net
from zoo.scores import score_blob

__all__ = ["deepest_blob", "depths", "waists"]


def waists(net: Net) -> list[str]:
    """Blobs that all of the network before and after is joined by, below the classifier.

    The classifier is the last layer with weights. Of a chain they are all blobs; of modules such
    as Inception or Fire the outputs of the modules.
    """
    target = _target(net)
    layers = needed_layers(net, [target])
    learned = [index for index, layer in enumerate(layers) if layer.param_shapes]
    end = learned[-1] if learned else len(layers)
    waists = []
    alive, final = {target}, set[str]()
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        written = [top for top in layer.tops if top not in final]
        if index < end and alive == set(written) and not layer.is_source:
            waists.append(written[0])
        final.update(layer.tops)
        alive -= set(layer.tops)
        alive |= set(layer.bottoms)
    return waists[::-1]


def depths(net: Net, most: int = 5) -> list[str]:
    """At most so many of the `waists`, evenly spread, the deepest included.

    >>> import zoo
    >>> depths(zoo.load("lenet_digits").net, 3)
    ['conv1', 'conv2', 'ip1']
    """
    found = [blob for blob in waists(net) if len(net.blobs[blob] or ()) in (2, 4)]
    if not found:
        raise UsageError(
            f"{net.name!r} has no blob below its classifier that everything passes through; name"
            " one with `zoo probe --blob`."
        )
    most = min(most, len(found))
    return [found[(index + 1) * len(found) // most - 1] for index in range(most)]


def deepest_blob(net: Net) -> str:
    """What the classifier reads, as far as it is one blob."""
    return depths(net, 1)[0]


def _target(net: Net) -> str:
    try:
        return score_blob(net)[0]
    except UsageError:
        return net.outputs[-1]
