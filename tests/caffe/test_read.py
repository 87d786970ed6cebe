"""Definitions: what is wrong is said with file, line and column."""

import pytest

from zoo.caffe.read import parse_definition, read_definition
from zoo.errors import ParseError, UsageError
from zoo.layers.kind import known_types

CONV = """name: "net"
layer {
  name: "conv"
  type: "Convolution"
  convolution_param {
    kernal_size: 3
  }
}
"""


def test_a_typo_in_a_field_names_file_line_column_and_the_right_word(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(CONV)
    with pytest.raises(ParseError) as caught:
        read_definition(path)
    assert f"{path}:6:5" in str(caught.value)
    assert "no field 'kernal_size'" in str(caught.value)
    assert "Did you mean kernel_size?" in str(caught.value)
    assert (caught.value.line, caught.value.column) == (6, 5)


def test_a_value_that_is_no_enum_lists_the_legal_ones():
    text = 'layer { name: "p" type: "Pooling" pooling_param { pool: MAXIMUM } }'
    with pytest.raises(ParseError, match="'MAXIMUM' is not a value of PoolingParameter.PoolMethod"):
        parse_definition(text)


@pytest.mark.parametrize(
    "text", ["layer { name: 'a'", "layer name", "layer { num_output: x }", "}"]
)
def test_broken_text_is_a_parse_error_with_a_line(text):
    with pytest.raises(ParseError) as caught:
        parse_definition(text)
    assert caught.value.line == 1


def test_the_params_of_an_unknown_kind_are_passed_over():
    text = """layer { name: "data" type: "Input" top: "data" }
layer {
  name: "warp" type: "FlowWarp" bottom: "data" top: "warp"
  flow_warp_param { order: 0 order: 2 nested { deep: "}" } }  # a comment with }
  mystery_param: { a: 1 }
}"""
    net = parse_definition(text, known_types=known_types())
    assert [layer.type for layer in net.layer] == ["Input", "FlowWarp"]
    assert list(net.layer[1].top) == ["warp"]


def test_a_misspelt_param_of_a_known_kind_is_not_passed_over():
    text = 'layer { name: "c" type: "Convolution" convolutoin_param { num_output: 1 } }'
    with pytest.raises(ParseError, match="Did you mean convolution_param"):
        parse_definition(text, known_types=known_types())


def test_a_param_field_outside_of_any_layer_is_not_passed_over():
    with pytest.raises(ParseError, match="no field 'flow_warp_param'"):
        parse_definition("flow_warp_param { order: 0 }", known_types=known_types())


def test_a_web_page_is_called_one():
    with pytest.raises(ParseError, match="web page"):
        parse_definition("<!DOCTYPE html><html></html>")


def test_an_empty_file_and_a_missing_file_say_so(tmp_path):
    empty = tmp_path / "empty.prototxt"
    empty.write_text("\n")
    with pytest.raises(ParseError, match="empty"):
        read_definition(empty)
    with pytest.raises(UsageError, match="No such file"):
        read_definition(tmp_path / "absent.prototxt")
    with pytest.raises(UsageError, match="directory"):
        read_definition(tmp_path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(b'\xef\xbb\xbfname: "net"\r\ninput: "data"\r\n')
    assert read_definition(path).input == ["data"]


def test_the_definition_inside_a_binary_file_comes_without_weights(shared):
    path = shared / "models" / "squeezenet_v1.0" / "squeezenet_v1.0.caffemodel"
    net = read_definition(path)
    assert "fire9/concat" in [layer.name for layer in net.layer]
    assert not any(layer.blobs for layer in net.layer)


def test_random_bytes_are_refused(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(ParseError):
        read_definition(path)
