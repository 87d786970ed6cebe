"""docs/layers.md names the kinds of the forks that there are, and no others."""

import re
from pathlib import Path

from zoo.caffe.dialect import dialects
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.layers.kind import known_types

PAGE = (Path(__file__).parents[1] / "docs" / "layers.md").read_text(encoding="utf-8")


def listed():
    rows = re.findall(r"^\| ([A-Z][\w, ]*) \|(?! Fork)", PAGE, re.MULTILINE)
    return {kind for row in rows for kind in row.split(", ")}


def test_every_kind_on_the_page_exists():
    assert listed() - set(known_types()) == set()


def test_every_kind_of_a_fork_is_on_the_page():
    of_forks = {name for name in known_types() if dialects([LayerParameter(type=name)])}
    assert of_forks - listed() == set()


def test_every_field_on_the_page_is_in_the_schema():
    params = re.findall(r"`(\w+_param)`", PAGE)
    assert params
    fields = LayerParameter.DESCRIPTOR.fields_by_name
    nested = fields["detection_output_param"].message_type.fields_by_name
    assert [name for name in params if name not in fields and name not in nested] == []
