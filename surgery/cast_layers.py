"""Messages of layers turned into those of another kind that compute the same, and new names."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.surgery.finish import check_new_name
from zoo.surgery.graph import Graph, Node

__all__ = ["convolution_of", "inner_product_of", "rename", "window_of"]


def convolution_of(message: LayerParameter, kernel: Sequence[int]) -> LayerParameter:
    """The Convolution with the numbers of an InnerProduct, for a bottom of so many places."""
    new = copy_without(message, "type", "inner_product_param")
    new.type = "Convolution"
    old, param = message.inner_product_param, new.convolution_param
    param.num_output = old.num_output
    if not old.bias_term:
        param.bias_term = False
    if len(set(kernel)) == 1:
        param.kernel_size.append(kernel[0])
    elif len(kernel) == 2:
        param.kernel_h, param.kernel_w = kernel
    else:
        param.kernel_size.extend(kernel)
    _copy_fillers(old, param)
    return new


def inner_product_of(message: LayerParameter) -> LayerParameter:
    """The InnerProduct with the numbers of a Convolution that covers its bottom."""
    new = copy_without(message, "type", "convolution_param")
    new.type = "InnerProduct"
    old, param = message.convolution_param, new.inner_product_param
    param.num_output = old.num_output
    if not old.bias_term:
        param.bias_term = False
    _copy_fillers(old, param)
    return new


def _copy_fillers(old: object, new: object) -> None:
    for field in ("weight_filler", "bias_filler"):
        if old.HasField(field):  # type: ignore[attr-defined]
            getattr(new, field).CopyFrom(getattr(old, field))


def window_of(message: LayerParameter, kernel: Sequence[int]) -> LayerParameter:
    """A global pooling as a pooling of windows of a stated size."""
    new = copy_without(message)
    param = new.pooling_param
    param.ClearField("global_pooling")
    if kernel[0] == kernel[1]:
        param.kernel_size = kernel[0]
    else:
        param.kernel_h, param.kernel_w = kernel
    return new


def rename(graph: Graph, node: Node, new: str) -> bool:
    """Give a layer a new name, and its blob, if that is called the same; True if so.

    Raises
    ------
    UsageError
        When the name is taken.
    """
    old = node.name
    if new == old:
        return False
    check_new_name("layer", new, (other.name for other in graph.nodes))
    node.definition.name = new
    if [top.blob for top in node.tops] != [old]:
        return False
    values = {top for other in graph.nodes for top in other.tops}
    check_new_name("blob", new, (value.blob for value in values))
    for value in values:
        if value.blob == old:
            value.blob = new
    return True
