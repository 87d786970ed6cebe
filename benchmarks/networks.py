"""The networks that are measured: their definitions, and random weights for them.

The definitions are those of the papers in the form that Caffe's model zoo made known, written here
so that the benchmarks need no download. Weights are drawn so that values neither vanish nor grow
(He et al. 2015), which is what makes outputs comparable; speed does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.exports.onnx_model import onnx_model
from zoo.net import Net

__all__ = ["NETWORKS", "network", "write"]

# outputs of: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Definition:
    """A definition under construction: each layer reads what the one before it made."""

    def __init__(self, name: str, size: int, divisor: int = 1) -> None:
        self.net, self.divisor = NetParameter(name=name), divisor
        data = self.net.layer.add(name="data", type="Input", top=["data"])
        data.input_param.shape.add(dim=[1, 3, size, size])
        self.top = "data"

    def add(self, name: str, kind: str, *bottoms: str, in_place: bool = False) -> LayerParameter:
        """A layer over the given bottoms, or over what was made last."""
        bottoms = bottoms or (self.top,)
        self.top = bottoms[0] if in_place else name
        return self.net.layer.add(name=name, type=kind, bottom=bottoms, top=[self.top])

    def convolution(
        self,
        name: str,
        outputs: int,
        kernel: int,
        stride: int = 1,
        pad: int = 0,
        group: int = 1,
        bias: bool = True,
    ) -> None:
        """A convolution alone."""
        param = self.add(name, "Convolution").convolution_param
        param.num_output, param.group, param.bias_term = outputs // self.divisor, group, bias
        param.kernel_size.append(kernel)
        param.stride.append(stride)
        param.pad.append(pad)
        param.weight_filler.type = "msra"

    def rectified(self, name: str, outputs: int, kernel: int, **settings: int) -> str:
        """A convolution and its ReLU; returns the blob."""
        self.convolution(name, outputs, kernel, **settings)
        self.add(f"relu_{name}", "ReLU", in_place=True)
        return self.top

    def normalised(
        self,
        name: str,
        outputs: int,
        kernel: int,
        relu: bool = True,
        bias: bool = False,
        **settings: int,
    ) -> str:
        """A convolution, its BatchNorm and Scale, and its ReLU if `relu`; returns the blob."""
        self.convolution(name, outputs, kernel, bias=bias, **settings)
        self.add(f"bn_{name}", "BatchNorm", in_place=True)
        self.add(f"scale_{name}", "Scale", in_place=True).scale_param.bias_term = True
        if relu:
            self.add(f"relu_{name}", "ReLU", in_place=True)
        return self.top

    def pool(self, name: str, kernel: int, stride: int, pad: int = 0, average: bool = False) -> str:
        """A pooling; kernel 0 stands for the whole picture. Returns the blob."""
        param = self.add(name, "Pooling").pooling_param
        param.pool = param.AVE if average else param.MAX
        if kernel:
            param.kernel_size, param.stride, param.pad = kernel, stride, pad
        else:
            param.global_pooling = True
        return self.top

    def normalise(self, name: str) -> None:
        """Local response normalisation as AlexNet and GoogLeNet have it."""
        param = self.add(name, "LRN").lrn_param
        param.local_size, param.alpha, param.beta = 5, 1e-4, 0.75

    def inner_product(self, name: str, outputs: int, rectify: bool = False) -> None:
        """A matrix product, with a ReLU and a Dropout behind it if `rectify`."""
        param = self.add(name, "InnerProduct").inner_product_param
        param.num_output = outputs // self.divisor
        param.weight_filler.type = "msra"
        if rectify:
            self.add(f"relu_{name}", "ReLU", in_place=True)
            self.add(f"drop_{name}", "Dropout", in_place=True)


def squeezenet() -> NetParameter:
    """SqueezeNet v1.0 (Iandola et al. 2016)."""
    net = Definition("SqueezeNet", 227)
    net.rectified("conv1", 96, 7, stride=2)
    net.pool("pool1", 3, 2)
    for number, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        squeezed = net.rectified(f"fire{number}_squeeze", squeeze, 1)
        one = net.rectified(f"fire{number}_expand1x1", 4 * squeeze, 1)
        net.top = squeezed
        three = net.rectified(f"fire{number}_expand3x3", 4 * squeeze, 3, pad=1)
        net.add(f"fire{number}_concat", "Concat", one, three)
        if number in (4, 8):
            net.pool(f"pool{number}", 3, 2)
    net.add("drop9", "Dropout", in_place=True)
    net.rectified("conv10", 1000, 1, pad=1)
    net.pool("pool10", 0, 1, average=True)
    net.add("prob", "Softmax")
    return net.net


def alexnet(divisor: int = 1) -> NetParameter:
    """AlexNet (Krizhevsky et al. 2012), with every number of outputs divided."""
    net = Definition("AlexNet", 227, divisor)
    net.rectified("conv1", 96, 11, stride=4)
    net.normalise("norm1")
    net.pool("pool1", 3, 2)
    net.rectified("conv2", 256, 5, pad=2, group=2)
    net.normalise("norm2")
    net.pool("pool2", 3, 2)
    net.rectified("conv3", 384, 3, pad=1)
    net.rectified("conv4", 384, 3, pad=1, group=2)
    net.rectified("conv5", 256, 3, pad=1, group=2)
    net.pool("pool5", 3, 2)
    net.inner_product("fc6", 4096, rectify=True)
    net.inner_product("fc7", 4096, rectify=True)
    net.inner_product("fc8", 1000)
    net.add("prob", "Softmax")
    return net.net


def googlenet() -> NetParameter:
    """GoogLeNet (Szegedy et al. 2014) without its two training-time classifiers."""
    net = Definition("GoogLeNet", 224)
    net.rectified("conv1", 64, 7, stride=2, pad=3)
    net.pool("pool1", 3, 2)
    net.normalise("norm1")
    net.rectified("conv2_reduce", 64, 1)
    net.rectified("conv2", 192, 3, pad=1)
    net.normalise("norm2")
    net.pool("pool2", 3, 2)
    for name, (one, reduce3, three, reduce5, five, projection) in INCEPTIONS.items():
        if name in ("4a", "5a"):
            net.pool(f"pool{int(name[0]) - 1}", 3, 2)
        bottom, prefix = net.top, f"inception_{name}"
        parts = [net.rectified(f"{prefix}_1x1", one, 1)]
        for kernel, reduce, outputs in ((3, reduce3, three), (5, reduce5, five)):
            net.top = bottom
            net.rectified(f"{prefix}_{kernel}x{kernel}_reduce", reduce, 1)
            pad = kernel // 2
            parts.append(net.rectified(f"{prefix}_{kernel}x{kernel}", outputs, kernel, pad=pad))
        net.top = bottom
        net.pool(f"{prefix}_pool", 3, 1, pad=1)
        parts.append(net.rectified(f"{prefix}_projection", projection, 1))
        net.add(prefix, "Concat", *parts)
    net.pool("pool5", 7, 1, average=True)
    net.add("drop5", "Dropout", in_place=True)
    net.inner_product("classifier", 1000)
    net.add("prob", "Softmax")
    return net.net


def resnet50() -> NetParameter:
    """ResNet-50 (He et al. 2015), with the strides in the first convolution of a block."""
    net = Definition("ResNet-50", 224)

    def branch(name: str, outputs: int, kernel: int, stride: int = 1, relu: bool = True) -> str:
        return net.normalised(name, outputs, kernel, stride=stride, pad=kernel // 2, relu=relu)

    net.normalised("conv1", 64, 7, stride=2, pad=3, bias=True)
    net.pool("pool1", 3, 2)
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), 2):
        for block in range(blocks):
            prefix, bottom = f"res{stage}{'abcdef'[block]}", net.top
            stride = 2 if block == 0 and stage > 2 else 1
            if block == 0:
                shortcut = branch(f"{prefix}_branch1", 4 * width, 1, stride, relu=False)
            else:
                shortcut = bottom
            net.top = bottom
            branch(f"{prefix}_branch2a", width, 1, stride)
            branch(f"{prefix}_branch2b", width, 3)
            last = branch(f"{prefix}_branch2c", 4 * width, 1, relu=False)
            net.add(prefix, "Eltwise", shortcut, last)
            net.add(f"{prefix}_relu", "ReLU", in_place=True)
    net.pool("pool5", 7, 1, average=True)
    net.inner_product("fc1000", 1000)
    net.add("prob", "Softmax")
    return net.net


def vgg16() -> NetParameter:
    """VGG with 16 layers (Simonyan and Zisserman 2014)."""
    net = Definition("VGG16", 224)
    for stage, (layers, outputs) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for number in range(1, layers + 1):
            net.rectified(f"conv{stage}_{number}", outputs, 3, pad=1)
        net.pool(f"pool{stage}", 2, 2)
    net.inner_product("fc6", 4096, rectify=True)
    net.inner_product("fc7", 4096, rectify=True)
    net.inner_product("fc8", 1000)
    net.add("prob", "Softmax")
    return net.net


def mobilenet() -> NetParameter:
    """MobileNet v1 (Howard et al. 2017), a group for each channel in its depthwise layers."""
    net = Definition("MobileNet", 224)
    net.normalised("conv1", 32, 3, stride=2, pad=1)
    channels = 32
    for number, (outputs, stride) in enumerate(
        (
            (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
            *[(512, 1)] * 5, (1024, 2), (1024, 1),
        ),
        2,
    ):  # fmt: skip
        net.normalised(f"conv{number}_dw", channels, 3, stride=stride, pad=1, group=channels)
        net.normalised(f"conv{number}_sep", outputs, 1)
        channels = outputs
    net.pool("pool6", 0, 1, average=True)
    net.convolution("fc7", 1000, 1)
    net.add("prob", "Softmax")
    return net.net


NETWORKS: dict[str, Callable[[], NetParameter]] = {
    "SqueezeNet": squeezenet,
    "AlexNet": alexnet,
    "GoogLeNet": googlenet,
    "ResNet-50": resnet50,
    "VGG16": vgg16,
    "MobileNet": mobilenet,
}


def network(definition: NetParameter) -> Net:
    """The network of a definition, with random weights."""
    net = Net(definition).initialized()
    random = np.random.default_rng(0)
    params = {}
    for layer in net.layers:
        shapes = layer.param_shapes
        if layer.type == "BatchNorm":
            mean, variance = random.normal(0, 0.1, shapes[0]), random.uniform(0.5, 1.5, shapes[1])
            params[layer.name] = [mean, variance, np.ones(1)]
        elif layer.type == "Scale":
            params[layer.name] = [
                random.uniform(0.3, 0.8, shapes[0]),
                random.normal(0, 0.1, shapes[1]),
            ]
        elif len(shapes) == 2:
            params[layer.name] = [net.params[layer.name][0], random.normal(0, 0.1, shapes[1])]
    return net.with_params(
        {name: [blob.astype(np.float32) for blob in blobs] for name, blobs in params.items()}
    )


def write(net: Net, folder: Path) -> None:
    """The network as net.prototxt with net.caffemodel, and as net.onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    net.save(folder / "net.prototxt", folder / "net.caffemodel")
    (folder / "net.onnx").write_bytes(onnx_model(net).SerializeToString())
