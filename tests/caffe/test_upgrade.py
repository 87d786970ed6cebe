"""Old formats against what Caffe's own upgrade made of them."""

import pytest
from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter, V1LayerParameter
from zoo.caffe.upgrade import _V1_TYPES, upgrade
from zoo.caffe.upgrade_v0 import _BY_TYPE, _COMMON, _TYPES
from zoo.errors import NetError

PAIRS = [
    "batchnorm_old_params",
    "input_dim",
    "input_shape",
    "v0_alexnet_block",
    "v0_data",
    "v0_lenet",
    "v0_padding_layer",
    "v1_all_types_even",
    "v1_data_transform",
    "v1_decay_only",
    "v1_hdf5",
    "v1_image_data_transform",
    "v1_many_params",
    "v1_rates_and_shares",
]


def parse(text):
    return text_format.Parse(text, NetParameter())


def only_layer(text):
    """The single layer that a definition upgrades to, and the notes."""
    upgraded, notes = upgrade(parse(text))
    (layer,) = upgraded.layer
    return layer, notes


@pytest.mark.parametrize("name", PAIRS)
def test_upgrade_equals_what_caffe_makes_of_it(shared, name):
    folder = shared / "golden/upgrade"
    before = parse((folder / f"{name}.in.prototxt").read_text())
    bytes_before = before.SerializeToString(deterministic=True)
    upgraded, notes = upgrade(before)
    assert upgraded == parse((folder / f"{name}.out.prototxt").read_text())
    assert notes
    assert before.SerializeToString(deterministic=True) == bytes_before


def test_every_golden_pair_is_tested(shared):
    found = {path.name.split(".")[0] for path in (shared / "golden/upgrade").glob("*.prototxt")}
    assert found == set(PAIRS)


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_legacy_definitions_equal_their_upgraded_text(shared, version):
    folder = shared / "golden/formats"
    upgraded, _ = upgrade(parse((folder / f"legacy_{version}.prototxt").read_text()))
    expected = parse((folder / f"expected/legacy_{version}_upgraded.prototxt").read_text())
    assert upgraded == expected


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_weights_of_legacy_files_come_along(shared, version):
    content = (shared / f"golden/formats/legacy_{version}.caffemodel").read_bytes()
    before = NetParameter.FromString(content)
    old = {
        (layer.layer.name or layer.name): list(layer.layer.blobs) or list(layer.blobs)
        for layer in before.layers
    }
    after = {layer.name: list(layer.blobs) for layer in upgrade(before)[0].layer}
    assert [len(blob.data) for name in ("conv1", "fc") for blob in after[name]] == [108, 4, 320, 5]
    assert after["conv1"] == old["conv1"]
    assert after["fc"] == old["fc"]


def test_a_current_definition_comes_back_equal_but_not_the_same():
    before = parse('name: "n" layer { name: "r" type: "ReLU" bottom: "a" top: "a" }')
    after, notes = upgrade(before)
    assert (after, notes) == (before, [])
    after.layer[0].name = "changed"
    assert before.layer[0].name == "r"


def test_upgrading_twice_changes_nothing_more(shared):
    for name in PAIRS:
        once, _ = upgrade(parse((shared / f"golden/upgrade/{name}.in.prototxt").read_text()))
        assert upgrade(once) == (once, [])


def test_every_v1_type_is_known():
    assert set(_V1_TYPES) == set(V1LayerParameter.LayerType.values()) - {V1LayerParameter.NONE}
    assert len(set(_V1_TYPES.values())) == len(_V1_TYPES)


def test_every_v1_field_has_a_place_in_the_current_format():
    current = {field.name for field in LayerParameter.DESCRIPTOR.fields}
    old = {field.name for field in V1LayerParameter.DESCRIPTOR.fields}
    assert old - current == {"layer", "blob_share_mode", "blobs_lr", "weight_decay"}


def test_every_v0_place_exists_in_a_v1_layer():
    assert set(_BY_TYPE) <= set(_TYPES)
    for place in [*_COMMON.values(), *(p for table in _BY_TYPE.values() for p in table.values())]:
        message = V1LayerParameter.DESCRIPTOR
        for name in place.split("."):
            field = message.fields_by_name[name]
            message = field.message_type


