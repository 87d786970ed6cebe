"""Weights from another net: by name, by shape, by a mapping, and parts of them on request."""

import numpy as np
import pytest
from surgery_check import check_counts, reread
from surgery_nets import conv, data, layer, net_of, product

import zoo
from zoo.errors import ParseError, UsageError, WeightsError
from zoo.surgery.cast import fully_convolutional
from zoo.surgery.graft import graft


def plain(classes=5, end="fc8", channels=3, first=4, prefix="", seed=3):
    return net_of(
        data(f"1 {channels} 8 8")
        + conv(f"{prefix}conv1", "data", first)
        + layer("ReLU", "relu1", f"{prefix}conv1", top=f"{prefix}conv1")
        + conv(f"{prefix}conv2", f"{prefix}conv1", 6)
        + product(f"{prefix}{end}", f"{prefix}conv2", classes),
        seed,
    )


def same(net, layer, donor, other):
    return all(
        np.array_equal(one, two)
        for one, two in zip(net.params[layer], donor.params[other], strict=True)
    )


def test_layers_of_the_same_name_are_copied_and_the_rest_is_told(tmp_path):
    net, donor = plain(7, "fc8_style"), plain(seed=9)
    grafted, report = graft(net, donor)
    assert report.copied == {"conv1": "conv1", "conv2": "conv2"}
    assert (report.left, report.unused) == (("fc8_style",), ("fc8",))
    assert same(grafted, "conv1", donor, "conv1")
    assert same(grafted, "fc8_style", net, "fc8_style")
    assert not same(net, "conv1", donor, "conv1")
    check_counts(net, grafted, report)
    assert [each.origin for each in report.of("moved")] == ["the donor:conv1"] * 2 + [
        "the donor:conv2"
    ] * 2
    assert {each.layer for each in report.of("dropped")} == {"conv1", "conv2"}
    assert "copied: conv1, conv2\n  left as they were: fc8_style" in str(report)
    assert report.to_dict()["left"] == ["fc8_style"]
    assert same(reread(grafted, tmp_path), "conv2", donor, "conv2")


def test_a_net_without_weights_loses_none():
    net = zoo.Net(plain().definition)
    grafted, report = graft(net, plain(seed=9))
    assert not report.of("dropped")
    check_counts(net, grafted, report)


def test_layers_of_the_same_shape_go_together_in_order():
    donor = net_of(
        data("1 3 8 8")
        + conv("stem", "data", 4)
        + conv("extra", "stem", 4)
        + conv("body", "extra", 6, "kernel_size: 3 pad: 1")
        + conv("twin", "body", 6, "kernel_size: 3 pad: 1"),
        9,
    )
    net = net_of(
        data("1 3 8 8")
        + conv("a", "data", 4)
        + conv("b", "a", 6)
        + conv("c", "b", 6)
        + product("d", "c", 4)
    )
    grafted, report = graft(net, donor, match="shape")
    assert report.copied == {"a": "stem", "b": "body", "c": "twin"}
    assert report.unused == ("extra",)
    assert same(grafted, "c", donor, "twin")


RULES = {
    "globs": ({"vgg/conv*": "conv*"}, {"conv1": "vgg/conv1", "conv2": "vgg/conv2"}),
    "the first rule counts": (
        {"vgg/conv2": None, "vgg/*": "*"},
        {"conv1": "vgg/conv1", "fc8": "vgg/fc8"},
    ),
    "single signs": ({"vgg/conv?": "conv?"}, {"conv1": "vgg/conv1", "conv2": "vgg/conv2"}),
}


@pytest.mark.parametrize(("rules", "copied"), RULES.values(), ids=RULES)
def test_rules_with_globs_lead_from_the_donor_to_the_net(rules, copied):
    net, donor = plain(), plain(prefix="vgg/", seed=9)
    grafted, report = graft(net, donor, match=rules)
    assert report.copied == copied
    assert all(same(grafted, new, donor, old) for new, old in copied.items())


def test_two_stars_stand_for_two_parts():
    donor = net_of(data("1 3 8 8") + conv("a1_b2", "data", 4), 9)
    net = net_of(data("1 3 8 8") + conv("x1-y2", "data", 4))
    _, report = graft(net, donor, match={"a*_b*": "x*-y*"})
    assert report.copied == {"x1-y2": "a1_b2"}


