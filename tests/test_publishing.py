"""What is checked before a model is published, and what becomes of its readme."""

import hashlib
import re

import numpy as np
import pytest
from publishable import FROM_LENET, SHA1, WEIGHTS, fill_in, flaws_of, write_digits

import zoo
from zoo.errors import UsageError
from zoo.publishing import publish
from zoo.registry.card import Card


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "published"


def test_what_can_be_computed_is_written_on_its_own_lines(digits, place):
    before = (digits / "readme.md").read_text().splitlines()
    published = publish(digits, str(place))
    assert published.written == {
        "caffemodel": "my_digits.caffemodel",
        "sha1": SHA1,
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "size_bytes": str(len(WEIGHTS)),
    }
    after = (digits / "readme.md").read_text().splitlines()
    added = [line for line in after if line not in before]
    assert added == [f"{key}: {value}" for key, value in published.written.items()]
    assert [line for line in after if line not in added] == before
    assert (place / "my_digits/readme.md").read_bytes() == (digits / "readme.md").read_bytes()


def test_a_dry_run_checks_everything_and_writes_nothing(digits, place):
    before = (digits / "readme.md").read_bytes()
    published = publish(digits, str(place), dry_run=True)
    sizes = dict(published.files)
    assert sizes["my_digits.caffemodel"] == len(WEIGHTS)
    assert sizes.keys() == {
        "deploy.prototxt",
        "labels.txt",
        "my_digits.caffemodel",
        "readme.md",
    }
    assert published.written["sha1"] == SHA1
    assert published.command == ""
    assert not place.exists()
    assert (digits / "readme.md").read_bytes() == before
    fill_in(digits, license=None)
    assert flaws_of(digits, place, dry_run=True)


def test_everything_that_is_wrong_is_told_at_once_with_its_line(digits, place):
    fill_in(digits, license="do what you like", sha1="0" * 40, caffemodel="my_digits.caffemodel")
    text = (digits / "readme.md").read_text()
    (digits / "readme.md").write_text(text.replace("title = {Digits again},", "title = {Digits,"))
    (digits / "labels.txt").write_text("zero\none\n")
    (digits / "notes.log").write_text("x")
    lines = (digits / "readme.md").read_text().splitlines()
    found = flaws_of(digits, place)
    assert len(found) == 5
    for words, line in (
        ("license: 'do what you like' is no SPDX id", "license: "),
        (f"sha1: {'0' * 40}, but the weights have {SHA1}", "sha1: "),
        ("citation", "@misc"),
    ):
        [flaw] = [each for each in found if words in each]
        number = next(n for n, text in enumerate(lines, 1) if text.startswith(line))
        assert flaw.startswith(f"readme.md:{number}: ")
    assert any(flaw.startswith("notes.log: not a file of the model") for flaw in found)
    assert any(flaw.startswith("labels.txt: 2 labels, but the network has 5") for flaw in found)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": None}, "there is no 'name'"),
        ({"license": None}, "license: missing"),
        ({"license": "unknown"}, "license: missing"),
        ({"license": "unrestricted"}, "write LicenseRef-unrestricted"),
        ({"sha256": "1" * 64}, "sha256: 1111"),
        ({"sha1": "none"}, "'sha1' is no hash"),
        ({"size_bytes": "17"}, "size_bytes: 17, but the weights have 81382"),
        ({"input": None}, "input: missing.*size: .28, 28., channels: GRAY"),
        ({"input": {"size": [28]}}, "expected .height, width."),
        ({"input": {"size": [28, 28], "channels": "BGR"}}, "BGR are 3, but the network reads 1"),
        ({"input": {"size": [32, 32], "channels": "GRAY"}}, r"\[32, 32\], but the network reads"),
        ({"labels": "names.txt"}, "labels: names.txt is not there"),
        ({"caffemodel": "other.caffemodel"}, "weights are not beside the readme"),
        ({"prototxt": "other.prototxt"}, "'other.prototxt' is not there"),
        ({"mean_file": "/home/me/mean.binaryproto"}, "a path that only your machine has"),
        ({"body": "\nTrained with ~/caffe/build/tools/caffe.\n"}, "a path that only your machine"),
        (
            {"body": "\nIt was fine-tuned from VGG.\n", "derived_from": None},
            "derived_from: missing",
        ),
        ({"derived_from": "lenet_digits"}, f"expected {FROM_LENET}"),
        ({"derived_from": f"lenet_digits@sha1:{'0' * 40}"}, f"have sha1 {SHA1}, not 0000"),
        ({"derived_from": "nobody@sha1:01234567"}, "nothing is known of nobody here"),
        ({"derived_from": "../x@sha1:01234567"}, "derived_from: .*no such folder"),
        (
            {"derived_from": FROM_LENET, "derived_from_license": "MIT"},
            "the card of lenet_digits says Apache-2.0",
        ),
        ({"derived_from": FROM_LENET, "derived_from_license": ["MIT", "MIT"]}, "names 1 model"),
    ],
)
def test_a_flaw_of_the_card_is_found(digits, place, values, words):
    fill_in(digits, **values)
    found = flaws_of(digits, place)
    assert any(re.search(words, flaw) for flaw in found), found


