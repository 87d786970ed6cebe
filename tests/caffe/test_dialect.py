"""Forks of Caffe: parameters by name from text, and never by number from a binary file."""

import pytest
from google.protobuf import text_format

from zoo.caffe.dialect import FIRST_OWN_NUMBER, dialects
from zoo.caffe.read import parse_definition, read_definition
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.caffe.wire import LENGTH, varint_bytes
from zoo.errors import ParseError
from zoo.layers.kind import known_types

# Field numbers that forks gave to layers of theirs; some of them are Caffe's for something else.
FORK_NUMBERS = {
    "Permute": 202,
    "Interp": 143,  # in Caffe: input_param
    "Upsample": 137,  # in Caffe: embed_param
    "BN": 45,
    "ROIPooling": 8266711,
    "DetectionOutput": 147,  # in Caffe: swish_param
}


def field(number, body):
    return varint_bytes(number << 3 | LENGTH) + varint_bytes(len(body)) + body


def binary_layer(type_name, number, body):
    known = LayerParameter(name="layer1", type=type_name, bottom=["data"], top=["out"])
    return field(100, known.SerializeToString() + field(number, body))


@pytest.mark.parametrize(("type_name", "number"), FORK_NUMBERS.items())
def test_a_binary_definition_of_a_fork_asks_for_the_text(tmp_path, type_name, number):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(binary_layer(type_name, number, b"\x08\x02\x10\x03"))
    with pytest.raises(ParseError) as caught:
        read_definition(path, known_types())
    assert "dialect of Caffe" in str(caught.value)
    assert f"layers of type {type_name} show" in str(caught.value)
    assert "give the .prototxt" in str(caught.value)


def test_no_number_of_a_binary_file_becomes_a_parameter_of_a_fork(tmp_path):
    own = [f for f in LayerParameter.DESCRIPTOR.fields if f.number >= FIRST_OWN_NUMBER]
    path = tmp_path / "net.caffemodel"
    for number in [*(f.number for f in own), *FORK_NUMBERS.values(), 150, 10002]:
        path.write_bytes(binary_layer("ReLU", number, b""))
        (layer,) = read_definition(path).layer
        assert not any(layer.HasField(f.name) for f in own if not f.is_repeated), number


def test_fields_of_forks_inside_messages_of_caffe_are_not_taken_from_a_binary_file(tmp_path):
    net = parse_definition(
        'layer { name: "pool" type: "Pooling" pooling_param { kernel_size: 3 ceil_mode: false } }'
    )
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net.SerializeToString())
    (layer,) = read_definition(path).layer
    assert layer.pooling_param.kernel_size == 3
    assert not layer.pooling_param.HasField("ceil_mode")


def test_a_fork_without_parameters_of_its_own_can_be_binary(tmp_path):
    net = NetParameter()
    net.layer.add(name="relu6", type="ReLU6", bottom=["data"], top=["relu6"])
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net.SerializeToString())
    assert [layer.type for layer in read_definition(path).layer] == ["ReLU6"]


def test_numbers_of_our_own_are_none_of_caffes_and_none_of_a_forks():
    for name, message in LayerParameter.DESCRIPTOR.file.message_types_by_name.items():
        own = [f.number for f in message.fields if f.number >= FIRST_OWN_NUMBER]
        assert len(own) == len(set(own)), name
        assert not set(own) & set(FORK_NUMBERS.values())


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ('layer { type: "Convolution" }', {}),
        (
            'layer { type: "Normalize" } layer { type: "PriorBox" } layer { type: "PriorBox" }',
            {"SSD": ["Normalize", "PriorBox"]},
        ),
        (
            'layer { type: "BN" } layer { type: "Upsample" bottom: "a" bottom: "mask" }',
            {"SegNet": ["BN", "Upsample"]},
        ),
        ('layer { type: "BN" } layer { type: "Interp" }', {"PSPNet": ["BN", "Interp"]}),
        ('layer { type: "BN" } layer { type: "ReLU" }', {"yjxiong": ["BN"]}),
        ('layer { type: "Upsample" bottom: "a" }', {"YOLO": ["Upsample"]}),
        (
            'layer { type: "Interp" } layer { type: "ROIPooling" }',
            {"DeepLab": ["Interp"], "Fast R-CNN": ["ROIPooling"]},
        ),
    ],
)
def test_types_of_layers_tell_the_dialect(layers, expected):
    assert dialects(text_format.Parse(layers, NetParameter()).layer) == expected


def test_a_misspelt_field_of_a_fork_gets_the_right_word():
    text = 'layer { type: "PriorBox" prior_box_param { min_sise: 30 } }'
    with pytest.raises(ParseError, match="no field 'min_sise'. Did you mean min_size"):
        parse_definition(text)
