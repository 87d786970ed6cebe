"""What is trained, in which order, at which rates: the stages of a plan."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

import yaml

from zoo.errors import UsageError

__all__ = ["ORIGINAL_RATE", "Group", "Plan", "Stage"]

ORIGINAL_RATE = 0.04
"""Assumed where nothing says what a model was trained at; 0.01 to 0.1 is usual."""

_CHOICES = {
    "schedule": ("step", "cosine", "poly", "fixed"),
    "solver": ("SGD", "Nesterov", "Adam", "AdaGrad", "RMSProp", "AdaDelta"),
    "batch_norm": ("stored", "batch"),
    "precision": ("full", "mixed"),
}
_WHOLE = {"epochs": 1, "batch_size": 1, "patience": 0}  # the least of each
_FLAGS = ("cached", "balance", "mirror", "crop")
_SHARES = ("label_smoothing", "momentum", "average", "dropout", "colour")
_AMOUNTS = ("rate", "weight_decay", "clip", "gamma", "warm_up", "mixup")


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
        epochs, or after each of several; "cosine" and "poly" (power 1) fall to 0; "fixed" stays.
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
    mixup : pictures are mixed in pairs, and their losses with them, by a share that is drawn from
        Beta(mixup, mixup) for each batch (Zhang et al. 2018); 0 for not.
    patience : epochs without a better validation before it stops, counted from the last cut of a
        "step" schedule; 0 for never.
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
    cut: float | tuple[float, ...] = 0.7
    gamma: float = 0.1
    warm_up: float = 0.0
    clip: float = 0.0
    label_smoothing: float = 0.0
    balance: bool = False
    dropout: float | None = None
    batch_norm: str = "stored"
    precision: str = "full"
    average: float = 0.0
    mixup: float = 0.0
    patience: int = 10
    mirror: bool = True
    crop: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    colour: float = 0.0

    def __post_init__(self) -> None:
        self._require("name", isinstance(self.name, str) and self.name != "", "a name")
        for name, known in _CHOICES.items():
            self._require(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            fits = isinstance(value, Integral) and _is_number(value, least)
            self._require(name, fits, f"a whole number of {least} or more")
        for name in _FLAGS:
            self._require(name, isinstance(getattr(self, name), bool), "true or false")
        for name in _SHARES:
            value = getattr(self, name)
            fits = _is_number(value, 0) and value < 1 or (name == "dropout" and value is None)
            self._require(name, fits, "a number from 0 to below 1")
        for name in _AMOUNTS:
            self._require(name, _is_number(getattr(self, name), 0), "a number of 0 or more")
        fits = all(_is_number(cut, 0) and cut <= 1 for cut in self.cuts)
        self._require("cut", fits, "a number from 0 to 1, or a list of them")
        self._check_pairs()
        self._check_groups()

    def _check_pairs(self) -> None:
        low, high = _pair(self.scale)
        fits = _is_number(low, 0) and _is_number(high, low) and low > 0
        self._require("scale", fits, "two numbers above 0, the least and the most")
        if self.depths is not None:
            parts, spread = _pair(self.depths)
            whole = isinstance(parts, Integral) and _is_number(parts, 1)
            fits = whole and _is_number(spread, 0) and spread > 0
            self._require("depths", fits, "two numbers, the parts and the spread of their rates")

    def _check_groups(self) -> None:
        for group in self.groups:
            if not _is_number(group.rate, 0):
                raise self._wrong("rate", "a number of 0 or more", group.rate)
        if self.cached and (self.groups or self.depths):
            raise UsageError(
                f"stage {self.name!r}: trains the classifier alone, on features; groups and depths"
                " are for stages that train through the net (without train: head)"
            )

    def _require(self, name: str, fits: bool, expected: str) -> None:
        if not fits:
            raise self._wrong(name, expected, getattr(self, name))

    def _wrong(self, name: str, expected: str, received: object) -> UsageError:
        return UsageError(
            f"stage {self.name!r}: {name}: expected {expected}, received {received!r}"
        )

    @property
    def cuts(self) -> tuple[float, ...]:
        """The shares of the epochs after which a "step" schedule lowers the rates."""
        return tuple(self.cut) if isinstance(self.cut, tuple | list) else (self.cut,)

    def factor(self, epoch: float) -> float:
        """What rates are multiplied by at a time, in epochs from the beginning of the stage."""
        done = min(epoch / self.epochs, 1.0)
        rising = min(1.0, epoch / self.warm_up) if self.warm_up else 1.0
        if self.schedule == "step":
            return rising * self.gamma ** sum(done >= cut for cut in self.cuts)
        if self.schedule == "cosine":
            return rising * (1 + math.cos(math.pi * done)) / 2
        return rising * (1 - done if self.schedule == "poly" else 1.0)


def _is_number(value: Any, least: float) -> bool:
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and least <= float(value) < float("inf")


def _pair(value: Any) -> tuple[Any, Any]:
    """Both of two values; None for each where there are not two."""
    return tuple(value) if isinstance(value, tuple | list) and len(value) == 2 else (None, None)


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
