"""Drawings show every layer and what joins them, with Graphviz and without, as files that stand
alone."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html import unescape

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from random_nets import random_nets

import zoo
from zoo.caffe.read import parse_definition
from zoo.errors import UnavailableError, UsageError
from zoo.surgery.report import surgery_report
from zoo.visual import draw, net_tree
from zoo.visual.changes import changes
from zoo.visual.graphviz import dot_text
from zoo.visual.layout import laid_out
from zoo.visual.scheme import scheme_of
from zoo.visual.svg import svg_text
from zoo.visual.tree import tree_text

HAS_DOT = shutil.which("dot") is not None
needs_dot = pytest.mark.skipif(not HAS_DOT, reason="graphviz not installed; Debian has the package")
FORK = """\
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "stem" type: "Convolution" bottom: "data" top: "stem"
  param { lr_mult: 0 } param { lr_mult: 0 } convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "relu" type: "ReLU" bottom: "stem" top: "stem" }
layer { name: "one" type: "Pooling" bottom: "stem" top: "one"
  pooling_param { pool: AVE kernel_size: 3 stride: 1 pad: 1 } }
layer { name: "two" type: "Convolution" bottom: "stem" top: "two"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 2 } }
layer { name: "more" type: "Mystery" bottom: "two" top: "more" }
layer { name: "sum" type: "Eltwise" bottom: "one" bottom: "stem" top: "sum" }
layer { name: "head" type: "InnerProduct" bottom: "sum" top: "head"
  param { lr_mult: 10 } param { lr_mult: 20 } inner_product_param { num_output: 2 } }
