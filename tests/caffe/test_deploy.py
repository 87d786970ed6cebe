"""Training definitions turned into deployable ones, against the ones that authors published."""

import pytest
from google.protobuf import text_format

from zoo.caffe.deploy import preprocessing, to_deploy
from zoo.caffe.phases import filter_net
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.caffe.upgrade import upgrade
from zoo.errors import NetError

BVLC = "prototxt/BVLC+caffe"
SQUEEZENET = "models/squeezenet_v1.0/train_val.prototxt"
SOURCES = ("Data", "ImageData", "HDF5Data", "Python")
PUBLISHED = [
    f"{BVLC}/models/bvlc_alexnet",
    f"{BVLC}/models/bvlc_googlenet",
    f"{BVLC}/models/bvlc_reference_caffenet",
    f"{BVLC}/models/finetune_flickr_style",
    "prototxt/forresti+SqueezeNet/SqueezeNet_v1.0",
    "prototxt/forresti+SqueezeNet/SqueezeNet_v1.1",
]


def parse(text):
    return text_format.Parse(text, NetParameter())


def read(path):
    return upgrade(parse(path.read_text()))[0]


def deployed(path, stages=()):
    return to_deploy(filter_net(read(path), "TEST", stages=stages))


def outline(net):
    return [(layer.type, layer.name, *layer.bottom) for layer in net.layer]


def layer(name, kind, bottom="", top=None, more=""):
    bottoms = " ".join(f'bottom: "{blob}"' for blob in bottom.split())
    tops = " ".join(f'top: "{blob}"' for blob in (name if top is None else top).split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {more} }}\n'


DATA = layer("source", "Data", top="data label", more="transform_param { crop_size: 24 }")
FC = layer("fc", "InnerProduct", "data")


def data_layer(transform="", kind="Data", more=""):
    transform = f"transform_param {{ {transform} }} {more}"
    return parse(layer("source", kind, top="data label", more=transform))


@pytest.mark.parametrize("folder", PUBLISHED)
def test_deploy_has_the_layers_that_the_authors_kept(shared, folder):
    net, _ = deployed(shared / folder / "train_val.prototxt")
    published = read(shared / folder / "deploy.prototxt")
    assert [(x.type, list(x.bottom)) for x in net.layer] == [
        (x.type, list(x.bottom)) for x in published.layer
    ]
    assert [x.name for x in net.layer[1:]] == [x.name for x in published.layer[1:]]
    assert (net.layer[-1].type, list(net.layer[-1].top)) == ("Softmax", ["prob"])
    shape, expected = (x.layer[0].input_param.shape[0].dim for x in (net, published))
    assert list(shape) == [1, *expected[1:]]


def test_every_published_network_deploys_to_a_fixed_point(shared):
    for path in sorted((shared / "prototxt").rglob("*.prototxt")):
        if "solver" in path.name:
            continue
        stages = ["test-on-test"] if "autoencoder" in path.name else []
        trains = any(x.type in SOURCES for x in read(path).layer)
        net, notes = deployed(path, stages)
        assert bool(notes) == trains, path
        assert to_deploy(net) == (net, []), path
        assert not {"Accuracy", "SoftmaxWithLoss", *SOURCES} & {x.type for x in net.layer}, path


def test_a_definition_that_is_deployable_stays_as_it_is(shared):
    path = shared / f"{BVLC}/models/bvlc_googlenet/deploy.prototxt"
    assert deployed(path) == (read(path), [])


def test_squeezenet_gets_its_input_shape_and_a_softmax(shared):
    net, notes = deployed(shared / SQUEEZENET)
    assert outline(net)[0] == ("Input", "data")
    assert list(net.layer[0].input_param.shape[0].dim) == [1, 3, 227, 227]
    assert outline(net)[-1] == ("Softmax", "prob", "pool_final")
    assert any("'label'" in note for note in notes)
    assert any("accuracy_top5" in note for note in notes)