@pytest.mark.parametrize("kind", sorted(_TYPES))
def test_every_v0_type_becomes_a_current_type(kind):
    layer, _ = only_layer(f'layers {{ layer {{ name: "x" type: "{kind}" }} top: "t" }}')
    assert layer.type
    assert (layer.name, list(layer.top)) == ("x", ["t"])


def test_v0_window_data_keeps_its_thresholds():
    layer, notes = only_layer(
        'layers { layer { name: "w" type: "window_data" source: "s" batchsize: 4 cropsize: 227'
        " det_fg_threshold: 0.6 det_bg_threshold: 0.4 det_fg_fraction: 0.3 det_context_pad: 16"
        ' det_crop_mode: "square" } top: "data" }'
    )
    window = layer.window_data_param
    assert (window.source, window.batch_size, window.context_pad) == ("s", 4, 16)
    assert [window.fg_threshold, window.bg_threshold, window.fg_fraction] == pytest.approx(
        [0.6, 0.4, 0.3]
    )
    assert (window.crop_mode, layer.transform_param.crop_size) == ("square", 227)
    assert not any("left out" in note for note in notes)


def test_v0_field_that_means_nothing_to_its_type_is_reported():
    layer, notes = only_layer('layers { layer { name: "r" type: "relu" kernelsize: 3 } top: "r" }')
    assert layer == LayerParameter(name="r", type="ReLU", top=["r"])
    assert any("'r'" in note and "kernelsize" in note and "left out" in note for note in notes)


def test_unknown_v0_type_names_the_layer_and_the_nearest_type():
    with pytest.raises(NetError, match="'innerprodct'.*Did you mean innerproduct") as error:
        upgrade(parse('layers { layer { name: "fc" type: "innerprodct" } }'))
    assert error.value.layer == "fc"


def test_v0_layer_without_type_is_an_error_that_names_it():
    with pytest.raises(NetError) as error:
        upgrade(parse('layers { layer { name: "what" } }'))
    assert error.value.layer == "what"


def test_one_v0_padding_layer_can_feed_two_readers():
    upgraded, notes = upgrade(
        parse(
            """
            layers { layer { name: "relu" type: "relu" } top: "a" }
            layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "a" top: "padded" }
            layers { layer { name: "c1" type: "conv" } bottom: "padded" top: "c1" }
            layers { layer { name: "c2" type: "conv" pad: 7 } bottom: "padded" top: "c2" }
            """
        )
    )
    convolutions = upgraded.layer[1:]
    assert [list(layer.bottom) for layer in convolutions] == [["a"], ["a"]]
    assert [list(layer.convolution_param.pad) for layer in convolutions] == [[2], [2]]
    assert sum("padding" in note for note in notes) == 2


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ('layers { layer { name: "r" type: "relu" } bottom: "p" top: "r" }', "r"),
        ('layers { layer { name: "c" type: "conv" } bottom: "p" bottom: "x" top: "r" }', "c"),
        ('layers { layer { name: "q" type: "padding" } bottom: "p" top: "q" }', "q"),
    ],
)
def test_padding_that_cannot_be_folded_is_an_error_that_names_the_reader(text, layer):
    pad = 'layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "x" top: "p" }'
    with pytest.raises(NetError) as error:
        upgrade(parse(f'input: "x" input_dim: [1, 3, 4, 4] {pad} {text}'))
    assert error.value.layer == layer


def test_a_net_with_old_and_new_layers_is_refused_in_words():
    with pytest.raises(NetError, match=r"1 `layer` .* and 2 `layers`"):
        upgrade(parse('layer { name: "a" } layers { name: "b" } layers { name: "c" }'))


@pytest.mark.parametrize("written", ["", "type: NONE"])
def test_v1_layer_without_type_is_an_error_that_names_it(written):
    with pytest.raises(NetError, match="no type") as error:
        upgrade(parse(f'layers {{ name: "what" {written} }}'))
    assert error.value.layer == "what"


def test_params_named_without_rates_get_as_many_specs_as_are_needed():
    layer, _ = only_layer(
        'layers { name: "ip" type: INNER_PRODUCT param: "w" blobs_lr: [1, 2, 3] weight_decay: 0 }'
    )
    expected = text_format.Parse(
        'param { name: "w" lr_mult: 1 decay_mult: 0 } param { lr_mult: 2 } param { lr_mult: 3 }',
        LayerParameter(),
    )
    assert list(layer.param) == list(expected.param)


