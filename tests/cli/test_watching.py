"""What somebody who looks at the terminal sees of long work."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

SOLVER = """\
net_param {
  layer { name: "data" type: "DummyData" top: "x" top: "y"
    dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
    inner_product_param { num_output: 1 } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
}
base_lr: 0.1 lr_policy: "fixed" max_iter: 1
"""
PLAN = """\
stages:
  - {name: first, train: head}
  - {name: then, epochs: 2, groups: [{layers: [head], rate: 1e-3}]}
"""


@pytest.mark.slow
def test_every_long_command_tells_how_far_it_is(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("lower", "upper"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (28, 28), np.uint8)
            pixels[slice(14) if name == "upper" else slice(14, 28)] = 0
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    (tmp_path / "plan.yaml").write_text(PLAN)
    commands = [
        ["finetune", "lenet_digits", "data", "-o", "out", "--stages", "plan.yaml"],
        ["find-rate", "lenet_digits", "data", "--plan", "all", "--steps", "3"],
        ["evaluate", "out", "data"],
        ["probe", "lenet_digits", "data"],
        ["advise", "lenet_digits", "data"],
        ["train", "--solver", "solver.prototxt", "--dry-run"],
    ]
    code = f"from zoo.cli.main import main\nfor words in {commands}: assert main(words) == 0"
    spawn = f"import pty, sys; sys.exit(pty.spawn({[sys.executable, '-c', code]}))"
    done = subprocess.run(
        [sys.executable, "-c", spawn],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        timeout=300,
    )
    shown = done.stdout.decode()
    assert done.returncode == 0, shown
    parts = [
        "decoding pictures",
        "first: computing features",
        "first: fitting the classifier",
        "then, epoch 1 of 2",
        "then, epoch 2 of 2",
        "training at rising rates",
        "evaluating",
        "computing features",
        "fitting classifiers",
        "opening nets and data",
    ]
    assert [part for part in parts if part not in shown] == []
