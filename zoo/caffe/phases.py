"""Which layers of a definition belong to a phase, a level and a set of stages.

Follows Net::FilterNet and Net::StateMeetsRule of Caffe (src/caffe/net.cpp): a layer without rules
is always there; one with `include` rules is there if any of them is met, one with `exclude` rules
unless any of them is met; a rule is met if everything that it says holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import (
    LayerParameter,
    NetParameter,
    NetState,
    NetStateRule,
    Phase,
)
from zoo.errors import NetError, UsageError

__all__ = ["filter_net", "layers_of_state"]

_PHASES = {"TRAIN": Phase.TRAIN, "TEST": Phase.TEST}


def filter_net(
    net: NetParameter,
    phase: str | None = "TEST",
    level: int | None = None,
    stages: Iterable[str] = (),
) -> NetParameter:
    """Keep the layers that a net has in one state.

    Parameters
    ----------
    net : a definition in the current format; it is not changed.
    phase : "TRAIN" or "TEST", in either case; None takes the phase of the file's `state`.
    level : for `min_level` and `max_level`; None takes the level of the file's `state`, or 0.
    stages : added to the stages of the file's `state`, as Caffe does.

    Returns
    -------
    A new message, without the layers that are not in that state. Nothing else differs: the rules
    of the layers that stay are still there.

    Raises
    ------
    NetError
        A layer has both include and exclude rules, or the net is in an old format.
    UsageError
        There is no such phase.

    Examples
    --------
    >>> from google.protobuf import text_format
    >>> net = text_format.Parse('''
    ...     layer { name: "conv1" }
    ...     layer { name: "loss" include { phase: TRAIN } }
    ...     layer { name: "prob" include { phase: TEST not_stage: "bare" } }
    ... ''', NetParameter())
    >>> [layer.name for layer in filter_net(net, "TEST").layer]
    ['conv1', 'prob']
    >>> [layer.name for layer in filter_net(net, "TEST", stages=["bare"]).layer]
    ['conv1']
    """
    if net.layers:
        raise NetError(
            f"the net has {len(net.layers)} `layers` in an old format; upgrade() it before"
            " choosing a phase."
        )
    belong = layers_of_state(net, phase, level, stages)
    filtered = copy_without(net, "layer")
    filtered.layer.extend(itertools.compress(net.layer, belong))
    return filtered


def layers_of_state(
    net: NetParameter,
    phase: str | None = "TEST",
    level: int | None = None,
    stages: Iterable[str] = (),
) -> list[bool]:
    """For each layer whether the net has it in a state, see `filter_net`."""
    state = _state(net, phase, level, stages)
    return [_belongs(layer, state) for layer in net.layer]


def _state(
    net: NetParameter, phase: str | None, level: int | None, stages: Iterable[str]
) -> NetState:
    """The state of the file with what the caller says on top of it."""
    state = NetState()
    state.CopyFrom(net.state)
    if phase is not None:
        if phase.upper() not in _PHASES:
            raise UsageError(f"no phase {phase!r}; expected TRAIN or TEST.")
        state.phase = _PHASES[phase.upper()]
    if level is not None:
        state.level = level
    state.stage.extend(stages)
    return state


def _belongs(layer: LayerParameter, state: NetState) -> bool:
    if layer.include and layer.exclude:
        raise NetError(
            "has both include and exclude rules; Caffe takes one kind or the other. Put what"
            " exclude says into the include rules (not_stage, phase, min_level, max_level).",
            layer.name or "(no name)",
        )
    if layer.include:
        return any(_meets(state, rule) for rule in layer.include)
    return not any(_meets(state, rule) for rule in layer.exclude)


def _meets(state: NetState, rule: NetStateRule) -> bool:
    """Whether everything that the rule says holds; a rule that says nothing is met."""
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stage for stage in rule.stage)
        and not any(stage in state.stage for stage in rule.not_stage)
    )
