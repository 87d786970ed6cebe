"""docs/finetune.md says what is true."""

import re
from dataclasses import fields
from pathlib import Path

from zoo.transfer.plan import Stage
from zoo.transfer.plan_file import read_plan

PAGE = (Path(__file__).parents[2] / "docs" / "finetune.md").read_text(encoding="utf-8")


def test_the_plan_of_the_page_can_be_read(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "plan.yaml").write_text(text)
    plan = read_plan(tmp_path / "plan.yaml")
    assert [stage.name for stage in plan.stages] == ["head", "upper half"]


def test_every_field_of_a_stage_is_named():
    hidden = {"cached"}  # written as `train: head`
    named = set(re.findall(r"\w+", PAGE))
    assert {field.name for field in fields(Stage)} - hidden <= named
