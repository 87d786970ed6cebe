"""The same for the kinds that forks of Caffe added."""

import numpy as np
from growing_net import block
from random_layers import convolution_window


@block("ReLU6", "SELU", "SeLu", "Sparsify")
def neuron(net, kind):
    net.add_neuron(kind)


@block("L2Norm", "L2Normalization", "L2Normalize")
def l2_normalization(net, kind):
    net.add(kind, net.blob(2, 3, 4))


@block("DepthwiseConvolution", "ConvolutionDepthwise")
def depthwise(net, kind):
    bottom = net.blob(4)
    shape = net.shapes[bottom]
    settings = convolution_window(net, shape[2:])
    settings |= {"num_output": shape[1] * net.number(1, 2), "bias_term": net.flag()}
    net.add(kind, bottom, convolution_param=settings)


@block("BN", "SyncBN")
def batch_norm(net, kind):
    bottom = net.blob(2, 3, 4)
    slope = {"slope_filler": {"value": 1}, "frozen": net.flag()}
    segnet, folded = {"scale_filler": {"value": 1}}, {"bn_mode": 1}
    settings = net.pick(slope, segnet, folded)
    tops = net.pick(1, 2, 3) if settings is segnet else 1
    net.add(kind, bottom, tops=tops, bn_param=settings)


@block("Permute")
def permute(net, kind):
    bottom = net.blob()
    rank = len(net.shapes[bottom])
    order = list({net.number(0, rank - 1): None for _ in range(rank)})
    net.add(kind, bottom, permute_param={"order": order})


@block("Normalize")
def normalize(net, kind):
    settings = {"across_spatial": net.flag(), "channel_shared": net.flag()}
    net.add(kind, net.blob(2, 4), **net.pick({"norm_param": settings}, {}))


@block("Interp")
def interp(net, kind):
    bottom = net.blob(4, fits=lambda shape: min(shape[2:]) > 2, otherwise=(2, 4, 6, 5))
    settings = net.pick(
        {"zoom_factor": 2}, {"shrink_factor": 2}, {"height": 5, "width": 3}, {"pad_beg": -1}
    )
    bottoms = [bottom]
    if "pad_beg" in settings:
        bottoms.append(net.source((1, 1, net.number(1, 6), net.number(1, 6))))
    net.add(kind, *bottoms, interp_param=settings)


@block("Axpy")
def axpy(net, kind):
    first = net.blob(2, 4)
    shape = net.shapes[first]
    factors = net.source(net.pick(shape[:2], (*shape[:2], 1, 1)[: len(shape)]))
    net.add(kind, factors, first, net.like(first))


@block("CReLU")
def crelu(net, kind):
    bottom = net.blob()
    settings = {
        "negative_slope": net.pick(0, 0.1),
        "concat_axis": net.axis(len(net.shapes[bottom])),
    }
    net.add(kind, bottom, crelu_param=settings)


@block("Reorg")
def reorg(net, kind):
    reverse = net.flag()
    bottom = net.blob(
        4,
        fits=lambda shape: shape[1] % 4 == 0 and (reverse or not (shape[2] % 2 or shape[3] % 2)),
        otherwise=(2, 4, 6, 4),
    )
    net.add(kind, bottom, reorg_param={"stride": 2, "reverse": reverse})


@block("ShuffleChannel")
def shuffle_channel(net, kind):
    bottom = net.blob(2, 3, 4)
    group = net.divisor(net.shapes[bottom][1])
    net.add(kind, bottom, shuffle_channel_param={"group": group})


@block("Upsample")
def upsample(net, kind):
    if net.flag():
        scale = net.pick({"scale": 2}, {"scale_h": 1, "scale_w": 3})
        net.add(kind, net.blob(4), upsample_param=scale)
        return
    bottom = net.blob(
        4, unrounded=True, fits=lambda shape: min(shape[2:]) > 1, otherwise=(2, 4, 6, 5)
    )
    pooled, mask = net.add("Pooling", bottom, tops=2, pooling_param={"kernel_size": 2, "stride": 2})
    odd = [size % 2 for size in net.shapes[bottom][2:]]
    height, width = net.shapes[bottom][2:]
    sizes = {"upsample_h": height, "upsample_w": width}
    halves = {"scale": 2, "pad_out_h": odd[0], "pad_out_w": odd[1]}
    net.add(kind, pooled, mask, upsample_param=net.pick(sizes, halves))


