"""Training as Caffe does: a solver.prototxt runs as it is, with Caffe's rules, log and snapshots.

Caffe: tools/caffe.cpp (train) and src/caffe/solver.cpp. Paths are relative to the current folder.
Where Caffe starts anew, in its data and its random numbers, a run that zoo takes up from its own
snapshot goes on exactly; one from a snapshot of Caffe's does as Caffe does.
"""

from __future__ import annotations

from collections.abc import Sequence

from zoo.transfer.databases import OpenSource, open_source
from zoo.transfer.solver.run import CaffeSolver, Listen, Location, Trained

__all__ = ["CaffeSolver", "Trained", "train"]


def train(
    solver: Location,
    weights: Sequence[Location] = (),
    snapshot: Location | None = None,
    *,
    folder: Location = ".",
    device: str | None = None,
    level: int | None = None,
    stages: Sequence[str] = (),
    open_source: OpenSource = open_source,
    listen: Listen | None = None,
) -> Trained:
    """Run a solver to its end, as `caffe train` does.

    Parameters
    ----------
    solver : a solver.prototxt.
    weights : files to start from: what has the name of a layer is copied, the rest starts fresh;
        by default those that the solver names.
    snapshot : a .solverstate or .solverstate.h5 to go on from, of zoo's or of Caffe's.
    folder : what all paths are relative to.
    device : "cpu", "gpu:0", ...; by default the CPU if the solver says so, else what TensorFlow
        chooses.
    level, stages : of the state of the network to train, over what the solver says.
    open_source : opens the data layers, see `zoo.transfer.databases.open_source`.
    listen : called with each event, see `zoo.transfer.solver.events`.

    Raises
    ------
    ParseError, NetError, WeightsError, UsageError
        What is wrong with the solver, the networks, the weights or the data.
    UnavailableError
        When the last snapshot cannot be written, or there is no such device.

    Examples
    --------
    >>> import pathlib, tempfile, zoo
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "net.prototxt").write_text('''
    ...   layer { name: "data" type: "DummyData" top: "x" top: "y" dummy_data_param {
    ...     shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 } data_filler { type: "gaussian" } } }
    ...   layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
    ...     inner_product_param { num_output: 1 weight_filler { type: "xavier" } } }
    ...   layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }''')
    >>> _ = (folder / "solver.prototxt").write_text('''
    ...   net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 20''')
    >>> trained = zoo.train("solver.prototxt", folder=folder)
    >>> trained.iteration, [path.weights.name for path in trained.snapshots]
    (20, ['solver_iter_20.caffemodel'])
    """
    run = CaffeSolver(
        solver,
        weights,
        snapshot,
        folder=folder,
        device=device,
        level=level,
        stages=stages,
        open_source=open_source,
        listen=listen,
    )
    return run.solve()