def test_channels_and_size_of_the_input_are_told_together(digits, place):
    fill_in(digits, input={"size": [32, 32], "channels": "BGR"})
    found = " ".join(flaws_of(digits, place))
    assert "BGR are 3" in found
    assert "size: [32, 32], but the network reads [28, 28]" in found


@pytest.mark.parametrize("license", ["LicenseRef-my-terms", "my terms", "MIT", "bsd 2-clause"])
def test_licences_that_say_what_they_are_pass(digits, place, license):
    url = "https://example.org/terms" if license == "my terms" else None
    fill_in(digits, license=license, license_url=url)
    assert publish(digits, str(place), dry_run=True)


def test_weights_of_another_network_are_refused(digits, place):
    definition = (digits / "deploy.prototxt").read_text()
    (digits / "deploy.prototxt").write_text(definition.replace("num_output: 64", "num_output: 32"))
    found = flaws_of(digits, place)
    assert any("my_digits.caffemodel: " in flaw and "ip1" in flaw for flaw in found)


def test_half_a_file_of_weights_is_refused(digits, place):
    (digits / "my_digits.caffemodel").write_bytes(WEIGHTS[:5000])
    assert any("my_digits.caffemodel" in flaw for flaw in flaws_of(digits, place))


def test_a_definition_that_cannot_be_read_is_told_with_its_line(digits, place):
    path = digits / "deploy.prototxt"
    path.write_text(path.read_text() + "layer {\n")
    number = len(path.read_text().splitlines())
    found = flaws_of(digits, place)
    assert any(re.match(rf"deploy.prototxt:{number}", flaw) for flaw in found), found


def test_paths_in_definitions_are_found_and_names_of_layers_are_none(digits, place):
    (digits / "train_val.prototxt").write_text(
        'name: "/net"\n'
        'layer { name: "data" type: "Data" top: "data"\n'
        "  data_param {\n"
        '    source: "/data/mnist_lmdb"\n'
        "    batch_size: 1 } }\n"
    )
    found = [flaw for flaw in flaws_of(digits, place) if "train_val" in flaw]
    assert found == [
        'train_val.prototxt:4: a path that only your machine has: source: "/data/mnist_lmdb".'
        " Leave it out, or name the file alone."
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_digits_iter_10.solverstate", "not a file of the model"),
        ("picture.png", "not a file of the model"),
        ("second.caffemodel", "names no caffemodel, and there are 2"),
        ("nul.txt", "a name that not every system can have"),
    ],
)
def test_files_that_are_none_of_the_models_are_told(digits, place, name, words):
    (digits / name).write_bytes(b"x")
    assert any(words in flaw for flaw in flaws_of(digits, place))


