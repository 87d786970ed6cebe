"""What a data layer of a training definition says about its pictures.

Caffe's data layers read a database or a list of files and pass each picture through a
DataTransformer (src/caffe/data_transformer.cpp): crop, subtract the mean at the cropped place,
multiply by the scale. The layer thus states how a picture has to be prepared, and mostly of what
shape the net's input is.
"""

from __future__ import annotations

from typing import Any

from zoo.caffe.phases import filter_net
from zoo.caffe.schema.caffe_pb2 import DummyDataParameter, LayerParameter, NetParameter
from zoo.errors import NetError

__all__ = ["is_data_source", "preprocessing", "top_shape"]

_PICTURE_SOURCES = ("Data", "ImageData", "WindowData", "MemoryData", "AnnotatedData")
_SOURCES = (*_PICTURE_SOURCES, "HDF5Data", "DummyData", "Python")

# Crops of this size were cut from pictures of 256 x 256 in Caffe's ImageNet recipe. Smaller ones
# come from small pictures (28 of 32 for CIFAR), about which a definition says nothing.
_IMAGENET_CROPS = range(192, 256)


def is_data_source(layer: LayerParameter) -> bool:
    """Whether the layer brings data in from outside; a Python layer with bottoms does not."""
    return layer.type in _SOURCES and not layer.bottom


def top_shape(layer: LayerParameter, position: int) -> tuple[list[int] | None, list[str]]:
    """The shape that a data source gives to its top at `position`, for a batch of one picture.

    Returns
    -------
    shape : N, C, H, W, or as written for DummyData; None where the layer does not say.
    assumed : what is guessed, one phrase each.
    """
    if layer.type == "DummyData":
        return _dummy_shape(layer.dummy_data_param, position), []
    height_width = _size(layer)
    if position > 0 or height_width is None:
        return None, []
    channels, assumed = _channels(layer)
    return [1, channels, *height_width], assumed


def preprocessing(net: NetParameter) -> dict[str, Any] | None:
    """How a picture has to be prepared, from the data layer of a training definition.

    Parameters
    ----------
    net : in the current format, before `to_deploy`. Where several data layers read pictures, the
        first of the TEST phase counts, else the first of all.

    Returns
    -------
    None when no layer reads pictures, of one or three channels, else a mapping:

    - ``size``: [height, width] of the net's input; absent where the layer does not say it.
    - ``resize``: [height, width] before the crop to `size`, which is central in the TEST phase;
      absent where pictures come in the right size or nothing is known.
    - ``channels``: "BGR" or "GRAY".
    - ``mean``: one number a channel, to subtract from pixels of 0..255; or instead of it
      ``mean_file``: the name of a mean picture, of which the crop is subtracted.
    - ``scale``: the factor after that.
    - ``assumed``: what of this is a guess, in sentences.

    Raises
    ------
    NetError
        The layer has both a mean file and mean values.

    Examples
    --------
    >>> from google.protobuf import text_format
    >>> net = text_format.Parse('''layer {
    ...     name: "data" type: "Data" top: "data" top: "label"
    ...     transform_param { crop_size: 227 mean_value: 104 mean_value: 117 mean_value: 123 }
    ... }''', NetParameter())
    >>> found = preprocessing(net)
    >>> found["size"], found["resize"], found["channels"], found["mean"]
    ([227, 227], [256, 256], 'BGR', [104.0, 117.0, 123.0])
    """
    layer = _picture_source(net)
    if layer is None:
        return None
    channels, assumed = _channels(layer)
    if channels not in (1, 3):
        return None
    found: dict[str, Any] = {}
    size, (resize, guesses) = _size(layer), _resize(layer)
    if size is not None:
        found["size"] = size
    else:
        assumed.append("The definition does not say how large the pictures were.")
    if resize is not None:
        found["resize"] = resize
    found["channels"] = "GRAY" if channels == 1 else "BGR"
    found |= _mean(layer, channels)
    found["scale"] = _plain(layer.transform_param.scale)
    found["assumed"] = assumed + guesses
    return found