def test_transform_fields_stay_where_a_layer_is_no_data_layer():
    text = 'layers { name: "r" type: RELU data_param { scale: 2 } }'
    layer, _ = only_layer(text)
    assert layer.data_param.scale == 2
    assert not layer.HasField("transform_param")


def test_window_data_and_the_written_transform_are_merged():
    layer, notes = only_layer(
        'layers { name: "w" type: WINDOW_DATA transform_param { mean_value: 9 }'
        " window_data_param { crop_size: 7 fg_threshold: 0.25 } }"
    )
    assert (layer.transform_param.crop_size, list(layer.transform_param.mean_value)) == (7, [9])
    assert not layer.window_data_param.HasField("crop_size")
    assert layer.window_data_param.fg_threshold == 0.25
    assert any("crop_size" in note and "'w'" in note for note in notes)


def test_state_and_other_fields_of_the_net_are_kept():
    text = 'name: "n" force_backward: true state { phase: TRAIN stage: "s" } '
    upgraded, _ = upgrade(parse(text + 'layers { layer { name: "r" type: "relu" } }'))
    expected = parse(text + 'layer { name: "r" type: "ReLU" }')
    assert upgraded == expected


def test_inputs_in_front_of_layers_and_input_fields_cleared():
    upgraded, _ = upgrade(parse('input: "x" input_shape { dim: 5 } layer { name: "a" }'))
    assert [layer.name for layer in upgraded.layer] == ["input", "a"]
    assert not upgraded.input
    assert not upgraded.input_shape
    assert list(upgraded.layer[0].input_param.shape[0].dim) == [5]


def test_shapes_win_over_dims_as_in_caffe():
    upgraded, _ = upgrade(parse('input: "x" input_shape { dim: 5 } input_dim: [1, 2, 3, 4]'))
    assert [list(shape.dim) for shape in upgraded.layer[0].input_param.shape] == [[5]]


@pytest.mark.parametrize(
    "text",
    [
        'input: "x" input_dim: 1 input_dim: 3 input_dim: 9',
        'input: "x" input: "y" input_dim: [1, 2, 3, 4]',
        'input: "x" input: "y" input_shape { dim: 1 }',
    ],
)
def test_dimensions_that_do_not_fit_the_inputs_are_an_error(text):
    with pytest.raises(NetError, match=r"expected .* for each of \['x'.*received"):
        upgrade(parse(text))


def test_input_without_shape_waits_for_one_in_a_definition():
    upgraded, notes = upgrade(parse('input: "x" layer { name: "r" type: "ReLU" bottom: "x" }'))
    assert upgraded.layer[0] == LayerParameter(name="input", type="Input", top=["x"])
    assert notes


def test_input_without_shape_is_dropped_from_weights_as_caffe_does():
    upgraded, notes = upgrade(parse('input: "x" layer { name: "c" blobs { data: 1 } }'))
    assert [layer.name for layer in upgraded.layer] == ["c"]
    assert not upgraded.input
    assert "'x'" in notes[0]


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_batch_norm_with_other_than_three_params_is_left_alone(count):
    before = parse(
        f'layer {{ name: "bn" type: "BatchNorm" {"param { lr_mult: 1 } " * count} }}'
        'layer { name: "s" type: "Scale" param {} param {} param {} }'
    )
    assert upgrade(before) == (before, [])


def test_batch_norm_with_stopped_rates_is_not_reported():
    stopped = "param { lr_mult: 0 decay_mult: 0 } " * 3
    before = parse(f'layer {{ name: "bn" type: "BatchNorm" {stopped} }}')
    assert upgrade(before) == (before, [])


def test_the_ceil_mode_of_forks_becomes_round_mode():
    before = parse(
        'layer { name: "a" type: "Pooling" pooling_param { kernel_size: 3 ceil_mode: false } }'
        'layer { name: "b" type: "Pooling" pooling_param { kernel_size: 3 ceil_mode: true } }'
        'layer { name: "c" type: "Pooling" pooling_param { kernel_size: 3 } }'
    )
    after, notes = upgrade(before)
    params = [layer.pooling_param for layer in after.layer]
    assert [param.RoundMode.Name(param.round_mode) for param in params] == ["FLOOR", "CEIL", "CEIL"]
    assert not any(param.HasField("ceil_mode") for param in params)
    assert notes == ["ceil_mode of 2 Pooling layer(s) became round_mode."]
