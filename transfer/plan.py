"""What is trained, in which order, at which rates: stages, as presets or from a file.

The field's rule (Stanford's CS231n, and Caffe's own fine-tuning examples): about a tenth of the
original rate for a new classifier, a hundredth for layers that are only tuned.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import yaml

from zoo.errors import UsageError, did_you_mean

__all__ = ["ORIGINAL_RATE", "PRESETS", "Group", "Plan", "Stage", "preset"]

ORIGINAL_RATE = 0.04
"""Assumed where nothing says what a model was trained at; 0.01 to 0.1 is usual."""

PRESETS = ("two-stage", "head", "all", "scratch", "last:K", "first:K", "gradual")
_SCHEDULES = ("step", "cosine", "poly", "fixed")
_SOLVERS = ("SGD", "Nesterov", "Adam", "AdaGrad", "RMSProp", "AdaDelta")


@dataclass(frozen=True)
class Group:
    """Layers that share a rate.

    Attributes
    ----------
    layers : names or patterns (``fire*``) of layers or of the blobs that they make; ``head`` is the
        new classifier.
    rate : of their weights; biases keep the ratio that `lr_mult` gives them. 0 freezes.
    """

    layers: tuple[str, ...]
    rate: float


@dataclass(frozen=True)
class Stage:
    """One part of the training.

    Attributes
    ----------
    name : what it is called in the log.
    cached : only the classifier, on features that are computed once.
    groups : rates of layers; the first group that fits a layer counts.
    depths : (parts, spread) cuts the layers with params into so many parts by depth; the last has
        `rate`, the first `rate / spread`, those between lie on a geometric scale.
    rate : of the head and of `depths`; with neither groups nor depths the solver's `base_lr`, which
        each param multiplies by its `lr_mult`.
    epochs, batch_size : passes over the data, and rows in a batch.
    solver, momentum, weight_decay : one of Caffe's six, and its numbers.
    schedule, cut, gamma : "step" multiplies the rate by `gamma` after the share `cut` of the
        epochs; "cosine" and "poly" (power 1) fall to 0; "fixed" stays.
    warm_up : epochs in which the rate rises from 0.
    clip : the largest norm that all gradients may have together; 0 for any.
    label_smoothing : the share of each label that is spread over all classes.
    balance : whether rare classes count more, so that all count the same.
    dropout : ratio for the Dropout layers; None leaves what the definition says.
    batch_norm : "stored" keeps the statistics; "batch" learns those of layers that are not frozen.
    precision : "mixed" computes in bfloat16 and keeps weights and updates in float32, which is
        faster on a GPU of NVIDIA's compute capability 8 or more, and on a CPU that has bfloat16;
        validation is in full precision.
    average : what is judged and kept is an average of the weights of all steps, in which those of
        a step count for this much of those of the next (0.98: the last fifty or so); 0 for the
        weights as they are. It loses the noise of high rates and few pictures (Polyak & Juditsky
        1992; Izmailov et al. 2018).
    patience : epochs without a better validation before it stops, counted from the cut of a "step"
        schedule; 0 for never.
    mirror, crop, scale, colour : see `zoo.transfer.augment.Augment`.
    """

    name: str
    cached: bool = False
    groups: tuple[Group, ...] = ()
    depths: tuple[int, float] | None = None
    rate: float = ORIGINAL_RATE / 100
    epochs: int = 40
    batch_size: int = 32
    solver: str = "SGD"
    momentum: float = 0.9
    weight_decay: float = 0.0005
    schedule: str = "step"
    cut: float = 0.7
    gamma: float = 0.1
    warm_up: float = 0.0
    clip: float = 0.0
    label_smoothing: float = 0.0
    balance: bool = False
    dropout: float | None = None
    batch_norm: str = "stored"
    precision: str = "full"
    average: float = 0.0
    patience: int = 10
    mirror: bool = True
    crop: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    colour: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (
            ("schedule", _SCHEDULES),
            ("solver", _SOLVERS),
            ("batch_norm", ("stored", "batch")),
            ("precision", ("full", "mixed")),
        ):
            value = getattr(self, name)
            if value not in known:
                raise self._wrong(name, f"one of {', '.join(known)}", value)
        for name in ("epochs", "batch_size"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise self._wrong(name, "a whole number of 1 or more", getattr(self, name))
        rates = [("rate", self.rate), *(("rate", group.rate) for group in self.groups)]
        for name, value in [*rates, ("weight_decay", self.weight_decay), ("clip", self.clip)]:
            if not 0 <= value < float("inf"):
                raise self._wrong(name, "a number of 0 or more", value)
        for name in ("label_smoothing", "momentum", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise self._wrong(name, "a number from 0 to below 1", getattr(self, name))

    def _wrong(self, name: str, expected: str, received: object) -> UsageError:
        return UsageError(
            f"stage {self.name!r}: {name}: expected {expected}, received {received!r}"
        )

    def factor(self, epoch: float) -> float:
        """What rates are multiplied by at a time, in epochs from the beginning of the stage."""
        done = min(epoch / self.epochs, 1.0)
        rising = min(1.0, epoch / self.warm_up) if self.warm_up else 1.0
        if self.schedule == "step":
            return rising * (self.gamma if done >= self.cut else 1.0)
        if self.schedule == "cosine":
            return rising * (1 + math.cos(math.pi * done)) / 2
        return rising * (1 - done if self.schedule == "poly" else 1.0)


@dataclass(frozen=True)
class Plan:
    """The stages of a run.

    Attributes
    ----------
    stages : in their order.
    scratch : begin with fresh weights everywhere instead of the model's.
    """

    stages: tuple[Stage, ...]
    scratch: bool = False

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UsageError(
                f"two stages are called {twice[0]!r}; the log could not tell them apart"
            )

    def with_settings(self, **settings: Any) -> Plan:
        """The same with other settings in all stages that train through the net."""
        given = {name: value for name, value in settings.items() if value is not None}
        stages = tuple(stage if stage.cached else replace(stage, **given) for stage in self.stages)
        return replace(self, stages=stages)

    def to_yaml(self) -> str:
        """The file that `zoo.transfer.plan_file.read_plan` reads."""
        stages = []
        for stage in self.stages:
            entry = {
                f.name: value
                for f in fields(stage)
                if (value := getattr(stage, f.name)) != f.default and f.name != "groups"
            }
            if stage.groups:
                entry["groups"] = [
                    {**asdict(group), "layers": list(group.layers)} for group in stage.groups
                ]
            stages.append({key: list(v) if isinstance(v, tuple) else v for key, v in entry.items()})
        document = {"scratch": True} if self.scratch else {}
        return yaml.safe_dump({**document, "stages": stages}, sort_keys=False)


def preset(name: str = "two-stage", original_rate: float = ORIGINAL_RATE) -> Plan:
    """One of the plans of the field.

    Parameters
    ----------
    name : "two-stage", first the classifier on cached features, then everything (LP-FT); "head",
        the first of these alone; "all", everything at once from a fresh classifier, at the rates of
        Caffe's fine-tuning; "scratch", everything from fresh weights; "last:K" and "first:K", as
        "two-stage" but only the last or first of K parts of the net by depth ("surgical");
        "gradual", the last third, then two thirds, then all.
    original_rate : what the model was trained at.

    Examples
    --------
    >>> [stage.name for stage in preset("two-stage").stages]
    ['head', 'all']
    """
    head = Stage("head", cached=True)
    top, rest = original_rate / 10, original_rate / 100
    kind, _, count = name.partition(":")
    if name == "head":
        return Plan((head,))
    if name == "two-stage":
        return Plan((head, _tuning("all", "*", top, rest)))
    if name == "all":
        return Plan((Stage("all", rate=rest),))
    if name == "scratch":
        return Plan((Stage("scratch", groups=(Group(("*",), original_rate),)),), scratch=True)
    if kind in ("first", "last") and count.isdecimal() and int(count) > 1:
        return Plan((head, _tuning(name, f"{kind}:{count}", top, rest)))
    if name == "gradual":
        stages = [
            replace(_tuning(title, part, top, rest), epochs=epochs)
            for title, part, epochs in (
                ("last third", "last:3", 10),
                ("last two thirds", "last:3/2", 10),
                ("all", "*", 20),
            )
        ]
        return Plan((head, *stages))
    raise UsageError(
        f"there is no plan {name!r}.{did_you_mean(name, PRESETS)} The plans are"
        f" {', '.join(PRESETS)}, or a file of stages."
    )


def _tuning(name: str, layers: str, top: float, rest: float) -> Stage:
    """A stage behind a trained classifier.

    Small batches make the weights jump about, which keeps a few hundred pictures from being learned
    by heart; their average, over three epochs of 500 pictures, is better than any of them.
    """
    groups = (Group(("head",), top), Group((layers,), rest))
    return Stage(name, groups=groups, rate=rest, epochs=24, batch_size=16, average=0.99)
