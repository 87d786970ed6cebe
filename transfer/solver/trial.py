"""A network that the solver tests: its mean outputs over some batches.

Caffe: Solver::Test (src/caffe/solver.cpp), and ShareTrainedLayersWith: layers of the same name have
the weights of the network under training.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.build.model import update_keras
from zoo.build.need_backward import with_named_losses
from zoo.build.predict import Predictor
from zoo.net import Net
from zoo.transfer.solver.events import Scores
from zoo.transfer.solver.labels import LabelCheck
from zoo.transfer.solver.model import weights_of
from zoo.transfer.solver.nets import Feed

__all__ = ["Trial"]


class Trial:
    """One of these networks.

    Parameters
    ----------
    net : in the phase to test, with weights.
    feed : its batches.
    device : "cpu", "gpu:0", ...; None leaves the choice to TensorFlow.
    """

    def __init__(self, net: Net, feed: Feed, device: str | None = None) -> None:
        self._net, self.feed = with_named_losses(net), feed
        self._weights = weights_of(self._net)
        self._outputs = sorted(self._net.outputs)
        losses = [name for name, weight in self._weights.items() if weight]
        self._losses = {name: self._weights[name] for name in losses}
        blobs = list(dict.fromkeys([*self._outputs, *losses]))
        self._predictor = Predictor(self._net, blobs, device)
        feed.prepare_by(LabelCheck(net))

    def run(
        self, trained: Net, batches: int, interrupted: Callable[[], bool]
    ) -> tuple[Scores, float] | None:
        """Mean outputs and loss with the weights of `trained`.

        Parameters
        ----------
        batches : how many to run.
        interrupted : asked before each batch whether to stop; the answer is None then.
        """
        shared = {
            name: blobs for name, blobs in trained.params.items() if name in self._net.param_shapes
        }
        self._net = self._net.with_params(shared)
        update_keras(self._net, self._predictor.model)
        sums = dict.fromkeys([*self._outputs, *self._losses], np.zeros(()))
        for _ in range(batches):
            if interrupted():
                return None
            for name, value in self._predictor(self.feed.next()).items():
                sums[name] = sums[name] + value.astype(np.float64)
        means = {name: value / batches for name, value in sums.items()}
        loss = sum(weight * float(means[name].sum()) for name, weight in self._losses.items())
        return Scores.of(self._outputs, means, self._weights), loss
