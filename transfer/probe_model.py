"""A probe as a model: the source up to the blob, then the linear classifier as its head.

The head is made of Caffe's own layers: a global Pooling where features were pooled, an
InnerProduct and a Softmax. Scaling is folded into its weights. The directory has what every model
has: definition, weights, labels, and a readme with the input section, the licence and the citation
of the source, so that `zoo classify` and `zoo publish` take it as any other.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zoo.build.model import needed_layers
from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter, PoolingParameter
from zoo.errors import UnavailableError, UsageError
from zoo.layers.kind import count
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.registry.card import Card
from zoo.registry.contents import weights_file
from zoo.registry.hashes import hash_file
from zoo.transfer.licence_files import copy_licence
from zoo.transfer.new_output import check_new_folder
from zoo.transfer.probe import BlobProbe, LinearClassifier, ProbeResult

__all__ = ["probe_net", "save_probe"]

_NAMES = {"logreg": "logistic regression", "svm": "a linear SVM"}


def probe_net(net: Net, blob: str, linear: LinearClassifier, pool: str = "avg") -> Net:
    """The layers that make a blob, with a linear classifier on it.

    Raises
    ------
    UsageError
        When Caffe has no layer that pools the blob as its features were.
    """
    definition = NetParameter(name=f"{net.name}, {blob}, linear")
    for layer in needed_layers(net, [blob]):
        definition.layer.append(copy_without(layer.definition, "blobs"))
    params = {
        layer.name: net.params[layer.name]
        for layer in needed_layers(net, [blob])
        if layer.name in net.params
    }
    taken = {name for layer in net.layers for name in (layer.name, *layer.tops)}
    bottom = blob
    shape = net.blobs[blob] or ()
    if pool != "none" and count(shape[2:]) > 1:
        if len(shape) != 4:
            raise UsageError(
                f"blob {blob!r} has the shape {shape}; a pooled head needs one of four axes. Probe"
                " it with --pool none to keep the result as a model."
            )
        bottom = _free("probe_pool", taken)
        definition.layer.append(_pooling(blob, bottom, pool))
    scores = _free("probe", taken)
    head = LayerParameter(name=scores, type="InnerProduct", bottom=[bottom], top=[scores])
    head.inner_product_param.num_output = len(linear.bias)
    top = _free("prob", taken)
    softmax = LayerParameter(name=top, type="Softmax", bottom=[scores], top=[top])
    definition.layer.extend([head, softmax])
    params[scores] = [linear.weights.astype(np.float32), linear.bias.astype(np.float32)]
    return Net(definition, params, shapes=net.inputs)


def save_probe(
    directory: str | Path,
    model: LoadedModel,
    result: ProbeResult,
    probe: BlobProbe | None = None,
) -> Path:
    """Write a probe, by default the best, as a model directory.

    Raises
    ------
    UsageError
        When there is something in the directory already.
    """
    directory, probe = Path(directory), probe or result.best
    check_new_folder(directory)
    net = probe_net(model.net, probe.blob, probe.linear, result.pool)
    temporary = directory.with_name(f".{directory.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        temporary.mkdir(parents=True)
        weights = f"{directory.resolve().name}.caffemodel"
        net.save(temporary / "deploy.prototxt", temporary / weights)
        labels = "".join(f"{name}\n" for name in result.classes)
        (temporary / "labels.txt").write_text(labels, encoding="utf-8")
        copy_licence(model.directory, temporary)
        text = _readme(directory.resolve().name, temporary / weights, model, result, probe)
        (temporary / "readme.md").write_text(text, encoding="utf-8")
        if directory.exists():
            directory.rmdir()
        os.replace(temporary, directory)
    except OSError as error:
        raise UnavailableError(
            f"{directory} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return directory


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, or the first of its numbered kin that the network does not use."""
    candidates = (name if number == 1 else f"{name}_{number}" for number in range(1, 1000))
    return next(candidate for candidate in candidates if candidate not in taken)


def _pooling(bottom: str, top: str, pool: str) -> LayerParameter:
    layer = LayerParameter(name=top, type="Pooling", bottom=[bottom], top=[top])
    layer.pooling_param.pool = PoolingParameter.AVE if pool == "avg" else PoolingParameter.MAX
    layer.pooling_param.global_pooling = True
    return layer


def _readme(
    name: str, weights: Path, model: LoadedModel, result: ProbeResult, probe: BlobProbe
) -> str:
    hashes = hash_file(weights)
    front: dict[str, Any] = {
        "name": name,
        "task": "classification",
        "caffemodel": weights.name,
        "sha1": hashes.sha1,
        "sha256": hashes.sha256,
        "size_bytes": hashes.size,
        "license": model.card.license,
        "derived_from": _source(model),
        "input": model.spec and {k: v for k, v in model.spec.to_mapping().items() if k != "labels"},
        "labels": "labels.txt",
    }
    header = yaml.safe_dump(
        {key: value for key, value in front.items() if value is not None},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    text = f"---\n{header}---\n{_body(model, result, probe)}"
    Card.parse(text, "readme.md")
    return text


def _source(model: LoadedModel) -> str:
    names = sorted(path.name for path in model.directory.iterdir() if path.is_file())
    weights = weights_file(names, model.card)
    if weights is None:
        return model.name
    return f"{model.name}@sha1:{hash_file(model.directory / weights).sha1}"


def _body(model: LoadedModel, result: ProbeResult, probe: BlobProbe) -> str:
    counts = ", ".join(
        f"{name} {count}" for name, count in zip(result.classes, result.counts, strict=True)
    )
    pooled = {"avg": ", averaged over its plane", "max": ", the maximum over its plane"}
    folds = f"{probe.accuracy:.1%} ± {probe.spread:.1%}"
    rows = [f"| {len(probe.folds)}-fold cross-validation | {result.rows} | {folds} |"]
    if probe.validation is not None:
        rows.append(f"| validation data | {result.validation_rows} | {probe.validation:.1%} |")
    rows.append(f"| chance (the largest class) | {result.rows} | {result.chance:.1%} |")
    results = "\n".join(rows)
    margins = (
        "\nIts scores rank the classes; they are a softmax of margins and no calibrated"
        " probabilities.\n"
        if result.classifier == "svm"
        else ""
    )
    return f"""
A linear classifier ({_NAMES[result.classifier]}, C = {probe.C:g}) on the blob `{probe.blob}` of
{model.name}{pooled.get(result.pool, "")}: {probe.size} features. All layers below are those of
{model.name}, unchanged. Trained on {result.rows} pictures of {len(result.classes)} classes:
{counts}.
{margins}
## Results

| measured on | pictures | accuracy |
|---|---|---|
{results}

## License

That of {model.name}, from which all but the last layer comes: {model.card.license or "not stated"}.
The terms of the training data count too.

## Citation

{model.card.citation or f"{model.name} states none."}
"""
