"""The type of a layer with what matters of its window, in a few words."""

from __future__ import annotations

from typing import Any

from zoo.net import Layer

__all__ = ["layer_text"]


def layer_text(layer: Layer) -> str:
    """Such as "Convolution 3x3, stride 2, pad 1" or "Pooling MAX 3x3, stride 2".

    Examples
    --------
    >>> from zoo import Net
    >>> net = Net.read("examples/lenet_digits.prototxt")
    >>> layer_text(net.layer("conv1")), layer_text(net.layer("pool1")), layer_text(net.layer("ip1"))
    ('Convolution 5x5', 'Pooling MAX 2x2, stride 2', 'InnerProduct')
    """
    message = layer.definition
    if message.HasField("convolution_param"):
        return f"{layer.kind_name} {_window(message.convolution_param)}"
    if message.HasField("pooling_param"):
        param = message.pooling_param
        pool = param.PoolMethod.Name(param.pool)
        window = "global" if param.global_pooling else _window(param)
        return f"{layer.kind_name} {pool} {window}"
    return layer.kind_name


def _window(param: Any) -> str:
    kernel = _sizes(param, "kernel_size", "kernel") or [1]
    parts = ["x".join(map(str, kernel * 2 if len(kernel) == 1 else kernel))]
    for word, usual in (("stride", 1), ("pad", 0)):
        sizes = _sizes(param, word, word)
        if any(size != usual for size in sizes):
            parts.append(f"{word} {_short(sizes)}")
    dilation = list(getattr(param, "dilation", ()))
    if any(size != 1 for size in dilation):
        parts.append(f"dilation {_short(dilation)}")
    if getattr(param, "group", 1) > 1:
        parts.append(f"group {param.group}")
    return ", ".join(parts)


def _sizes(param: Any, field: str, word: str) -> list[int]:
    """Sizes along the axes as they are written: one for all, one for each, or as _h and _w."""
    if param.HasField(f"{word}_h") or param.HasField(f"{word}_w"):
        return [getattr(param, f"{word}_h"), getattr(param, f"{word}_w")]
    stated = getattr(param, field)
    return [stated] if isinstance(stated, int) else list(stated)


def _short(sizes: list[int]) -> str:
    """Sizes that agree are written once."""
    return "x".join(map(str, sizes[:1] if len(set(sizes)) == 1 else sizes))
