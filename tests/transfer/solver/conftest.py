"""A small regression with the data of Caffe's kind, in a folder of its own."""

import h5py
import numpy as np
import pytest

NET = """\
name: "line"
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.05 lr_policy: "fixed" max_iter: 12 snapshot_prefix: "s" '


@pytest.fixture
def project(tmp_path):
    """Writes a solver and a net; the data has 10 rows, so that batches of 4 wrap around."""
    rng = np.random.default_rng(5)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["x"] = rng.normal(size=(10, 3)).astype(np.float32)
        file["y"] = rng.normal(size=(10, 2)).astype(np.float32)
    (tmp_path / "list.txt").write_text("rows.h5\n")

    def write(settings="", net=NET, solver=SOLVER):
        (tmp_path / "net.prototxt").write_text(net)
        (tmp_path / "solver.prototxt").write_text(f"{solver}\n{settings}")
        return tmp_path

    write.folder = tmp_path
    return write


@pytest.fixture
def rows(project):
    """The data: x of shape (10, 3) and y of shape (10, 2)."""
    with h5py.File(project.folder / "rows.h5") as file:
        return file["x"][()].astype(np.float64), file["y"][()].astype(np.float64)
