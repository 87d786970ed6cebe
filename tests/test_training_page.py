"""What docs/training.md shows is what happens."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from zoo.cli.main import main

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = re.search(r"prints\n\n```\n(.*?)```", PAGE, re.DOTALL)[1]
SOLVER = re.search(r"```\n(net:.*?)```", PAGE, re.DOTALL)[1]
COMMANDS = re.findall(r"^\$ zoo (.*)$", PAGE, re.MULTILINE)
NET = """\
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 8 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["x"], file["y"] = x, x @ rng.normal(size=(3, 2))
    (tmp_path / "list.txt").write_text("rows.h5")
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_work(folder):
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        assert main(command.split()) == 0, command


def test_the_programs_of_the_page_print_what_it_says(folder, capsys):
    names = {}
    exec(PROGRAMS[0], names)
    assert capsys.readouterr().out == PRINTED
    exec(PROGRAMS[1], names)
    assert names["trained"].iteration == 200