def test_auxiliary_heads_of_googlenet_are_dropped_and_named(shared):
    net, notes = deployed(shared / f"{BVLC}/models/bvlc_googlenet/train_val.prototxt")
    assert not [x.name for x in net.layer if x.name.startswith(("loss1", "loss2"))]
    assert any("'loss1/loss' of loss weight 0.3" in note for note in notes)
    assert any("'loss2/classifier'" in note for note in notes)


def test_autoencoder_keeps_the_sigmoid_that_is_there(shared):
    path = shared / f"{BVLC}/examples/mnist/mnist_autoencoder.prototxt"
    net, notes = deployed(path, ["test-on-test"])
    assert outline(net)[-1] == ("Sigmoid", "decode1neuron", "decode1")
    assert [x.type for x in net.layer].count("Sigmoid") == 7
    assert not [x for x in net.layer if x.type == "Flatten"]
    assert any("already there" in note for note in notes)


def test_siamese_net_keeps_both_of_its_branches(shared):
    path = shared / f"{BVLC}/examples/siamese/mnist_siamese_train_test.prototxt"
    net, _ = deployed(path)
    assert {"feat", "feat_p", "slice_pair"} <= {x.name for x in net.layer}
    assert list(net.layer[0].top) == ["pair_data"]


def test_two_tasks_of_equal_weight_both_stay(shared):
    path = shared / "prototxt/shelhamer+fcn.berkeleyvision.org/siftflow-fcn32s/test.prototxt"
    net, notes = deployed(path)
    heads = [row for row in outline(net) if row[0] == "Softmax"]
    assert heads == [
        ("Softmax", "score_sem_prob", "score_sem"),
        ("Softmax", "prob", "score_geo"),
    ]
    assert not net.layer[0].HasField("input_param")
    assert any("without shape" in note for note in notes)


def test_a_net_whose_data_is_in_another_stage_says_so(shared):
    path = shared / f"{BVLC}/examples/mnist/mnist_autoencoder.prototxt"
    with pytest.raises(NetError, match="'data'.*stage") as error:
        deployed(path)
    assert error.value.layer == "flatdata"


def test_argument_is_not_changed_and_rules_state_and_loss_go():
    text = (
        'name: "n" state { phase: TEST } '
        + layer("source", "Data", top="data label", more="include { phase: TEST }")
        + layer("fc", "InnerProduct", "data", more="include { phase: TEST } blobs { data: 1 }")
        + layer("loss", "SoftmaxWithLoss", "fc label")
    )
    net = parse(text)
    deploy, _ = to_deploy(net)
    assert net == parse(text)
    assert not deploy.HasField("state")
    assert deploy.name == "n"
    assert not any(x.include or x.exclude or x.loss_weight for x in deploy.layer)
    assert list(deploy.layer[1].blobs[0].data) == [1]


def test_softmax_keeps_its_axis_and_is_named_after_its_bottom_where_prob_is_taken():
    net, _ = to_deploy(
        parse(
            DATA
            + layer("prob", "InnerProduct", "data")
            + layer("loss", "SoftmaxWithLoss", "prob label", more="softmax_param { axis: 2 }")
        )
    )
    head = net.layer[-1]
    assert (head.name, head.top[0], head.bottom[0]) == ("prob_prob", "prob_prob", "prob")
    assert head.softmax_param.axis == 2


def test_probabilities_that_a_loss_gives_out_keep_their_name():
    net, _ = to_deploy(
        parse(
            DATA
            + FC
            + layer("loss", "SoftmaxWithLoss", "fc label", "loss chances")
            + layer("best", "ArgMax", "chances")
        )
    )
    assert outline(net)[-2:] == [("Softmax", "prob", "fc"), ("ArgMax", "best", "chances")]
    assert list(net.layer[-2].top) == ["chances"]