def test_a_mapping_can_stand_in_a_file(tmp_path):
    path = tmp_path / "names.yaml"
    path.write_text("vgg/conv*: conv*\nvgg/fc8:\n")
    _, report = graft(plain(), plain(prefix="vgg/"), match=str(path))
    assert report.copied == {"conv1": "vgg/conv1", "conv2": "vgg/conv2"}
    path.write_text("- conv1\n")
    with pytest.raises(ParseError, match=r"names.yaml.*expected lines"):
        graft(plain(), plain(), match=str(path))
    path.write_text("a: [")
    with pytest.raises(ParseError, match="no YAML"):
        graft(plain(), plain(), match=str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        graft(plain(), plain(), match=str(tmp_path / "gone.yaml"))


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("nmae", "Did you mean name"),
        ({"conv3": "conv1"}, "no layer of the donor.*'conv3'.*Did you mean conv"),
        ({"conv1": "covn1"}, "leads from 'conv1' of the donor to 'covn1'.*Did you mean conv1"),
        ({"conv?": "conv1"}, "both lead to 'conv1'"),
        ({"*": "*", "conv1": "conv1"}, "an earlier rule took it"),
    ],
)
def test_rules_that_lead_nowhere_are_refused(match, message):
    with pytest.raises(UsageError, match=message):
        graft(plain(), plain(seed=9), match=match)


def test_nothing_that_goes_together_is_never_silent():
    with pytest.raises(WeightsError, match="not one layer of the donor.*x/conv1.*against conv1"):
        graft(plain(), plain(prefix="x/"))
    assert WeightsError.exit_code == 2
    with pytest.raises(UsageError, match="has no weights"):
        graft(plain(), zoo.Net(plain().definition))


MISFITS = {
    "new head": (plain(7), plain(5), "fc8 needs .*only the number of outputs.*replace_head"),
    "castable": (
        plain(),
        fully_convolutional(plain(), names={"fc8": "fc8"})[0],
        "fc8 needs .*counts agree.*fully_convolutional",
    ),
    "wrong file": (plain(), plain(first=8), "conv1 needs .*weights of another network"),
    "not the last layer": (plain(first=8), plain(), "conv1 needs .*weights of another network"),
    "no bias": (
        plain(),
        net_of(data("1 3 8 8") + conv("conv1", "data", 4, "kernel_size: 3 bias_term: false")),
        "conv1 needs .*weights of another network",
    ),
}


@pytest.mark.parametrize(("net", "donor", "message"), MISFITS.values(), ids=MISFITS)
def test_a_misfit_is_one_of_three_things(net, donor, message):
    with pytest.raises(WeightsError, match=message) as caught:
        graft(net, donor)
    assert "leave a layer out" in str(caught.value)


def test_parts_are_copied_only_on_request():
    small, large = plain(4, first=4), plain(8, first=8, seed=9)
    sliced, report = graft(small, large, partial="slice")
    assert report.fitted == ("conv1", "conv2", "fc8")
    np.testing.assert_array_equal(sliced.params["conv1"][0], large.params["conv1"][0][:4])
    np.testing.assert_array_equal(sliced.params["conv2"][0], large.params["conv2"][0][:, :4])
    check_counts(small, sliced, report)
    assert [each.old_shape for each in report.of("reshaped")][0] == (8, 3, 3, 3)
    padded, _ = graft(large, small, partial="pad")
    np.testing.assert_array_equal(padded.params["fc8"][0][:4], small.params["fc8"][0])
    assert not padded.params["fc8"][0][4:].any()
    tiled, _ = graft(large, small, partial="tile")
    np.testing.assert_array_equal(tiled.params["fc8"][1], np.tile(small.params["fc8"][1], 2))
    mean, _ = graft(small, large, partial="average")
    pairs = large.params["conv1"][0].reshape(4, 2, 3, 3, 3).mean(axis=1)
    np.testing.assert_allclose(mean.params["conv1"][0], pairs, rtol=1e-6)


def test_grey_pictures_get_the_mean_of_three_colours():
    grey, colour = plain(channels=1), plain(seed=9)
    grafted, _ = graft(grey, colour, partial="average")
    expected = colour.params["conv1"][0].mean(axis=1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(grafted.params["conv1"][0], expected, rtol=1e-6)


@pytest.mark.parametrize("way", ["pad", "tile"])
def test_a_way_that_does_not_lead_there_is_refused(way):
    with pytest.raises(WeightsError, match=f"as '{way}' makes them fit"):
        graft(plain(4), plain(8), partial=way)
    with pytest.raises(WeightsError, match="'average' makes"):
        graft(plain(3), plain(8), partial="average")
    with pytest.raises(UsageError, match="Did you mean tile"):
        graft(plain(4), plain(8), partial="tyle")


def test_what_layers_share_can_come_from_one_layer_only():
    def twin(name, seed):
        text = data("1 3 8 8") + conv("one", "data", 4) + conv("two", "data", 4)
        return net_of(
            text.replace("convolution_param", f'param {{ name: "{name}" }} convolution_param')
            if name
            else text,
            seed,
        )

    with pytest.raises(WeightsError, match="'two' is shared with 'one'"):
        graft(twin("w", 1), twin("", 2))
    grafted, _ = graft(twin("w", 1), twin("", 2), match={"one": "one"})
    np.testing.assert_array_equal(grafted.params["two"][0], grafted.params["one"][0])
