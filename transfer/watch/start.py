"""Watchers for the two ways to train: a solver of Caffe's, and a stage of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ZooError
from zoo.net import Net
from zoo.transfer.watch.course import Course, Labels
from zoo.transfer.watch.probe import Probe
from zoo.transfer.watch.subject import Subject, subject_of_head, subject_of_losses
from zoo.transfer.watch.watcher import Told, Watcher

if TYPE_CHECKING:
    from zoo.transfer.solver.step import TrainingStep
    from zoo.transfer.tuning.training import Trainer

__all__ = ["watch_solver", "watch_stage"]

_ROWS = 4


def watch_solver(step: TrainingStep, fresh: frozenset[str], told: Told) -> Watcher:
    """A watcher of a training as Caffe does it.

    Parameters
    ----------
    step : of the training.
    fresh : layers whose weights were not loaded.
    told : see `Watcher`.
    """
    net, model = step.plain_net, step.model
    subject = subject_of_losses(net, model.weights, fresh)
    probe = Probe(
        net,
        model.keras_model,
        model.starting,
        lambda ends, inputs: model.total(ends),
        _weights(net, {owner: model.variables[owner] for owner in model.learning}),
        scored=[each.scores for each in subject.classifiers],
        training=net.phase == "TRAIN",
        device=step.device,
    )
    return _watcher(subject, probe, told, sliceable=_is_sliceable(net))


def watch_stage(
    trainer: Trainer, net: Net, scores: str, fresh: frozenset[str], told: Told
) -> Watcher:
    """A watcher of a stage of fine-tuning.

    Parameters
    ----------
    trainer : what trains it.
    net : where it begins.
    scores : the blob that is trained; labels come under the name "label".
    fresh, told : as above.
    """
    subject = subject_of_head(net, scores, fresh)
    probe = Probe(
        subject.net,
        trainer.model,
        [trainer.model.output],
        lambda ends, inputs: trainer.loss(ends[0], inputs["label"]),
        _weights(subject.net, trainer.variables),
        scored=[each.scores for each in subject.classifiers],
    )
    stage = trainer.stage
    watcher = _watcher(subject, probe, told, label="label", stage=stage.name)
    watcher.course.balanced = stage.balance
    return watcher


def _watcher(
    subject: Subject,
    probe: Probe,
    told: Told,
    *,
    label: str = "",
    sliceable: bool = True,
    stage: str = "",
) -> Watcher:
    main = subject.main
    label = label or (main.labels if main is not None else "")
    labels = Labels(np.zeros(main.classes, np.int64)) if main is not None and label else None
    course = Course(subject, labels)
    return Watcher(course, probe, told, label=label, sliceable=sliceable, stage=stage)


def _weights(net: Net, variables: Mapping[tuple[str, int], Any]) -> dict[str, Any]:
    """By layer the variable of its weights, of those that learn: not biases, nor slopes."""
    return {
        layer: variable
        for (layer, index), variable in variables.items()
        if index == 0 and len(net.layer(layer).param_shapes[0]) > 1
    }


def _is_sliceable(net: Net) -> bool:
    """Whether the net takes fewer rows than its batch has, and keeps them apart from others."""
    sizes = {shape[0] for shape in net.inputs.values() if shape}
    if len(sizes) != 1 or any(not shape for shape in net.inputs.values()):
        return False
    (size,) = sizes
    try:
        smaller = Net(
            net.definition,
            phase=net.phase,
            shapes={name: (_ROWS, *shape[1:]) for name, shape in net.inputs.items()},
        )
    except ZooError:
        return False
    blobs = zip(net.blobs.values(), smaller.blobs.values(), strict=True)
    sizes_of_blobs = [((before or ())[:1], (after or ())[:1]) for before, after in blobs]
    return set(sizes_of_blobs) <= {((size,), (_ROWS,)), ((), ())}
