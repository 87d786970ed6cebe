"""The first two upgrade passes: V0 definitions, `layers { layer { ... } }`, to V1.

V0 is the format of Caffe's first public months: one message with the parameters of every type, the
type a lower-case word, padding a layer of its own. Caffe's rules are in
src/caffe/util/upgrade_proto.cpp; here they are two tables and the few lines that apply them.
`zoo.caffe.upgrade` has the passes that follow and runs them all.
"""

from __future__ import annotations

from zoo.caffe.message_copy import copy_without, put_field
from zoo.caffe.schema.caffe_pb2 import NetParameter, V0LayerParameter, V1LayerParameter
from zoo.errors import NetError, did_you_mean

__all__ = ["fold_padding_layers", "v0_layers_to_v1"]

_TYPES = {
    "accuracy": V1LayerParameter.ACCURACY,
    "bnll": V1LayerParameter.BNLL,
    "concat": V1LayerParameter.CONCAT,
    "conv": V1LayerParameter.CONVOLUTION,
    "data": V1LayerParameter.DATA,
    "dropout": V1LayerParameter.DROPOUT,
    "euclidean_loss": V1LayerParameter.EUCLIDEAN_LOSS,
    "flatten": V1LayerParameter.FLATTEN,
    "hdf5_data": V1LayerParameter.HDF5_DATA,
    "hdf5_output": V1LayerParameter.HDF5_OUTPUT,
    "im2col": V1LayerParameter.IM2COL,
    "images": V1LayerParameter.IMAGE_DATA,
    "infogain_loss": V1LayerParameter.INFOGAIN_LOSS,
    "innerproduct": V1LayerParameter.INNER_PRODUCT,
    "lrn": V1LayerParameter.LRN,
    "multinomial_logistic_loss": V1LayerParameter.MULTINOMIAL_LOGISTIC_LOSS,
    "pool": V1LayerParameter.POOLING,
    "relu": V1LayerParameter.RELU,
    "sigmoid": V1LayerParameter.SIGMOID,
    "softmax": V1LayerParameter.SOFTMAX,
    "softmax_loss": V1LayerParameter.SOFTMAX_LOSS,
    "split": V1LayerParameter.SPLIT,
    "tanh": V1LayerParameter.TANH,
    "window_data": V1LayerParameter.WINDOW_DATA,
}

# Fields that mean the same for every type: V0 name -> place in a V1 layer.
_COMMON = {
    "name": "name",
    "blobs": "blobs",
    "blobs_lr": "blobs_lr",
    "weight_decay": "weight_decay",
    "scale": "transform_param.scale",
    "meanfile": "transform_param.mean_file",
    "cropsize": "transform_param.crop_size",
    "mirror": "transform_param.mirror",
}

# Fields whose place in a V1 layer depends on the type.
_BY_TYPE = {
    "conv": {
        "num_output": "convolution_param.num_output",
        "biasterm": "convolution_param.bias_term",
        "weight_filler": "convolution_param.weight_filler",
        "bias_filler": "convolution_param.bias_filler",
        "pad": "convolution_param.pad",
        "kernelsize": "convolution_param.kernel_size",
        "group": "convolution_param.group",
        "stride": "convolution_param.stride",
    },
    "innerproduct": {
        "num_output": "inner_product_param.num_output",
        "biasterm": "inner_product_param.bias_term",
        "weight_filler": "inner_product_param.weight_filler",
        "bias_filler": "inner_product_param.bias_filler",
    },
    "pool": {
        "pad": "pooling_param.pad",
        "kernelsize": "pooling_param.kernel_size",
        "stride": "pooling_param.stride",
        "pool": "pooling_param.pool",
    },
    "dropout": {"dropout_ratio": "dropout_param.dropout_ratio"},
    "lrn": {
        "local_size": "lrn_param.local_size",
        "alpha": "lrn_param.alpha",
        "beta": "lrn_param.beta",
        "k": "lrn_param.k",
    },
    "data": {
        "source": "data_param.source",
        "batchsize": "data_param.batch_size",
        "rand_skip": "data_param.rand_skip",
    },
    "hdf5_data": {
        "source": "hdf5_data_param.source",
        "batchsize": "hdf5_data_param.batch_size",
    },
    "images": {
        "source": "image_data_param.source",
        "batchsize": "image_data_param.batch_size",
        "rand_skip": "image_data_param.rand_skip",
        "shuffle_images": "image_data_param.shuffle",
        "new_height": "image_data_param.new_height",
        "new_width": "image_data_param.new_width",
    },
    "window_data": {
        "source": "window_data_param.source",
        "batchsize": "window_data_param.batch_size",
        "det_fg_threshold": "window_data_param.fg_threshold",
        "det_bg_threshold": "window_data_param.bg_threshold",
        "det_fg_fraction": "window_data_param.fg_fraction",
        "det_context_pad": "window_data_param.context_pad",
        "det_crop_mode": "window_data_param.crop_mode",
    },
    "infogain_loss": {"source": "infogain_loss_param.source"},
    "concat": {"concat_dim": "concat_param.concat_dim"},
    "hdf5_output": {"hdf5_output_param": "hdf5_output_param"},
}


