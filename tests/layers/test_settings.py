"""Parameters that Caffe's schema does not have: from the text to a dict, and to text again."""

import pytest

import zoo
from zoo.caffe.read import parse_definition
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.caffe.write import prototxt_text
from zoo.errors import NetError, ParseError
from zoo.layers.kind import Kind, known_types, lookup
from zoo.layers.settings import read_settings

DEFAULTS = {
    "power": 2.0,
    "number": 3,
    "soft": False,
    "mode": "MAX",
    "sizes": [1],
    "parts": [{"name": "", "weight": 1.0}],
    "filler": {"type": "constant", "value": 0.0},
    "anything": None,
}


def settings(text):
    layer = LayerParameter(name="bend", type="Bend")
    layer.foreign_param.add(name="bend_param", text=text)
    return read_settings(layer, "bend_param", DEFAULTS)


def changed(text):
    """The settings that differ from the defaults."""
    return {name: value for name, value in settings(text).items() if value != DEFAULTS[name]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("power: 3", {"power": 3.0}),
        ("power: -1.5e-2, number: -4;", {"power": -0.015, "number": -4}),
        ("number: 0x10 soft: true", {"number": 16, "soft": True}),
        ("mode: AVE", {"mode": "AVE"}),
        ("mode: 'a \"b\"' # a comment }\n soft: true", {"mode": 'a "b"', "soft": True}),
        ('mode: "one" "two"', {"mode": "onetwo"}),
        ("sizes: 2", {"sizes": [2]}),
        ("sizes: 2 sizes: 3", {"sizes": [2, 3]}),
        ("sizes: [4, 5]", {"sizes": [4, 5]}),
        ("sizes: []", {"sizes": []}),
        ("filler { value: 2 }", {"filler": {"type": "constant", "value": 2.0}}),
        ('filler: < type: "x" >', {"filler": {"type": "x", "value": 0.0}}),
        (
            'parts { name: "a" } parts { weight: 2 }',
            {"parts": [{"name": "a", "weight": 1.0}, {"name": "", "weight": 2.0}]},
        ),
        ("anything: 1.5", {"anything": 1.5}),
        ("power: inf", {"power": float("inf")}),
    ],
)
def test_what_is_written_goes_over_the_defaults(text, expected):
    assert changed(text) == expected
    assert type(settings("power: 3")["power"]) is float


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pover: 1", r"bend_param has no field 'pover'.*Did you mean power\?"),
        ("power: many", r"expected a number for bend_param.power, received 'many'"),
        ("number: 1.5", r"expected a whole number for bend_param.number"),
        ("number: true", r"expected a whole number"),
        ("soft: 1", r"expected true or false"),
        ("mode: 1", r"expected a text"),
        ("filler: 1", r"expected a message in braces"),
        ("filler { valeu: 1 }", r"bend_param.filler has no field 'valeu'.*value"),
        ("power: 1 power: 2", r"bend_param.power is written 2 times"),
        ("power", r"bend_param: "),
        ("power 1", r"bend_param: "),
        ("power: }", r"bend_param: "),
        ("filler { value: 1", r"bend_param: "),
    ],
)
def test_what_makes_no_sense_is_said_with_the_layers_name(text, words):
    with pytest.raises(NetError, match=f"layer 'bend': .*{words}"):
        settings(text)


DEFINITION = """layer {
  name: "bend"
  type: "Bend"
  bottom: "data"
  top: "bend"
  bend_param {
    power: 3  # why not }
    filler { value: 1 }
    mode: "a { b"
  }
}
"""


def test_a_field_of_its_own_is_read_kept_and_written(kinds_restored):
    @zoo.layer("Bend", param="bend_param")
    class Bend(Kind):
        defaults = DEFAULTS

    net = parse_definition(DEFINITION, known_types=known_types())
    read = lookup("Bend").settings(net.layer[0])
    assert (read["power"], read["mode"], read["filler"]["value"]) == (3.0, "a { b", 1.0)
    assert prototxt_text(net) == DEFINITION
    with pytest.raises(ParseError, match="no field 'bned_param'"):
        parse_definition(DEFINITION.replace("bend_param", "bned_param"), known_types=known_types())
    assert lookup("Bend").settings(LayerParameter(name="bare")) == DEFAULTS


def test_the_fields_of_a_kind_that_nobody_knows_are_written_as_they_were_read():
    net = parse_definition(DEFINITION)
    assert prototxt_text(net) == DEFINITION
    assert prototxt_text(parse_definition(prototxt_text(net))) == DEFINITION


def test_a_kind_that_comes_later_checks_what_was_kept():
    net = parse_definition(DEFINITION)
    with pytest.raises(
        NetError, match=r"Bend has no field 'bend_param'.*Did you mean bent_param\?"
    ):
        read_settings(net.layer[0], "bent_param", DEFAULTS)


def test_lines_behind_a_field_that_is_kept_keep_their_numbers():
    text = DEFINITION + 'layer { name: "c" type: "ReLU" relu_parm { } }\n'
    with pytest.raises(ParseError) as caught:
        parse_definition(text, known_types=known_types())
    assert caught.value.line == DEFINITION.count("\n") + 1


def test_a_type_inside_a_message_is_not_the_layers(kinds_restored):
    text = DEFINITION.replace('  type: "Bend"\n', "").replace(
        '    mode: "a { b"\n  }\n', '    filler { type: "ReLU" }\n  }\n  type: "Bend"\n'
    )
    assert parse_definition(text, known_types=known_types()).layer[0].type == "Bend"


def test_fields_on_one_line_come_out_as_lines():
    net = parse_definition('layer { name: "b" type: "Bend" b_param { a: 1 c { d: "é\\n" } } }')
    assert 'b_param {\n    a: 1 c { d: "é\\n" }\n  }' in prototxt_text(net)


def test_a_long_net_with_many_kept_fields_is_read_and_binary_ones_are_dropped():
    net = parse_definition(DEFINITION * 50)
    assert all(layer.foreign_param[0].name == "bend_param" for layer in net.layer)
    assert len(NetParameter.FromString(net.SerializeToString()).layer) == 50
