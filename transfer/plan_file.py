"""A plan of training from a YAML file:

    stages:
      - name: head
        train: head             # on cached features, to convergence
      - name: all
        epochs: 40
        groups:                 # the first that fits counts; layers that none fits are frozen
          - {layers: [head], rate: 0.004}
          - {layers: ["fire*"], rate: 0.0004}
        schedule: step          # or cosine, poly, fixed
        weight_decay: 0.0002

Fields are those of `zoo.transfer.plan.Stage`; `train: head` stands for `cached`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import ParseError, UsageError, did_you_mean
from zoo.transfer.plan import Group, Plan, Stage

__all__ = ["read_plan"]


def read_plan(path: str | Path) -> Plan:
    """A plan from a YAML file, see the head of this module.

    Raises
    ------
    ParseError
        When it is no YAML; UsageError when a field is not known or has an impossible value.
    """
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ParseError("this is no YAML", path, mark.line + 1 if mark else None) from error
    if isinstance(document, list):
        document = {"stages": document}
    if not isinstance(document, Mapping) or not document.get("stages"):
        raise UsageError(f"{path}: expected `stages:` with a list of stages")
    _check_known(document, ("stages", "scratch"), str(path))
    if not isinstance(document["stages"], list):
        raise UsageError(f"{path}: expected `stages:` with a list of stages")
    scratch = document.get("scratch", False)
    if not isinstance(scratch, bool):
        raise UsageError(f"{path}: scratch: expected true or false, received {scratch!r}")
    try:
        stages = tuple(_stage(entry, index) for index, entry in enumerate(document["stages"], 1))
        return Plan(stages, scratch)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _stage(entry: Any, number: int) -> Stage:
    if not isinstance(entry, Mapping):
        raise UsageError(
            f"stage {number}: expected fields such as 'epochs: 40', received {entry!r}"
        )
    settings = {name: _number(value) for name, value in entry.items() if name != "name"}
    stage = str(entry.get("name", number))
    where = f"stage {stage!r}"
    if "train" in settings:
        if settings["train"] != "head":
            raise UsageError(
                f"{where}: train: expected head, received {settings['train']!r}; what else is"
                " trained is said by groups, depths or rate"
            )
        settings.setdefault("cached", True)
        del settings["train"]
    _check_known(settings, [f.name for f in fields(Stage)], where)
    groups = settings.pop("groups", None) or ()
    if not isinstance(groups, list | tuple):
        raise UsageError(f"{where}: groups: expected a list, received {groups!r}")
    for name in ("scale", "depths", "cut"):
        if isinstance(settings.get(name), list):
            settings[name] = tuple(map(_number, settings[name]))
    return Stage(stage, groups=tuple(_group(item, where) for item in groups), **settings)


def _group(entry: Any, where: str) -> Group:
    if not isinstance(entry, Mapping) or "layers" not in entry or "rate" not in entry:
        raise UsageError(f"{where}: a group needs layers and a rate, received {entry!r}")
    _check_known(entry, ("layers", "rate"), where)
    layers: Sequence[str] = entry["layers"]
    layers = [layers] if isinstance(layers, str) else layers
    if not isinstance(layers, list) or not layers:
        raise UsageError(f"{where}: layers: expected names or patterns, received {layers!r}")
    return Group(tuple(map(str, layers)), _number(entry["rate"]))


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _check_known(entry: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in entry:
        if name not in known:
            raise UsageError(
                f"{where}: field {name!r} is not known.{did_you_mean(str(name), known)}"
                f" The fields are {', '.join(known)}."
            )
