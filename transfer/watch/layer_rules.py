"""Rules about layers: dead and saturated units, gradients, the size of updates, equal weights."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from zoo.transfer.watch.course import Course
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.look import Look
from zoo.transfer.watch.words import listed, said

__all__ = [
    "dead_shares",
    "dead_units",
    "equal_weights",
    "gradients",
    "saturated_units",
    "update_sizes",
]

_AWAKE = 10  # iterations after which layers are judged
_ROWS = 16  # rows in which a unit must have been seen silent
_DEAD, _DIED = 0.8, 0.4  # share of a layer's units; the second where they lived at first
_SATURATED = 0.5
_FAINT, _STRONG = 1e-4, 1e4  # gradient of the first layers by that of the last
_SETTLED = 5  # iterations
_LARGE, _SMALL = 1e-2, 1e-4  # update by weight
_HUGE = 5e-2  # too large even if the loss falls


def dead_shares(course: Course) -> dict[str, float]:
    """By layer, the share of units that gave 0 in the latest looks, for rows enough to tell."""
    looks: list[Look] = []
    for look in reversed(course.looks):
        looks.insert(0, look)
        if sum(each.rows for each in looks) >= _ROWS:
            break
    else:
        return {}
    return {
        name: 1 - float(np.logical_or.reduce([look.active[name] for look in looks]).mean())
        for name in looks[-1].active
    }


def dead_units(course: Course) -> Iterator[Finding]:
    """Layers most of whose units give nothing but 0, whatever the row."""
    first = course.first_look
    shares = dead_shares(course)
    if first is None or course.count < _AWAKE:
        return
    dead = {}
    for name, share in shares.items():
        began = 1 - float(first.active[name].mean())
        if share >= _DEAD or (share >= _DIED and share - began >= _DIED / 2):
            dead[name] = share
    if not dead:
        return
    names = list(dead)
    yield Finding(
        "dead-units",
        f"units of {said(dead, '.0%')} are dead: they give 0 for every row, get no gradient, and"
        " will not come back.",
        (
            "Lower the learning rate to a tenth, and start again: large steps kill units.",
            "Start with weight_filler msra and biases of 0; normalise the input.",
            "Let the rate rise slowly at first (warm-up), or limit the gradient (clip_gradients).",
            "Take a ReLU with a slope below 0 (relu_param { negative_slope: 0.1 }), or PReLU.",
        ),
        course.iteration,
        names[0],
        dead,
        max(dead.values()) * len(dead),
    )


def saturated_units(course: Course) -> Iterator[Finding]:
    """Layers whose Sigmoid or TanH is at its ends, where nearly no gradient passes."""
    looks = list(course.looks)[-2:]
    if len(looks) < 2:
        return
    shares = {name: min(look.saturated[name] for look in looks) for name in looks[-1].saturated}
    stuck = {name: share for name, share in shares.items() if share > _SATURATED}
    if not stuck:
        return
    yield Finding(
        "saturated-units",
        f"values of {said(stuck, '.0%')} are at the ends of their range, where nearly no gradient"
        " passes.",
        (
            "Start with smaller weights before them: weight_filler xavier.",
            "Normalise the input: subtract the mean, divide by the standard deviation.",
            "Lower the learning rate to a tenth.",
            "Take ReLU instead, or put BatchNorm before them.",
        ),
        course.iteration,
        next(iter(stuck)),
        stuck,
        max(stuck.values()) * len(stuck),
    )


def gradients(course: Course) -> Iterator[Finding]:
    """Gradients that fade, or grow, on their way from the loss to the first layers."""
    looks = list(course.looks)[-2:]
    if len(looks) < 2 or len(looks[-1].gradients) < 2:
        return
    names = list(looks[-1].gradients)
    ratios = [_ratio(look, names) for look in looks]
    if not all(math.isfinite(each) for each in ratios):
        return
    numbers = {name: looks[-1].slope(name) for name in (names[0], names[-1])}
    if max(ratios) < _FAINT:
        yield Finding(
            "vanishing-gradients",
            f"the gradient fades on its way back: {looks[-1].slope(names[0]):.1g} a weight in"
            f" {names[0]}, {looks[-1].slope(names[-1]):.1g} in {names[-1]}, so that the first"
            " layers do not learn.",
            (
                "Take ReLU instead of Sigmoid and TanH.",
                "Start with larger weights: weight_filler xavier, or msra before a ReLU.",
                "Put BatchNorm behind the layers, or shortcuts around them.",
                "Start from trained weights, or train fewer layers at a time.",
            ),
            course.iteration,
            names[0],
            numbers,
            -math.log10(max(max(ratios), 1e-30)),
        )
    elif min(ratios) > _STRONG:
        yield Finding(
            "exploding-gradients",
            f"the gradient grows on its way back: {looks[-1].slope(names[-1]):.1g} a weight in"
            f" {names[-1]}, {looks[-1].slope(names[0]):.1g} in {names[0]}.",
            (
                "Limit the gradient: clip_gradients: 10 in the solver, clip: 10 in a plan.",
                "Start with smaller weights: weight_filler xavier, or msra before a ReLU.",
                "Lower the learning rate to a tenth.",
                "Put BatchNorm behind the layers.",
            ),
            course.iteration,
            names[0],
            numbers,
            math.log10(min(ratios)),
        )


def update_sizes(course: Course) -> Iterator[Finding]:
    """Updates should be about a thousandth of the weights."""
    began = course.first_look.iteration if course.first_look else 0
    # Fresh layers start near 0, and momentum from nothing: the first updates say little.
    looks = [look for look in course.looks if look.updates and look.iteration - began >= _SETTLED]
    if len(looks) < 3 or not any(look.updates for look in looks):
        return
    ratios = {
        name: float(np.median([look.updates[name] for look in looks if name in look.updates]))
        for name in looks[-1].updates
    }
    falls = course.is_falling()
    large = {name: ratio for name, ratio in ratios.items() if ratio > _LARGE}
    if falls and max(ratios.values()) < _HUGE:
        large = {}
    small = {name: ratio for name, ratio in ratios.items() if ratio < _SMALL}
    if large:
        yield Finding(
            "large-updates",
            f"each update changes the weights of {said(large, '.1%')} by that share of their size;"
            " about 0.1 % is right, and more than 1 % too much.",
            (
                f"Lower the rate of {listed(list(large))}: base_lr if it is all of them, else"
                " lr_mult.",
                "Lower momentum, or take larger batches.",
                "Start these layers with larger weights, if they began near 0.",
            ),
            course.iteration,
            max(large, key=lambda each: large[each]),
            large,
            max(large.values()) * 100,
        )
    if len(small) > len(ratios) / 2 and not falls:
        yield Finding(
            "small-updates",
            f"each update changes the weights of {said(small, '.0e')} by that share of their size;"
            " about 1e-3 is right, and less than 1e-4 too little to learn.",
            (
                "Raise the learning rate (base_lr), ten times at first.",
                f"Look at lr_mult of {listed(list(small))}.",
                "Start these layers with smaller weights, if they began large.",
            ),
            course.iteration,
            min(small, key=lambda each: small[each]),
            small,
        )


def equal_weights(course: Course) -> Iterator[Finding]:
    """Layers that began with the same weights for all units, which then all learn the same."""
    if not course.looks or course.looks[-1].iteration < 2:
        return
    look = course.looks[-1]
    equal = [name for name in look.alike if _has_units(course, name)]
    if not equal:
        return
    zero = {name for name in equal if look.weights[name] == 0}
    which = "zero" if zero == set(equal) else "the same for all of their units"
    yield Finding(
        "equal-weights",
        f"the weights of {listed(sorted(equal))} are {which}, and stay so: all units learn the"
        " same, as if there were only one.",
        (
            "Give these layers random weights: weight_filler xavier, or msra before a ReLU.",
            "If they were copied, look into the file that they came from.",
        ),
        course.iteration,
        sorted(equal)[0],
        {name: look.weights[name] for name in sorted(equal)},
        len(equal),
    )


def _has_units(course: Course, name: str) -> bool:
    """Whether a layer has several units that could differ."""
    definition = course.subject.net.layer(name).definition
    if definition.type == "InnerProduct":
        return bool(
            definition.inner_product_param.num_output > 1
            and not definition.inner_product_param.transpose
        )
    param = definition.convolution_param
    return bool(definition.type == "Convolution" and param.num_output > 1 and param.group == 1)


def _ratio(look: Look, names: list[str]) -> float:
    """Gradients of the first quarter of the layers by those of the last, as powers of ten."""
    part = max(1, len(names) // 4)
    return _typical(look, names[:part]) / _typical(look, names[-part:])


def _typical(look: Look, names: list[str]) -> float:
    slopes = [max(look.slope(name), 1e-30) for name in names]
    return float(np.exp(np.mean(np.log(slopes))))
