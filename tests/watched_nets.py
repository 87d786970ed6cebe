"""Small networks and data, made as they are needed, that are trained under a watcher's eyes."""

from __future__ import annotations

import numpy as np

from zoo.transfer.caffe_training import CaffeSolver
from zoo.transfer.solver.events import Found

CLASSES = 4
SIZE = 6

_DATA = """
layer {{ name: "data" type: "Input" top: "data" top: "label"
  input_param {{ shape {{ dim: {batch} dim: {size} }} shape {{ dim: {batch} }} }} }}
"""
_LOSS = """
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
"""
_SOLVER = 'net: "net.prototxt" lr_policy: "fixed" snapshot_after_train: false random_seed: 3 '


def dense(name, bottom, outputs, filler='type: "xavier"'):
    """An InnerProduct layer."""
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}"'
        f" inner_product_param {{ num_output: {outputs} weight_filler {{ {filler} }} }} }}\n"
    )


def bend(name, blob, kind="ReLU"):
    """An activation in place."""
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{blob}" top: "{blob}" }}\n'


HEALTHY = dense("ip1", "data", 16) + bend("relu1", "ip1") + dense("scores", "ip1", CLASSES)


def rows(count, seed=0, noise=0.4):
    """Rows of four classes that lie apart, centred, of standard deviation about 1."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(CLASSES, SIZE))
    labels = rng.integers(0, CLASSES, count)
    x = centres[labels] + noise * rng.normal(size=(count, SIZE))
    return ((x - centres.mean()) / centres.std()).astype(np.float32), labels


def batches(x, labels, size, seed=0):
    """Shuffled batches of these rows, for ever."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - size + 1, size):
            chosen = order[start : start + size]
            yield {"data": x[chosen], "label": labels[chosen]}


class Watched:
    """A run of a solver with what was found; arguments are those of the fixture `watched`."""

    def __init__(self, folder, layers, source, settings, *, steps, batch=16, weights=()):
        data = _DATA.format(batch=batch, size=SIZE)
        (folder / "net.prototxt").write_text(data + layers + _LOSS)
        (folder / "solver.prototxt").write_text(f"{_SOLVER} {settings} max_iter: {steps}")
        self.findings, self.folder = [], folder
        self.run = CaffeSolver(
            "solver.prototxt", weights, folder=folder, open_source=source, listen=self._listen
        )
        self.watcher = self.run._watcher

    def train(self):
        """Train to the end."""
        self.losses = self.run.solve().losses
        return self

    @property
    def names(self):
        """Of all findings."""
        return {finding.name for finding in self.findings}

    def __getitem__(self, name):
        """The first finding of a name."""
        assert name in self.names, self.findings
        return next(finding for finding in self.findings if finding.name == name)

    def _listen(self, event):
        if isinstance(event, Found):
            self.findings.append(event.finding)