# Detection.


@block("PriorBox", "PriorBoxClustered")
def prior_box(net, kind):
    settings = {"clip": net.flag(), "variance": net.pick([], [0.1], [0.1, 0.1, 0.2, 0.2])}
    if kind == "PriorBox":
        settings |= {"min_size": [4], "aspect_ratio": [2], "flip": net.flag()}
        settings |= net.pick({}, {"max_size": [8]}, {"step": 3}, {"img_size": 40})
    else:
        settings |= {"width": [4, 6], "height": [3, 9]}
    picture = net.source((1, 3, 20, 24))
    net.add(kind, net.blob(4), picture, prior_box_param=settings)


@block("DetectionOutput")
def detection_output(net, kind):
    pictures, boxes, classes = net.number(1, 2), net.number(1, 5), net.number(2, 3)
    together = net.flag()
    offsets = net.source((pictures, boxes * 4 * (1 if together else classes)))
    scores = net.source((pictures, boxes * classes), lambda rng, shape: rng.uniform(0, 1, shape))

    def priors(rng, shape):
        corners = np.sort(rng.uniform(0, 1, (boxes, 2, 2)), axis=1).reshape(-1)
        return np.stack([corners, np.full(boxes * 4, 0.1)])[None]

    settings = {
        "num_classes": classes,
        "share_location": together,
        "code_type": net.number(1, 3),
        "nms_param": {"nms_threshold": 0.45, "top_k": net.number(1, 5)},
        "keep_top_k": net.pick(-1, 3),
        "confidence_threshold": net.pick(0.01, 0.5),
    }
    bottoms = offsets, scores, net.source((1, 2, boxes * 4), priors)
    net.add_chosen(kind, *bottoms, axis=2, detection_output_param=settings)


@block("ROIPooling", "PSROIPooling")
def region_pooling(net, kind):
    group = net.number(1, 2)
    bottom = net.blob(4, fits=lambda shape: shape[1] % group**2 == 0, otherwise=(2, 8, 6, 5))
    pictures, channels, height, width = net.shapes[bottom]

    def regions(rng, shape):
        corners = np.sort(rng.integers(0, 2 * min(height, width), (shape[0], 2, 2)), axis=1)
        return np.concatenate(
            [rng.integers(0, pictures, (shape[0], 1)), corners.reshape(-1, 4)], axis=1
        )

    rows = net.source((net.number(1, 4), 5), regions)
    if kind == "ROIPooling":
        settings = {"pooled_h": net.number(1, 3), "pooled_w": net.number(1, 3)}
        net.add(kind, bottom, rows, roi_pooling_param={**settings, "spatial_scale": 0.5})
    else:
        settings = {"output_dim": channels // group**2, "group_size": group}
        net.add(kind, bottom, rows, psroi_pooling_param={**settings, "spatial_scale": 0.5})


@block("Proposal", "Python:rpn.proposal_layer.ProposalLayer")
def proposal(net, kind):
    if kind == "Proposal":
        anchors = 4
        settings = {"ratio": [0.5, 2], "scale": [1, 2], "post_nms_topn": 6, "min_size": 4}
        settings = {"proposal_param": settings}
    else:
        kind, anchors = "Python", 9
        settings = {"module": "rpn.proposal_layer", "layer": "ProposalLayer"}
        settings = {"python_param": {**settings, "param_str": "'feat_stride': 16"}}
    scores, deltas = net.source((1, 2 * anchors, 3, 4)), net.source((1, 4 * anchors, 3, 4))
    size = net.source((1, 3), lambda rng, shape: np.array([[48, 64, 1]]))
    net.add_chosen(kind, scores, deltas, size, tops=net.number(1, 2), axis=0, **settings)
