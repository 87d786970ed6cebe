"""What docs/exports.md shows is what happens."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from zoo.cli.main import main
from zoo.exports.onnx_graph import ONNX_KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "exports.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_do_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "digits")
    np.savez(tmp_path / "in.npz", data=np.zeros((1, 1, 28, 28), np.float32))
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    commands = re.findall(r"^\$ zoo (.*)$", block, re.MULTILINE)
    assert len(commands) == 7
    for command in commands:
        assert main(command.split()) == 0
        printed, told = capsys.readouterr()
        if command.startswith("convert"):
            output = re.search(r"-o (\S+)", command)[1]
            assert printed == f"{output}\n"
            assert "outputs differ by at most" in told
            assert Path(output).exists()
    with np.load("out.npz") as out:
        assert out["ip1"].shape == (1, 64)


@pytest.mark.parametrize("code", CODE[:2], ids=["export", "back"])
def test_the_examples_print_what_their_comments_say(run_python, code):
    printed, _ = run_python("-c", code)
    assert printed.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)


def test_the_layer_of_ones_own_works(run_python, tmp_path):
    (tmp_path / "net.prototxt").write_text(
        'input: "data" input_shape { dim: 1 dim: 2 }\n'
        'layer { name: "square" type: "Square" bottom: "data" top: "square" }\n'
    )
    kind = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    code = f"""
net = zoo.Net.read({str(tmp_path / "net.prototxt")!r})
print(zoo.run(net, {{"data": [[2, -3]]}}, engine="onnxruntime")["square"].tolist())
"""
    assert run_python("-c", kind + CODE[2] + code)[0] == "[[4.0, 9.0]]\n"


def test_the_kinds_that_the_page_leaves_out_are_left_out():
    import zoo.exports.onnx_families  # noqa: F401

    assert not {"DetectionOutput", "Proposal", "PSROIPooling"} & set(ONNX_KINDS)
