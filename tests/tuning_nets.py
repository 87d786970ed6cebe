"""Small nets with a fresh classifier, one step of training at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.net import Net
from zoo.surgery.head import Head, replace_head
from zoo.transfer.plan import Group, Stage
from zoo.transfer.rates import param_rates
from zoo.transfer.tuning.training import Trainer

__all__ = ["CLASSES", "ROWS", "change", "plain_stage", "small_net", "trainer_of"]

CLASSES = 3
_TEXT = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
%s
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
"""


def small_net(between: str = "") -> tuple[Net, Head]:
    """Convolution, what is given, ReLU, and a classifier of three."""
    definition = text_format.Parse(_TEXT % between, NetParameter())
    return replace_head(Net(definition).initialized(seed=1), CLASSES, seed=2)


def rows() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 6, 6, 2)).astype(np.float32), np.arange(8) % CLASSES


ROWS = rows()


def plain_stage(**settings: Any) -> Stage:
    """Gradient descent with nothing else: a step is the rate times the gradient."""
    plain = Stage(
        "plain",
        groups=(Group(("*",), 0.1),),
        schedule="fixed",
        momentum=0.0,
        weight_decay=0.0,
    )
    return replace(plain, **settings)


def trainer_of(
    net: Net, head: Head, stage: Stage, weights: NDArray[np.float32] | None = None
) -> Trainer:
    """What trains the net; all classes count the same without `weights`."""
    if weights is None:
        weights = np.ones(CLASSES, np.float32)
    return Trainer(net, head.scores, stage, param_rates(net, head, stage), weights)


def change(before: Net, after: Net) -> NDArray[np.float64]:
    """All that has changed, in one row."""
    return np.concatenate(
        [
            (new.astype(np.float64) - old).ravel()
            for layer, blobs in before.params.items()
            for old, new in zip(blobs, after.params[layer], strict=True)
        ]
    )