def fold_padding_layers(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Fold each V0 padding layer into the convolution or pooling that reads it.

    Returns
    -------
    The net itself when it has no padding layer, else a new one; and what was done, in sentences.

    Raises
    ------
    NetError
        A padding layer feeds something else, or one of the two has several bottoms.
    """
    if not any(_is_padding(layer) for layer in net.layers):
        return net, []
    folded = copy_without(net, "layers")
    made_by: dict[str, V1LayerParameter] = {}
    notes = []
    for layer in net.layers:
        padding = [made_by[blob] for blob in layer.bottom if _is_padding(made_by.get(blob))]
        if padding:
            _check_padding(padding[0], layer)
        if not _is_padding(layer):
            kept = folded.layers.add()
            kept.CopyFrom(layer)
            if padding:
                kept.layer.pad = padding[0].layer.pad
                kept.bottom[0] = padding[0].bottom[0]
                notes.append(
                    f"V0 padding layer {padding[0].layer.name!r} became pad: {kept.layer.pad} of"
                    f" {layer.layer.name!r}."
                )
        made_by.update(dict.fromkeys(layer.top, layer))
    return folded, notes


def v0_layers_to_v1(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Rewrite V0 layers as V1 layers.

    A field that means nothing to the type of its layer is left out, as Caffe does; a note says so.

    Returns
    -------
    The net itself when it has no V0 layer, else a new one; and what was done, in sentences.

    Raises
    ------
    NetError
        A layer has a type that V0 did not have, or none.
    """
    count = sum(layer.HasField("layer") for layer in net.layers)
    if not count:
        return net, []
    upgraded = copy_without(net, "layers")
    notes = [f"{count} V0 layer(s) were rewritten as V1 layers."]
    for layer in net.layers:
        if layer.HasField("layer"):
            notes += _rewrite(layer.layer, upgraded.layers.add(bottom=layer.bottom, top=layer.top))
            notes += [
                f"Layer {layer.layer.name!r}: {field.name} beside a V0 layer was left out, as Caffe"
                " does."
                for field, _ in layer.ListFields()
                if field.name not in ("layer", "bottom", "top")
            ]
        else:
            upgraded.layers.add().CopyFrom(layer)
    return upgraded, notes


def _rewrite(old: V0LayerParameter, new: V1LayerParameter) -> list[str]:
    """Fill `new` from `old`; what had to be left out, in sentences."""
    if old.type not in _TYPES:
        raise NetError(
            f"V0 has no layer type {old.type!r}.{did_you_mean(old.type, _TYPES)}"
            f" It has: {', '.join(_TYPES)}, padding.",
            old.name or "(no name)",
        )
    new.type = _TYPES[old.type]
    places = _COMMON | _BY_TYPE.get(old.type, {})
    notes = []
    for field, value in old.ListFields():
        if field.name in places:
            put_field(new, places[field.name], value)
        elif field.name != "type":
            notes.append(
                f"Layer {old.name!r}: V0 field {field.name} means nothing to type {old.type!r} and"
                " was left out, as Caffe does."
            )
    return notes


def _is_padding(layer: V1LayerParameter | None) -> bool:
    return layer is not None and layer.layer.type == "padding"


def _check_padding(padding: V1LayerParameter, reader: V1LayerParameter) -> None:
    """Caffe defines padding only for a single blob that goes into a convolution or pooling."""
    if reader.layer.type not in ("conv", "pool"):
        raise NetError(
            f"V0 padding can be folded into a conv or pool layer only; {padding.layer.name!r} feeds"
            f" this layer of type {reader.layer.type!r}.",
            reader.layer.name or "(no name)",
        )
    for layer in (reader, padding):
        if len(layer.bottom) != 1:
            raise NetError(
                f"expected one bottom where V0 padding is used, received {list(layer.bottom)}.",
                layer.layer.name or "(no name)",
            )
    if len(padding.top) != 1:
        raise NetError(
            f"expected one top of a V0 padding layer, received {list(padding.top)}.",
            padding.layer.name or "(no name)",
        )