def test_sigmoid_cross_entropy_becomes_a_sigmoid():
    net, _ = to_deploy(parse(DATA + FC + layer("loss", "SigmoidCrossEntropyLoss", "fc label")))
    assert outline(net)[-1] == ("Sigmoid", "prob", "fc")


@pytest.mark.parametrize(
    "kind", ["EuclideanLoss", "HingeLoss", "MultinomialLogisticLoss", "InfogainLoss", "MyLoss"]
)
def test_other_losses_leave_their_prediction_as_output(kind):
    net, notes = to_deploy(parse(DATA + FC + layer("loss", kind, "fc label")))
    assert outline(net) == [("Input", "source"), ("InnerProduct", "fc", "data")]
    assert any(kind in note and "'loss'" in note for note in notes)


def test_prediction_is_found_behind_the_label_too():
    net, _ = to_deploy(parse(DATA + FC + layer("loss", "EuclideanLoss", "label fc")))
    assert outline(net) == [("Input", "source"), ("InnerProduct", "fc", "data")]
    assert list(net.layer[0].top) == ["data"]


def test_a_loss_by_weight_and_what_reads_it_are_dropped():
    net, _ = to_deploy(
        parse(
            DATA
            + FC
            + layer("norm", "Reduction", "fc", more="loss_weight: 0.1")
            + layer("twice", "Power", "norm")
        )
    )
    assert outline(net) == [("Input", "source"), ("InnerProduct", "fc", "data")]


def test_label_layers_silence_and_measures_go_with_the_label():
    net, notes = to_deploy(
        parse(
            DATA
            + FC
            + layer("slice", "Slice", "label", "coarse fine")
            + layer("quiet", "Silence", "coarse", "")
            + layer("loss", "SoftmaxWithLoss", "fc fine")
            + layer("top1", "Accuracy", "fc fine")
        )
    )
    assert [row[0] for row in outline(net)] == ["Input", "InnerProduct", "Softmax"]
    for name in ("'slice'", "'quiet'", "'top1'"):
        assert any(name in note for note in notes)


def test_label_that_the_net_itself_reads_stays_an_input():
    net, _ = to_deploy(
        parse(
            DATA
            + FC
            + layer("embed", "Embed", "label")
            + layer("sum", "Eltwise", "fc embed")
            + layer("loss", "SoftmaxWithLoss", "sum label")
        )
    )
    assert outline(net)[:2] == [("Input", "source"), ("Input", "label")]
    assert not net.layer[1].HasField("input_param")


def test_auxiliary_classifier_that_feeds_something_else_keeps_its_scores():
    net, _ = to_deploy(
        parse(
            DATA
            + layer("aux", "InnerProduct", "data")
            + layer("aux_loss", "SoftmaxWithLoss", "aux label", more="loss_weight: 0.3")
            + layer("fc", "InnerProduct", "aux")
            + layer("loss", "SoftmaxWithLoss", "fc label")
        )
    )
    assert [x.name for x in net.layer] == ["source", "aux", "fc", "prob"]


def test_accuracy_shows_the_classifier_of_a_phase_without_loss():
    net, notes = to_deploy(
        parse(
            DATA
            + FC
            + layer("top1", "Accuracy", "fc label")
            + layer("top5", "Accuracy", "fc label")
        )
    )
    assert [row[0] for row in outline(net)] == ["Input", "InnerProduct", "Softmax"]
    assert any("assumed" in note and "'top1'" in note for note in notes)


def test_accuracy_on_probabilities_adds_no_second_softmax():
    net, _ = to_deploy(
        parse(DATA + FC + layer("p", "Softmax", "fc") + layer("top1", "Accuracy", "p label"))
    )
    assert outline(net)[-1] == ("Softmax", "p", "fc")


