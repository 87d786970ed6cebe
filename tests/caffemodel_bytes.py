"""Caffemodels made byte by byte, as protobuf's own writer would never make them, and comparing
what is read with what protobuf's parser reads."""

from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.wire import FIXED32, LENGTH, VARINT, varint_bytes


def field(number, value, kind=LENGTH):
    """One field on the wire: bytes with their length, an integer as a varint, or fixed bytes."""
    tag = varint_bytes(number << 3 | kind)
    if kind == VARINT:
        return tag + varint_bytes(value)
    return tag + (varint_bytes(len(value)) if kind == LENGTH else b"") + value


def shape(*dims):
    return field(7, field(1, b"".join(varint_bytes(dim % 2**64) for dim in dims)))


def packed(*values):
    return field(5, np.array(values, "<f4").tobytes())


def unpacked(*values):
    return b"".join(field(5, np.float32(value).tobytes(), FIXED32) for value in values)


def layer(name, *blobs):
    return field(100, field(1, name.encode()) + b"".join(field(7, blob) for blob in blobs))


def by_protobuf(content):
    """What protobuf's own parser finds: layer -> blobs, and all the layers' names."""
    net = NetParameter.FromString(content)
    layers = list(net.layer) + [old.layer if old.HasField("layer") else old for old in net.layers]
    names = [  # protobuf gives a name that is no UTF-8 as bytes
        one.name.decode("latin-1") if isinstance(one.name, bytes) else one.name for one in layers
    ]
    blobs = {name: list(one.blobs) for name, one in zip(names, layers, strict=True) if one.blobs}
    return blobs, names


def assert_equal(weights, expected):
    """Equal to protobuf's blobs: names and order, count, shapes, every value to the bit."""
    assert list(weights) == list(expected)
    for name, blobs in expected.items():
        assert len(weights[name]) == len(blobs)
        for array, blob in zip(weights[name], blobs, strict=True):
            legacy = any(blob.HasField(axis) for axis in ("num", "channels", "height", "width"))
            if legacy:
                assert array.shape == (blob.num, blob.channels, blob.height, blob.width)
            elif blob.HasField("shape") or len(blob.data) == 1:
                assert array.shape == tuple(blob.shape.dim)
            values = np.array(blob.double_data or blob.data, np.float32)
            np.testing.assert_array_equal(array.ravel().view("u4"), values.view("u4"))
            assert array.dtype == np.float32
            assert array.flags.c_contiguous
            assert not array.flags.writeable


def resident_bytes(kind="VmRSS"):
    """Memory in use; of kind RssFile, that which is pages of mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{kind}:")).split()[1])
