"""Which layer of a net gets its weights from which layer of another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from zoo.errors import ParseError, UsageError, did_you_mean
from zoo.layers.kind import Shape
from zoo.net import Net

__all__ = ["Rules", "pairs_by_name", "pairs_by_rules", "pairs_by_shape", "read_rules"]

# Names of layers of the donor, with globs, to those of the net, or to None for what is left out.
Rules = Mapping[str, str | None]


def pairs_by_name(net: Net, donor: Net) -> dict[str, str]:
    """Layers of the same name."""
    return {name: name for name in net.param_shapes if name in donor.param_shapes}


def pairs_by_shape(net: Net, donor: Net) -> dict[str, str]:
    """Layers of the same type and shapes: as many as possible in the same order in both nets."""
    ours, theirs = _kinds(net), _kinds(donor)
    length = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i in reversed(range(len(ours))):
        for j in reversed(range(len(theirs))):
            same = ours[i][1] == theirs[j][1]
            length[i][j] = (
                1 + length[i + 1][j + 1] if same else max(length[i + 1][j], length[i][j + 1])
            )
    pairs, i, j = {}, 0, 0
    while i < len(ours) and j < len(theirs):
        if ours[i][1] == theirs[j][1]:
            pairs[ours[i][0]] = theirs[j][0]
            i, j = i + 1, j + 1
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def _kinds(net: Net) -> list[tuple[str, tuple[str, tuple[Shape, ...]]]]:
    return [
        (layer.name, (layer.type, tuple(tuple(shape) for shape in layer.param_shapes)))
        for layer in net.layers
        if layer.param_shapes
    ]


def pairs_by_rules(net: Net, donor: Net, rules: Rules) -> dict[str, str]:
    """Layers as rules say; for each layer of the donor the first rule that it matches counts.

    A rule is a name with globs, of which `*` and `?` stand in the other name for what they matched.

    Raises
    ------
    UsageError
        When a rule matches nothing, leads to no layer of the net, or two lead to the same.
    """
    pairs: dict[str, str] = {}
    used: set[str] = set()
    for name in donor.param_shapes:
        found = next(((rule, hit) for rule in rules if (hit := _matched(rule, name))), None)
        if found is None:
            continue
        rule, hit = found
        target = _filled(rules[rule], hit)
        if target is None or target in net.param_shapes:
            used.add(rule)
        if target is None or target not in net.param_shapes:
            continue
        if target in pairs:
            raise UsageError(
                f"match: {pairs[target]!r} and {name!r} of the donor both lead to {target!r}"
            )
        pairs[target] = name
    for rule in rules:
        if rule not in used:
            raise UsageError(_unused_rule(net, donor, rule, rules[rule]))
    return pairs


def _matched(rule: str, name: str) -> re.Match[str] | None:
    wild = {"*": "(.*)", "?": "(.)"}
    return re.fullmatch("".join(wild.get(sign, re.escape(sign)) for sign in rule), name)


def _filled(target: str | None, hit: re.Match[str]) -> str | None:
    if target is None:
        return None
    groups = iter(hit.groups())
    return re.sub(r"[*?]", lambda sign: next(groups, sign.group()), target)


def _unused_rule(net: Net, donor: Net, rule: str, target: str | None) -> str:
    matching = [name for name in donor.param_shapes if _matched(rule, name)]
    if not matching:
        return (
            f"match: no layer of the donor {donor.name!r} with weights is called {rule!r}."
            f"{did_you_mean(rule, donor.param_shapes)}"
        )
    leads = _filled(target, _matched(rule, matching[0]))  # type: ignore[arg-type]
    return (
        f"match: {rule!r} leads from {matching[0]!r} of the donor to {leads!r}, and no layer of"
        f" {net.name!r} with weights is called that, or an earlier rule took it."
        f"{did_you_mean(str(leads), net.param_shapes)}"
    )


def read_rules(path: str | Path) -> Rules:
    """Rules from a YAML file, ``conv1: conv1_new`` a line; nothing behind the colon leaves out.

    Raises
    ------
    UsageError
        When it cannot be read; ParseError when it holds something else.
    """
    try:
        rules = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParseError(f"is no YAML: {error}", path) from error
    valid = isinstance(rules, dict) and all(
        isinstance(name, str) and isinstance(target, str | None) for name, target in rules.items()
    )
    if not valid or not rules:
        raise ParseError("expected lines such as 'conv*: conv*_new', a layer's name in each", path)
    return dict(rules)