def test_folders_and_links_that_lead_out_are_told(digits, place, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (digits / "notes.txt").symlink_to(tmp_path / "secret.txt")
    (digits / "gone.txt").symlink_to("nothing")
    (digits / "logs").mkdir()
    found = " ".join(flaws_of(digits, place))
    for words in ("leads out of the model's", "a link to a file that is not", "a folder; a model"):
        assert words in found


def test_hidden_files_and_the_record_of_the_cache_stay_at_home(digits, place):
    for name in (".env", ".DS_Store", "zoo.json"):
        (digits / name).write_text("TOKEN=1")
    publish(digits, str(place))
    assert sorted(path.name for path in (place / "my_digits").iterdir()) == [
        "deploy.prototxt",
        "labels.txt",
        "my_digits.caffemodel",
        "readme.md",
    ]


def test_hashes_of_other_weights_are_replaced_only_when_asked(digits, place):
    fill_in(digits, sha1="0" * 40, sha256="1" * 64, size_bytes="5")
    assert len(flaws_of(digits, place)) == 3
    published = publish(digits, str(place), rehash=True)
    assert published.written["sha1"] == SHA1
    assert Card.read(digits / "readme.md").size_bytes == len(WEIGHTS)


def test_a_readme_of_several_models_is_refused(digits, place):
    block = "---\nname: {}\ncaffemodel: {}.caffemodel\nlicense: MIT\n---\n"
    (digits / "readme.md").write_text(
        block.format("One", "one") + "\n" + block.format("Two", "two")
    )
    assert any("describes several models (One, Two)" in flaw for flaw in flaws_of(digits, place))


def test_a_fully_convolutional_network_takes_pictures_of_other_sizes(tmp_path, place):
    directory = write_digits(tmp_path)
    (directory / "deploy.prototxt").write_text(
        'name: "fcn"\ninput: "data"\ninput_shape { dim: 1 dim: 1 dim: 28 dim: 28 }\n'
        'layer { name: "score" type: "Convolution" bottom: "data" top: "score"\n'
        "  convolution_param { num_output: 5 kernel_size: 3 pad: 1 } }\n"
    )
    zoo.Net.read(directory / "deploy.prototxt").initialized().save(
        weights=directory / "my_digits.caffemodel"
    )
    fill_in(directory, input={"size": [64, 48], "channels": "GRAY"}, task="segmentation")
    assert publish(directory, str(place), dry_run=True)
    (directory / "labels.txt").write_text("a\nb\n")
    assert "2 labels, but the network has 5" in " ".join(flaws_of(directory, place))


def test_a_directory_without_a_readme_is_no_model(tmp_path, place):
    with pytest.raises(UsageError, match=r"no readme\.md.*`zoo new"):
        publish(tmp_path, str(place))
    with pytest.raises(UsageError, match="no such folder"):
        publish(tmp_path / "nothing", str(place))


def test_a_fine_tuned_model_of_another_number_of_classes_is_published(tmp_path, place):
    """As a user would: another last layer, the labels of the new classes."""
    directory = write_digits(tmp_path, "letters")
    definition = (directory / "deploy.prototxt").read_text()
    (directory / "deploy.prototxt").write_text(
        definition.replace("num_output: 5", "num_output: 3").replace('"ip2"', '"letters"')
    )
    net = zoo.Net.read(directory / "deploy.prototxt").initialized(seed=1)
    lenet = zoo.load("lenet_digits").net
    net = net.with_params({name: lenet.params[name] for name in ("conv1", "conv2", "ip1")})
    net.save(weights=directory / "my_digits.caffemodel")
    (directory / "labels.txt").write_text("a\nb\nc\n")
    fill_in(directory, derived_from=FROM_LENET)
    publish(directory, str(place))
    loaded = zoo.load("letters", [str(place)])
    assert loaded.labels == ["a", "b", "c"]
    assert np.array_equal(loaded.net.params["conv1"][0], lenet.params["conv1"][0])
