"""The shape that a data source gives out, written into its definition.

Input, DummyData and MemoryData state it; Data, ImageData and their like crop and resize, and so far
as they say it, it is changed there (caffe/data_transformer.cpp).
"""

from __future__ import annotations

from typing import Any

from zoo.layers.kind import Shape
from zoo.surgery.graph import Node, Value

__all__ = ["forget_preprocessing", "reverse_means", "state_shape"]

_PICTURES = ("AnnotatedData", "Data", "ImageData", "WindowData")


def state_shape(node: Node, value: Value, shape: Shape) -> list[str]:
    """Let a source make a value of another shape; says what it cannot say in its definition."""
    old, value.shape = value.shape or (), tuple(shape)
    layer: Any = node.definition
    if node.type == "Input":
        _write_shapes(layer.input_param.shape, node)
    elif node.type == "DummyData":
        for field in ("num", "channels", "height", "width"):
            layer.dummy_data_param.ClearField(field)
        _write_shapes(layer.dummy_data_param.shape, node)
    elif node.type == "MemoryData" and value is node.tops[0]:
        param = layer.memory_data_param
        param.batch_size, param.channels, param.height, param.width = shape
    elif node.type in _PICTURES and value is node.tops[0] and len(shape) == 4:
        notes = _resize(node, shape[2:]) if shape[2:] != tuple(old[2:]) else []
        return notes + (_recolour(node, shape[1]) if shape[1] != old[1] else [])
    else:
        return [f"{node.name}: has to give {value.blob!r} in the shape {shape} from now on"]
    return []


def forget_preprocessing(node: Node) -> list[str]:
    """Let a source subtract nothing and scale by 1."""
    transform = node.definition.transform_param
    said = [field for field in ("mean_value", "mean_file", "scale") if _is_set(transform, field)]
    for field in said:
        transform.ClearField(field)
    return [f"{node.name}: its {' and '.join(said)} went"] if said else []


def reverse_means(node: Node) -> list[str]:
    """Let a source subtract the means of channels that come the other way round."""
    transform, notes = node.definition.transform_param, []
    if len(transform.mean_value) > 1:
        means = list(transform.mean_value)[::-1]
        del transform.mean_value[:]
        transform.mean_value.extend(means)
        notes.append(f"{node.name}: mean_value is {means} now")
    if transform.mean_file:
        notes.append(f"{node.name}: the channels of {transform.mean_file} have to be swapped too")
    return notes


def _is_set(message: Any, field: str) -> bool:
    return field in [each.name for each, _ in message.ListFields()]


def _write_shapes(field: Any, node: Node) -> None:
    del field[:]
    for top in node.tops:
        field.add(dim=top.shape or ())


def _resize(node: Node, size: Shape) -> list[str]:
    """Where a source of pictures crops or resizes, let it do so to another size."""
    transform, images = node.definition.transform_param, node.definition.image_data_param
    said = False
    if transform.HasField("crop_size") and size[0] == size[1]:
        transform.crop_size, said = size[0], True
    elif transform.HasField("crop_size"):
        transform.ClearField("crop_size")
    elif node.type == "ImageData" and images.new_height:
        images.new_height, images.new_width = size
        said = True
    if transform.resize_param.height:
        transform.resize_param.height, transform.resize_param.width = size
        said = True
    if said:
        return []
    return [f"{node.name}: has to give pictures of {size[0]} x {size[1]} from now on"]


def _recolour(node: Node, channels: int) -> list[str]:
    """Let a source of pictures give so many channels, with a mean for each."""
    transform, notes = node.definition.transform_param, []
    for field in ("force_color", "force_gray"):
        transform.ClearField(field)
    if channels == 1:
        transform.force_gray = True
        if node.type == "ImageData":
            node.definition.image_data_param.is_color = False
    elif node.type == "ImageData":
        node.definition.image_data_param.ClearField("is_color")
    if channels not in (1, 3):
        notes.append(f"{node.name}: has to give {channels} channels from now on")
    means = list(transform.mean_value)
    if len(means) > 1:
        average = sum(means) / len(means)
        del transform.mean_value[:]
        more = [average] * max(0, channels - len(means))
        transform.mean_value.extend([average] if channels == 1 else [*means, *more][:channels])
        notes.append(f"{node.name}: mean_value is {list(transform.mean_value)} now")
    if transform.mean_file:
        notes.append(f"{node.name}: {transform.mean_file} has to have {channels} channel(s) too")
    return notes
