"""The input section of a card: what it may say, and what is refused."""

import pytest
import yaml

from zoo.errors import CardError
from zoo.input_spec import InputSpec

SQUEEZENET = """
size: [227, 227]
channels: BGR
mean: [104, 117, 123]
resize: 256
labels: synset_words.txt
"""


def read(text: str) -> InputSpec:
    return InputSpec.from_mapping(yaml.safe_load(text), "net/readme.md")


def test_the_section_of_a_card_becomes_a_spec():
    assert read(SQUEEZENET) == InputSpec(
        size=(227, 227),
        channels="BGR",
        mean=(104.0, 117.0, 123.0),
        scale=1.0,
        resize=(256, 256),
        labels="synset_words.txt",
    )


def test_one_number_counts_for_both_sides_and_all_channels():
    spec = read("{size: 28, channels: rgb, mean: 127.5, scale: 1e-2}")
    assert (spec.size, spec.channels, spec.mean) == ((28, 28), "RGB", (127.5, 127.5, 127.5))
    assert spec.scale == 0.01


def test_channel_order_is_another_name_of_channels():
    assert read("{size: 28, channel_order: GRAY, mean: 0}").channels == "GRAY"


def test_what_is_not_stated_is_as_in_caffe():
    spec = read("{size: 28}")
    assert (spec.channels, spec.mean, spec.scale, spec.resize) == ("BGR", (0, 0, 0), 1, None)


def test_crop_is_another_name_of_size_and_remarks_change_nothing():
    plain = read("{size: 227, resize: 256}")
    assert read("{crop: 227, resize: 256, pixel_range: 0..255, note: x}") == plain
    assert read("{crop: 227, size: 227, resize: 256}") == plain


@pytest.mark.parametrize(
    "text", [SQUEEZENET, "{size: [20, 30], channels: GRAY, mean: 33.5, scale: 0.00390625}"]
)
def test_writing_and_reading_give_the_same_spec(text):
    spec = read(text)
    assert InputSpec.from_mapping(yaml.safe_load(yaml.safe_dump(spec.to_mapping())), "x") == spec


def test_a_spec_is_hashable_and_equal_however_it_was_made():
    made = InputSpec([227, 227], mean=[104, 117, 123])  # type: ignore[arg-type]
    assert {made: 1}[InputSpec((227, 227), "BGR", (104.0, 117.0, 123.0))] == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("null", "expected fields such as"),
        ("[1, 2]", "expected fields such as"),
        ("{channels: BGR, mean: 0}", "field 'size' is missing"),
        ("{size: null}", "field 'size' is missing"),
        ("{size: big, channels: BGR, mean: 0}", "field 'size'.*received 'big'"),
        ("{size: [3, 227, 227], channels: BGR, mean: 0}", "field 'size'"),
        ("{size: true, channels: BGR, mean: 0}", "field 'size'"),
        ("{size: 0, channels: BGR, mean: 0}", "field 'size'"),
        ("{size: 1000000, channels: BGR, mean: 0}", "field 'size'"),
        ("{size: 227, channels: RBG, mean: 0}", "field 'channels'.*BGR or RGB or GRAY"),
        ("{size: 227, channels: BGR, mean: [1, 2]}", "field 'mean': expected one number or 3"),
        ("{size: 28, channels: GRAY, mean: [1, 2, 3]}", "field 'mean'"),
        ("{size: 227, channels: BGR, mean: mean.binaryproto}", "field 'mean': expected a number"),
        ("{size: 227, channels: BGR, mean: .nan}", "field 'mean'"),
        ("{size: 227, channels: BGR, mean: 0, scale: 0}", "field 'scale'"),
        ("{size: 227, channels: BGR, mean: 0, scale: true}", "field 'scale'"),
        ("{size: 227, channels: BGR, mean: 0, resize: 224}", "field 'resize': expected at least"),
        ("{size: 227, channels: BGR, mean: 0, labels: [a]}", "field 'labels'"),
        (
            "{size: 227, channels: BGR, mean: 0, scales: 1}",
            "'scales' is not known.*Did you mean scale",
        ),
        ("{size: 227, chanels: BGR, mean: 0}", "'chanels' is not known.*Did you mean channels"),
        ("{size: 227, std: [58, 57, 57]}", "'std' is not known"),
        ("{size: 256, crop: 227}", "'crop' says 227, but 'size' is stated as 256.*'resize'"),
        ("{channels: BGR, channel_order: RGB, size: 1}", "'channel_order' says 'RGB'"),
    ],
)
def test_a_wrong_section_is_refused_naming_card_and_field(text, words):
    with pytest.raises(CardError, match=f"^net/readme.md: input section: .*{words}"):
        read(text)
