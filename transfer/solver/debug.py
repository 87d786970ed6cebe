"""What `debug_info` prints: the mean of the absolute values of every blob, param and diff.

Caffe: Net::ForwardDebugInfo, BackwardDebugInfo and Backward (src/caffe/net.cpp). The copies that
Caffe makes of a blob with several readers have no lines here; each reader's diff has its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from zoo.net import Layer, Net
from zoo.transfer.solver.params import Owner
from zoo.transfer.solver.training_builder import TrainingBuilder

__all__ = ["Watch"]


class Watch:
    """The values to look at in a model that is being built, and what to call them.

    Parameters
    ----------
    built : the model, with its values told apart.
    net : the network it was built from.
    learning : the params that have a diff.

    Attributes
    ----------
    made, read : tensors of the model: what layers make, and what they read that has a diff.
    """

    def __init__(self, built: TrainingBuilder, net: Net, learning: Collection[Owner]) -> None:
        self.made = [blob.tensor for _, _, blob in built.made_blobs]
        self.read = [blob.tensor for _, _, blob in built.read_blobs]
        place = {layer.name: index for index, layer in enumerate(net.layers)}
        params = [(layer, index) for layer in net.layers for index in range(len(layer.owners))]
        learned = [(layer, index) for layer, index in params if layer.owners[index] in learning]
        self._values = [layer.owners[index] for layer, index in params]
        self._diffs = [layer.owners[index] for layer, index in learned]
        # Forward goes through the layers in order, backward the other way round.
        self._labels = [
            *(
                (0, place[layer], f"[Forward] Layer {layer}, top blob {top} data")
                for layer, top, _ in built.made_blobs
            ),
            *(
                (
                    0,
                    place[layer.name],
                    f"[Forward] Layer {layer.name}, param blob {_param_name(layer, index)} data",
                )
                for layer, index in params
            ),
            *(
                (1, -place[layer], f"[Backward] Layer {layer}, bottom blob {bottom} diff")
                for layer, bottom, _ in built.read_blobs
            ),
            *(
                (1, -place[layer.name], f"[Backward] Layer {layer.name}, param blob {index} diff")
                for layer, index in learned
            ),
        ]

    def numbers(
        self,
        made: Sequence[Any],
        diffs: Sequence[Any],
        variables: Mapping[Owner, Any],
        gradients: Mapping[Owner, Any],
    ) -> Any:
        """All that is printed, as one tensor; `made` and `diffs` belong to `made` and `read`."""
        import tensorflow as tf

        params = {owner: variables[owner].value for owner in dict.fromkeys(self._values)}
        means = [
            tf.reduce_mean(tf.abs(tensor))
            for tensor in (
                *made,
                *(params[owner] for owner in self._values),
                *diffs,
                *(gradients[owner] for owner in self._diffs),
            )
        ]
        parts = [list(part.values()) for part in (params, gradients)]
        zero = tf.constant(0.0)  # a net whose params are all frozen has no gradient to add
        sums = [tf.add_n([zero, *(tf.reduce_sum(tf.abs(each)) for each in part)]) for part in parts]
        squares = [
            tf.add_n([zero, *(tf.reduce_sum(each * each) for each in part)]) for part in parts
        ]
        return tf.stack([*means, *sums, *map(tf.sqrt, squares)])

    def lines(self, numbers: Sequence[float]) -> list[str]:
        """The lines in Caffe's order, from what `numbers` gave."""
        *means, sum_data, sum_diff, norm_data, norm_diff = numbers
        found = zip(self._labels, means, strict=True)
        ordered = sorted(found, key=lambda each: each[0][:2])
        return [
            *(f"    {label}: {mean:g}" for (_, _, label), mean in ordered),
            "    [Backward] All net params (data, diff):"
            f" L1 norm = ({sum_data:g}, {sum_diff:g}); L2 norm = ({norm_data:g}, {norm_diff:g})",
        ]


def _param_name(layer: Layer, index: int) -> str:
    specs = layer.definition.param
    return (specs[index].name if index < len(specs) else "") or str(index)
