"""Runs under a watcher's eyes."""

import pytest
from watched_nets import HEALTHY, Watched, batches, rows


@pytest.fixture
def watched(tmp_path):
    """Trains layers that end in `scores`; `data` are rows and labels, or a list of batches.

    Without steps nothing is trained yet.
    """

    def train(
        layers=HEALTHY, data=None, *, rate=0.05, solver="", steps=60, validation=None, **settings
    ):
        data = rows(256) if data is None else data
        batch = settings.get("batch", 16)

        def source(layer, folder, phase, *, seed=0, start=0):
            chosen = validation if phase == "TEST" else data
            return batches(*chosen, batch) if isinstance(chosen, tuple) else iter(chosen)

        if validation is not None:
            solver += " test_iter: 4 test_interval: 20"
        solver = f"base_lr: {rate} {solver}"
        made = Watched(tmp_path, layers, source, solver, steps=steps, **settings)
        return made.train() if steps else made

    return train