def test_in_place_layers_after_the_scores_do_not_confuse():
    net, _ = to_deploy(
        parse(
            DATA
            + FC
            + layer("loss", "SoftmaxWithLoss", "fc label")
            + layer("relu", "ReLU", "fc", "fc")
            + layer("fc2", "InnerProduct", "fc")
        )
    )
    assert [x.name for x in net.layer] == ["source", "fc", "prob", "relu", "fc2"]


def test_input_layer_loses_the_label_and_its_shape():
    text = "input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } }"
    net, notes = to_deploy(
        parse(
            layer("in", "Input", top="data label", more=text)
            + FC
            + layer("loss", "SoftmaxWithLoss", "fc label")
        )
    )
    assert list(net.layer[0].top) == ["data"]
    assert [list(shape.dim) for shape in net.layer[0].input_param.shape] == [[4, 3, 8, 8]]
    assert any("'label'" in note for note in notes)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ('type: "Data" transform_param { crop_size: 24 }', [1, 3, 24, 24]),
        ('type: "Data" transform_param { crop_size: 24 force_gray: true }', [1, 1, 24, 24]),
        ('type: "Data" transform_param { crop_size: 24 mean_value: 5 }', [1, 3, 24, 24]),
        ('type: "Data" transform_param { crop_size: 24 mean_value: [5, 6] }', [1, 2, 24, 24]),
        ('type: "Data"', None),
        ('type: "ImageData" image_data_param { new_height: 20 new_width: 30 }', [1, 3, 20, 30]),
        (
            'type: "ImageData" image_data_param { new_height: 9 new_width: 9 is_color: false }',
            [1, 1, 9, 9],
        ),
        ('type: "ImageData"', None),
        ('type: "WindowData" transform_param { crop_size: 227 }', [1, 3, 227, 227]),
        (
            'type: "MemoryData" memory_data_param { batch_size: 8 channels: 1 height: 5 width: 6 }',
            [1, 1, 5, 6],
        ),
        ('type: "DummyData" dummy_data_param { shape { dim: 7 dim: 2 } }', [7, 2]),
        (
            'type: "DummyData" dummy_data_param { num: 2 channels: 3 height: 4 width: 5 }',
            [2, 3, 4, 5],
        ),
        (
            'type: "DummyData" dummy_data_param { shape { dim: 7 dim: 2 } shape { dim: 7 } }',
            [7, 2],
        ),
        ('type: "HDF5Data" transform_param { crop_size: 24 }', None),
        ('type: "Python" python_param { module: "m" layer: "L" }', None),
    ],
)
def test_input_shape_comes_from_the_source_where_it_says_it(source, shape):
    net, notes = to_deploy(
        parse(
            f'layer {{ name: "source" top: "data" top: "label" {source} }}'
            + FC
            + layer("loss", "SoftmaxWithLoss", "fc label")
        )
    )
    (found, *_) = net.layer
    assert (found.type, found.name, list(found.top)) == ("Input", "source", ["data"])
    shapes = [list(shape.dim) for shape in found.input_param.shape]
    assert shapes == ([] if shape is None else [shape])
    assert found.HasField("input_param") == (shape is not None)
    assert ("without shape" in notes[0]) == (shape is None)


def test_python_layer_with_bottoms_is_no_source():
    net, _ = to_deploy(parse(DATA + layer("mine", "Python", "data")))
    assert outline(net)[-1] == ("Python", "mine", "data")


def test_nothing_but_data_is_an_error():
    with pytest.raises(NetError, match="nothing would be left"):
        to_deploy(parse(DATA + layer("quiet", "Silence", "data label", "")))


def test_an_old_format_is_sent_to_upgrade():
    with pytest.raises(NetError, match="upgrade"):
        to_deploy(parse('layers { name: "a" type: RELU }'))