"""
FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def net_of(text):
    return zoo.Net(parse_definition(text))


def labels_of(dot):
    """What each box of a DOT text says, by its number: lines."""
    found = re.findall(r'^  n(\d+) \[label="((?:[^"\\]|\\.)*)"', dot, re.MULTILINE)
    return {int(number): unescape(label).split(r"\n") for number, label in found}


@pytest.fixture
def without_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_dot_has_every_layer_and_every_edge(shared):
    definition = shared / "prototxt/BVLC+caffe/models/bvlc_googlenet/deploy.prototxt"
    net = zoo.Net.read(definition)
    dot = dot_text(scheme_of(net))
    labels = labels_of(dot)
    in_place = {layer.name for layer in net.layers if layer.tops == layer.bottoms}
    assert [lines[0] for lines in labels.values()] == [
        layer.name for layer in net.layers if layer.name not in in_place
    ]
    numbers = {lines[0]: number for number, lines in labels.items()}
    expected, makers = set(), {}
    for layer in net.layers:
        if layer.name not in in_place:
            expected |= {(makers[blob], numbers[layer.name]) for blob in layer.bottoms}
            makers |= dict.fromkeys(layer.tops, numbers[layer.name])
    arrows = re.findall(r"^  n(\d+) -> n(\d+)", dot, re.MULTILINE)
    assert {(int(tail), int(head)) for tail, head in arrows} == expected
    assert len(arrows) == len(expected)


def test_boxes_have_window_shape_params_and_what_is_done_in_place():
    labels = labels_of(dot_text(scheme_of(net_of(FORK))))
    assert labels[1] == ["stem", "Convolution 1x1 + ReLU", "1x4x8x8", "16 params"]
    assert labels[2] == ["one", "Pooling AVE 3x3, pad 1", "1x4x8x8"]
    assert labels[3] == ["two", "Convolution 3x3, pad 1, group 2", "1x4x8x8", "76 params"]
    assert labels[4] == ["more", "Mystery", "?"]


def test_rates_and_unknown_types_have_colours_and_the_title_says_which():
    scheme = scheme_of(net_of(FORK))
    boxes = {box.name: box for box in scheme.boxes}
    assert [name for name, box in boxes.items() if box.frozen] == ["stem"]
    assert [name for name, box in boxes.items() if box.faster] == ["head"]
    assert [name for name, box in boxes.items() if box.unknown] == ["more"]
    assert (boxes["two"].rate, boxes["one"].rate) == (1, None)
    for text in (dot_text(scheme), svg_text(scheme)):
        assert text.count("#d0d0d0") == 1
        assert text.count("#ffd9a0") == 1
        assert "grey: frozen (lr_mult 0), orange: lr_mult above 1, dashed: of an unknown" in text


@pytest.mark.parametrize(
    ("path", "name", "members"),
    [
        (
            "BVLC+caffe/models/bvlc_googlenet/deploy.prototxt",
            "inception_3a",
            ["1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool", "pool_proj", "output"],
        ),
        (
            "KaimingHe+deep-residual-networks/prototxt/ResNet-50-deploy.prototxt",
            "res2a",
            ["branch1", "branch2a", "branch2b", "branch2c", ""],
        ),
    ],
)
def test_blocks_are_those_of_the_names(shared, path, name, members):
    scheme = scheme_of(zoo.Net.read(shared / "prototxt" / path))
    block = next(block for block in scheme.blocks if block.name == name)
    names = [re.split("[/_]", scheme.boxes[member].name) for member in block.members]
    assert ["_".join(words[1:] if words[0] != "inception" else words[2:]) for words in names] == (
        members
    )


def test_branches_without_telling_names_are_a_block():
    assert scheme_of(net_of(FORK)).blocks == ()  # "more" leaves for good
    text = FORK.replace('bottom: "one" bottom: "stem"', 'bottom: "one" bottom: "two"')
    text = re.sub(r'layer { name: "more".*\n', "", text)
    scheme = scheme_of(net_of(text))
    assert [block.name for block in scheme.blocks] == ["one to sum"]
    assert [scheme.boxes[each].name for each in scheme.blocks[0].members] == ["one", "two", "sum"]


def test_the_text_shows_branches_and_where_they_meet():
    lines = net_tree(net_of(FORK)).splitlines()
    rows = [line.split() for line in lines[2:]]
    starts = [line[:5].rstrip() for line in lines[2:]]
    assert starts == ["data", "stem", "+- tw", "|  mo", "one", "sum", "head"]
    assert rows[5][-3:] == ["from", "one,", "stem"]
    assert "unknown" in lines[5]
    assert "frozen" in lines[3]
    assert lines[-1].endswith("lr_mult 10")


def test_heads_beside_the_trunk_are_indented_and_the_trunk_is_not(shared):
    net = zoo.Net.read(
        shared / "prototxt/BVLC+caffe/models/bvlc_googlenet/train_val.prototxt",
        phase="train",
        shapes={"data": (2, 3, 224, 224), "label": (2,)},
    )
    lines = net_tree(net).splitlines()
    names = [
        line.split("  ")[0] if line[0] not in "|+" else line[3:].split("  ")[0] for line in lines
    ]
    outer = [line.split()[0] for line in lines[1:] if line[0] not in "|+"]
    assert [name for name in outer if "output" in name] == [
        f"inception_{name}/output"
        for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ]
    assert outer[-1] == "loss3/loss3"
    assert names.index("inception_4a/output") < names.index("loss1/loss")
    assert names.index("loss1/loss") < names.index("inception_4b/output")
    assert not any(line.startswith("|  +-") or line.startswith("|  |") for line in lines)


def test_labels_stand_where_they_are_read():
    net = net_of(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 3 } } }'
        'layer { name: "l" type: "Input" top: "l" input_param { shape { dim: 2 } } }'
        'layer { name: "ip" type: "InnerProduct" bottom: "d" top: "ip"'
        " inner_product_param { num_output: 2 } }"
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "l" top: "loss" }'
    )
    assert [line.split()[0] for line in net_tree(net).splitlines()[1:]] == ["d", "ip", "l", "loss"]


@FIXED
@given(random_nets())
def test_random_nets_are_drawn_with_every_layer_once(sample):
    net = sample.net
    scheme = scheme_of(net)
    names = [name for box in scheme.boxes for name in box.layers]
    assert sorted(names) == sorted(layer.name for layer in net.layers)
    rows = tree_text(scheme).splitlines()[len(scheme.title) :]
    told = [re.sub(r"^[|+\- ]*", "", row).split("  ")[0] for row in rows]
    assert sorted(told) == sorted(box.name for box in scheme.boxes)
    assert [lines[0] for lines in labels_of(dot_text(scheme)).values()] == [
        box.name for box in scheme.boxes
    ]
    titles = [
        each.text
        for each in ElementTree.fromstring(svg_text(scheme)).iter()
        if each.tag.endswith("title")
    ]
    assert titles == [", ".join(box.layers) for box in scheme.boxes]
    if HAS_DOT:
        done = subprocess.run(
            ["dot", "-Tplain"], input=dot_text(scheme), text=True, capture_output=True, check=True
        )
        drawn = done.stdout.splitlines()
        assert sum(line.startswith("node") for line in drawn) == len(scheme.boxes)
        assert sum(line.startswith("edge") for line in drawn) == len(scheme.arrows)


STRANGE = [
    'quo"te',
    "back\\slash\\N",
    "a&lt;b>",
    "]; evil [label=x",
    "new\nline",
    "nul\x00",
    "é\x7f",
]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("form", ["svg", "html"])
@pytest.mark.parametrize("path", [pytest.param("dot", marks=needs_dot), "own"])
def test_no_name_is_taken_as_markup(name, form, path, tmp_path, request):
    if path == "own":
        request.getfixturevalue("without_dot")
    net = net_of(FORK)
    net.definition.layer[3].name = name
    net = zoo.Net(net.definition)
    draw(net, tmp_path / f"net.{form}")
    text = (tmp_path / f"net.{form}").read_text()
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    shown = [each.text for each in svg.iter() if each.tag.endswith("text")]
    wanted = name.replace("\n", " ").replace("\x00", "?").replace("\x7f", "?")
    assert wanted in [text.replace("\xa0", " ") for text in shown]
    boxes = [each for each in svg.iter() if each.get("class") == "node"] or svg.findall(
        ".//{*}g/{*}title/.."
    )
    assert len(boxes) == 7


@pytest.mark.parametrize("path", [pytest.param("dot", marks=needs_dot), "own"])
@pytest.mark.parametrize("form", ["svg", "html"])
def test_a_drawing_needs_no_other_file(form, path, tmp_path, request):
    if path == "own":
        request.getfixturevalue("without_dot")
    assert draw(net_of(FORK), tmp_path / f"net.{form}") == {"dot": "graphviz", "own": "zoo"}[path]
    text = (tmp_path / f"net.{form}").read_text()
    addresses = set(re.findall(r"https?://[^\"' >]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "<script" not in text
    assert "<img" not in text


@needs_dot
def test_a_png_is_one(tmp_path):
    draw(net_of(FORK), tmp_path / "net.png")
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")


def test_without_graphviz_a_png_says_how_to_get_it_and_leaves_what_was_there(without_dot, tmp_path):
    (tmp_path / "net.png").write_text("mine")
    with pytest.raises(UnavailableError, match="apt-get install graphviz") as told:
        draw(net_of(FORK), tmp_path / "net.png")
    assert told.value.exit_code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["net.png"]
    assert (tmp_path / "net.png").read_text() == "mine"


def test_an_html_page_has_the_text_too(without_dot, tmp_path):
    draw(net_of(FORK), tmp_path / "net.html")
    page = (tmp_path / "net.html").read_text()
    assert unescape(re.search("<pre>(.*)</pre>", page, re.DOTALL)[1]) == net_tree(net_of(FORK))


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match="ends with .svg, .png or .html"):
        draw(net_of(FORK), tmp_path / "net.pdf")


def test_our_own_layout_keeps_boxes_and_arrows_apart(shared):
    net = zoo.Net.read(shared / "golden/nets/resnet50.prototxt")
    scheme = scheme_of(net)
    sizes = [(100.0 + 7 * (number % 5), 40.0) for number in range(len(scheme.boxes))]
    layout = laid_out(sizes, [(arrow.tail, arrow.head) for arrow in scheme.arrows])
    frames = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (x, y), (w, h) in zip(layout.centres, sizes, strict=True)
    ]
    for number, (left, top, right, bottom) in enumerate(frames):
        assert 0 <= left < right <= layout.width + 1e-6
        assert 0 <= top < bottom <= layout.height + 1e-6
        for other in frames[:number]:
            assert other[2] < left or right < other[0] or other[3] < top or bottom < other[1]
    for arrow, route in zip(scheme.arrows, layout.routes, strict=True):
        assert route[0][1] == frames[arrow.tail][3]
        assert route[-1][1] == frames[arrow.head][1]
        for x, y in route[1:-1]:
            assert not any(f[0] < x < f[2] and f[1] < y < f[3] for f in frames)


def test_words_reports_and_other_nets_mark_what_changed():
    net = net_of(FORK)
    other = net_of(
        FORK.replace('name: "head"', 'name: "fc8"').replace("num_output: 2", "num_output: 5")
    )
    assert changes(other, net) == ({"fc8": "added"}, ["head"])
    report = surgery_report(
        "rename", net, other, renamed={"head": "fc8"}, initialised=["fc8"], notes=()
    )
    assert changes(other, report)[0] == {"fc8": "renamed"}
    wider = net_of(FORK.replace("num_output: 4 kernel_size: 1", "num_output: 8 kernel_size: 1"))
    assert changes(wider, net)[0] == {
        "stem": "changed", "relu": "other shape", "one": "other shape", "two": "other shape",
        "sum": "other shape", "head": "other shape",
    }  # fmt: skip
    scheme = scheme_of(other, {"fc8": "new head", "relu": "swapped"}, ["head"])
    assert {box.name: box.change for box in scheme.boxes if box.change} == {
        "stem": "relu swapped", "fc8": "new head",
    }  # fmt: skip
    assert scheme.title[-1] == "removed: head"
    for text in (dot_text(scheme), svg_text(scheme)):
        assert text.count("#c2185b") == 2
    assert "* new head" in tree_text(scheme)


def test_weights_that_differ_are_marked():
    text = re.sub(r'layer { name: "more".*\n', "", FORK)
    net = net_of(text).initialized(seed=0)
    other = net.with_params({"head": [2 * blob + 1 for blob in net.params["head"]]})
    assert changes(other, net)[0] == {"head": "other weights"}
    assert changes(net, net) == ({}, [])


def test_a_net_of_a_thousand_layers_is_drawn(without_dot, tmp_path):
    layers = ['layer { name: "l0" type: "Input" top: "l0" input_param { shape { dim: 1 } } }']
    for number in range(1, 1000):
        # Each layer is read by the next and by one thirty further on.
        bottoms = {f"l{number - 1}", f"l{max(0, number - 30)}"}
        reads = " ".join(f'bottom: "{bottom}"' for bottom in sorted(bottoms))
        layers.append(f'layer {{ name: "l{number}" type: "Mystery" {reads} top: "l{number}" }}')
    draw(net_of("\n".join(layers)), tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text().count("<rect") >= 1000