def _picture_source(net: NetParameter) -> LayerParameter | None:
    for candidates in (filter_net(net, "TEST").layer, net.layer):
        for layer in candidates:
            if layer.type in _PICTURE_SOURCES and not layer.bottom:
                return layer
    return None


def _size(layer: LayerParameter) -> list[int] | None:
    """Height and width of what a picture source gives out, where it says so."""
    if layer.type == "MemoryData":
        memory = layer.memory_data_param
        return [memory.height, memory.width] if memory.height and memory.width else None
    transform = layer.transform_param
    crop = [transform.crop_h or transform.crop_size, transform.crop_w or transform.crop_size]
    if layer.type in _PICTURE_SOURCES and all(crop):
        return crop
    return _warp(layer)


def _warp(layer: LayerParameter) -> list[int] | None:
    """What an ImageData layer, or SSD's transformer, resizes its pictures to."""
    images, resize = layer.image_data_param, layer.transform_param.resize_param
    if resize.height and resize.width and resize.resize_mode == resize.WARP:
        return [resize.height, resize.width]
    if layer.type == "ImageData" and images.new_height and images.new_width:
        return [images.new_height, images.new_width]
    return None


def _resize(layer: LayerParameter) -> tuple[list[int] | None, list[str]]:
    """What pictures were resized to before the crop, and what of that is a guess."""
    crop = layer.transform_param.crop_size
    if _warp(layer) is not None:
        return _warp(layer), []
    if layer.type not in ("Data", "ImageData", "AnnotatedData") or not crop:
        return None, []
    if layer.type == "Data" and crop in _IMAGENET_CROPS:
        return [256, 256], [
            f"The database is assumed to hold pictures warped to 256 x 256, as in Caffe's ImageNet"
            f" recipe, and the network to take crops of {crop} x {crop} of them."
        ]
    return None, [
        f"The definition does not say how large pictures were before the crop to {crop} x {crop}."
    ]


def _channels(layer: LayerParameter) -> tuple[int, list[str]]:
    """Channels of a picture source, and what of that is a guess."""
    transform = layer.transform_param
    if layer.type == "MemoryData" and layer.memory_data_param.channels:
        return layer.memory_data_param.channels, []
    if transform.force_gray or (layer.type == "ImageData" and not layer.image_data_param.is_color):
        return 1, []
    # A single mean value counts for every channel, so it says nothing about their number.
    if len(transform.mean_value) > 1:
        return len(transform.mean_value), []
    if transform.force_color or layer.type in ("ImageData", "WindowData"):
        return 3, []
    return 3, ["Three channels (blue, green, red) are assumed."]


def _mean(layer: LayerParameter, channels: int) -> dict[str, Any]:
    transform = layer.transform_param
    if transform.mean_file and transform.mean_value:
        raise NetError(
            f"has both mean_file {transform.mean_file!r} and mean_value; Caffe takes one of them.",
            layer.name or "(no name)",
        )
    if transform.mean_file:
        return {"mean_file": transform.mean_file}
    values = [_plain(value) for value in transform.mean_value] or [0.0]
    return {"mean": values * channels if len(values) == 1 else values}


def _dummy_shape(dummy: DummyDataParameter, position: int) -> list[int] | None:
    """The shape at `position`; a single one counts for all tops."""
    shapes = [list(shape.dim) for shape in dummy.shape] or [
        list(dims)
        for dims in zip(dummy.num, dummy.channels, dummy.height, dummy.width, strict=False)
    ]
    if len(shapes) == 1:
        return shapes[0]
    return shapes[position] if position < len(shapes) else None


def _plain(value: float) -> float:
    """A float32 as it was written: 0.017, not 0.017000000923871994."""
    return float(f"{value:.7g}")
