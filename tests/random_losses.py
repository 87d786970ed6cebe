"""The same for the losses of Caffe and its forks, and Accuracy."""

from math import prod

from growing_net import block

NORMALIZED = {"SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "InfogainLoss"}


def loss_settings(net, kind):
    settings = {"loss_weight": [net.pick(1, 0.5)]} if net.flag() else {}
    if kind in NORMALIZED and net.flag():
        settings["loss_param"] = {"normalization": net.number(0, 3)}
        if net.flag():
            settings["loss_param"]["ignore_label"] = 1
    return settings


@block("SoftmaxWithLoss", "InfogainLoss", "Accuracy")
def labelled(net, kind):
    bottom = net.blob(2, 3, 4, unrounded=kind == "Accuracy")
    shape = net.shapes[bottom]
    axis = net.number(1, len(shape) - 1)
    classes = shape[axis]
    labels = net.whole_numbers(
        classes, shape[0], *(size for index, size in enumerate(shape) if index not in (0, axis))
    )
    word = {"SoftmaxWithLoss": "softmax", "InfogainLoss": "infogain_loss"}.get(kind, "accuracy")
    settings = {f"{word}_param": {"axis": net.pick(axis, axis - len(shape))}}
    bottoms = [bottom, labels]
    if kind == "Accuracy":
        settings["accuracy_param"]["top_k"] = net.number(1, classes)
    else:
        settings |= {
            key: value for key, value in loss_settings(net, kind).items() if key != "loss_weight"
        }
    if kind == "InfogainLoss":
        matrix = (1, 1, classes, classes)
        bottoms.append(net.source(matrix, lambda rng, shape: rng.uniform(0, 1, shape)))
    net.add(kind, *bottoms, tops=net.number(1, 2), **settings)


@block("EuclideanLoss", "SigmoidCrossEntropyLoss")
def against_a_blob(net, kind):
    bottom = net.blob()
    if kind == "EuclideanLoss":
        other = net.like(bottom)
    else:
        other = net.whole_numbers(2, *net.shapes[bottom])
    net.add(kind, bottom, other, **loss_settings(net, kind))


@block("HingeLoss", "MultinomialLogisticLoss")
def one_label(net, kind):
    bottom = net.blob(2, 4, fits=lambda shape: prod(shape[2:]) == 1, otherwise=(3, 5))
    if kind == "MultinomialLogisticLoss":
        bottom = net.add("Softmax", bottom)[0]
    labels = net.whole_numbers(net.shapes[bottom][1], net.shapes[bottom][0])
    norm = {"hinge_loss_param": {"norm": net.number(1, 2)}} if kind == "HingeLoss" else {}
    net.add(kind, bottom, labels, **norm, **loss_settings(net, kind))


@block("ContrastiveLoss")
def contrastive(net, kind):
    bottom = net.blob(2)
    settings = {"margin": net.pick(1, 2.5), "legacy_version": net.flag()}
    similar = net.whole_numbers(2, net.shapes[bottom][0])
    net.add(kind, bottom, net.source(net.shapes[bottom]), similar, contrastive_loss_param=settings)


@block("SmoothL1Loss")
def smooth_l1(net, kind):
    first = net.blob()
    bottoms = [first, net.like(first), *(net.like(first) for _ in range(net.pick(0, 1, 2)))]
    settings = loss_settings(net, kind)
    net.add(kind, *bottoms, smooth_l1_loss_param={"sigma": net.pick(1, 3)}, **settings)


@block("L1Loss")
def l1(net, kind):
    first = net.blob()
    net.add(kind, first, net.like(first), **loss_settings(net, kind))


@block("Python:pyloss.EuclideanLossLayer")
def python_loss(net, kind):
    first = net.blob()
    settings = {"module": "pyloss", "layer": "EuclideanLossLayer"}
    net.add("Python", first, net.like(first), python_param=settings)