def test_preprocessing_of_squeezenet(shared):
    found = preprocessing(read(shared / SQUEEZENET))
    (assumed,) = found.pop("assumed")
    assert found == {
        "size": [227, 227],
        "resize": [256, 256],
        "channels": "BGR",
        "mean": [104.0, 117.0, 123.0],
        "scale": 1.0,
    }
    assert "256 x 256" in assumed
    assert "central" not in assumed  # ten crops may be asked for


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "models/bvlc_googlenet/train_val.prototxt",
            {"size": [224, 224], "resize": [256, 256], "mean": [104, 117, 123]},
        ),
        (
            "models/bvlc_alexnet/train_val.prototxt",
            {
                "size": [227, 227],
                "resize": [256, 256],
                "mean_file": "data/ilsvrc12/imagenet_mean.binaryproto",
            },
        ),
        (
            "models/finetune_flickr_style/train_val.prototxt",
            {
                "size": [227, 227],
                "resize": [256, 256],
                "mean_file": "data/ilsvrc12/imagenet_mean.binaryproto",
                "assumed": [],
            },
        ),
        ("examples/mnist/lenet_train_test.prototxt", {"scale": 0.00390625, "mean": [0, 0, 0]}),
    ],
)
def test_preprocessing_of_published_networks(shared, path, expected):
    found = preprocessing(read(shared / BVLC / path))
    assert {key: found[key] for key in expected} == expected
    assert ("mean" in found) != ("mean_file" in found)


@pytest.mark.parametrize(
    "path",
    ["examples/hdf5_classification/train_val.prototxt", "models/bvlc_alexnet/deploy.prototxt"],
)
def test_no_preprocessing_where_no_pictures_are_read(shared, path):
    assert preprocessing(read(shared / BVLC / path)) is None


def test_the_test_phase_counts_in_a_definition_of_both():
    first = layer("t", "Data", more="include { phase: TRAIN } transform_param { crop_size: 20 }")
    second = layer("v", "Data", more="include { phase: TEST } transform_param { crop_size: 24 }")
    assert preprocessing(parse(first + second))["size"] == [24, 24]
    assert preprocessing(parse(first))["size"] == [20, 20]


@pytest.mark.parametrize(("crop", "resize"), [(192, True), (224, True), (256, False), (32, False)])
def test_pictures_of_256_are_assumed_for_crops_of_imagenet_size_only(crop, resize):
    found = preprocessing(data_layer(f"crop_size: {crop} force_color: true"))
    assert found.get("resize") == ([256, 256] if resize else None)
    assert len(found["assumed"]) == 1


def test_resize_of_an_image_list_is_stated_not_assumed():
    sizes = "image_data_param { new_height: 300 new_width: 320 }"
    found = preprocessing(data_layer("crop_size: 227", "ImageData", sizes))
    assert (found["size"], found["resize"], found["assumed"]) == ([227, 227], [300, 320], [])


def test_gray_pictures_and_one_mean_for_all_channels():
    gray = preprocessing(data_layer("force_gray: true mean_value: 33.5 crop_size: 28"))
    assert (gray["channels"], gray["mean"]) == ("GRAY", [33.5])
    colour = preprocessing(data_layer("mean_value: 128 scale: 0.017 crop_size: 28"))
    assert (colour["channels"], colour["mean"], colour["scale"]) == ("BGR", [128] * 3, 0.017)
    assert any("Three channels" in guess for guess in colour["assumed"])


def test_two_channels_are_no_picture():
    assert preprocessing(data_layer("mean_value: 1 mean_value: 2")) is None


def test_mean_file_and_mean_values_together_are_an_error_that_names_the_layer():
    with pytest.raises(NetError, match="both mean_file 'm' and mean_value") as error:
        preprocessing(data_layer('mean_file: "m" mean_value: 1'))
    assert error.value.layer == "source"


def test_layer_parameters_of_the_head_are_complete():
    net, _ = to_deploy(parse(DATA + FC + layer("loss", "SoftmaxWithLoss", "fc label")))
    assert net.layer[-1] == LayerParameter(name="prob", type="Softmax", bottom=["fc"], top=["prob"])
