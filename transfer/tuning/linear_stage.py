"""The first stage: only the new classifier, on features that the rest of the net computes once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.predict import predictor
from zoo.net import Net
from zoo.surgery.head import Head, before_head
from zoo.transfer.plan import Stage
from zoo.transfer.tuning.feed import Feed
from zoo.transfer.tuning.softmax_regression import Linear, fit_linear

__all__ = ["head_features", "solved_head", "with_linear_head"]


def head_features(net: Net, head: Head, batches: Iterable[Any]) -> NDArray[np.float32]:
    """What the classifier is a linear function of, for each row.

    Parameters
    ----------
    net, head : what `replace_head` gave.
    batches : inputs, or pairs of inputs and labels, as a `Pipeline` gives them.

    Returns
    -------
    array of shape (rows, features), in Caffe's order of the blob.
    """
    before = before_head(net, head)
    run = predictor(before, [head.features])
    source = next(iter(before.inputs))
    found = []
    for batch in batches:
        inputs = batch[0] if isinstance(batch, tuple) else batch
        values = run.predict({source: inputs})[head.features]
        if head.averaged:
            values = values.mean(axis=(1, 2))
        elif values.ndim == 4:
            values = values.transpose(0, 3, 1, 2)
        found.append(values.reshape(len(values), -1))
    return np.concatenate(found)


def solved_head(feed: Feed, stage: Stage, net: Net) -> tuple[Net, Linear, NDArray[np.float32]]:
    """The net with the best linear classifier on its features; it, and the features."""
    batches = feed.train.pipeline(feed.spec, batch_size=stage.batch_size)
    length = -(-len(feed.train) // stage.batch_size)
    counted = feed.counted(batches, length, f"{stage.name}: computing features")
    features = head_features(net, feed.head, counted)
    feed.progress(f"{stage.name}: fitting the classifier", 0, 1)
    labels = np.asarray(feed.train.labels)
    linear = fit_linear(
        features,
        labels,
        feed.head.classes,
        row_weights=feed.class_weights(stage)[labels],
        seed=feed.seed,
    )
    return with_linear_head(net, feed.head, linear), linear, features


def with_linear_head(net: Net, head: Head, linear: Linear) -> Net:
    """The net with the weights that were found for its classifier."""
    shapes = net.param_shapes[head.layer]
    definition = net.layer(head.layer).definition
    turned = definition.type == "InnerProduct" and definition.inner_product_param.transpose
    weights = linear.weights.T if turned else linear.weights
    params = [np.ascontiguousarray(weights).reshape(shapes[0])]
    if len(shapes) > 1:
        params.append(linear.biases.reshape(shapes[1]))
    return net.with_params({head.layer: params})
