"""From a definition as it was written to the one that a Net is made of, with a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path

from zoo.caffe.dialect import dialects
from zoo.caffe.phases import filter_net, layers_of_state
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.upgrade import upgrade
from zoo.report import LoadReport, named_layers

__all__ = ["prepare"]


def prepare(
    definition: NetParameter,
    *,
    phase: str = "TEST",
    level: int | None = None,
    stages: Iterable[str] = (),
    path: str | Path | None = None,
    lines: Mapping[str, Sequence[int]] | None = None,
) -> tuple[NetParameter, LoadReport]:
    """Upgrade a definition to the current format and keep the layers of one phase.

    Parameters
    ----------
    definition : of any era; it is not changed.
    phase, level, stages : Caffe's NetState, see `zoo.caffe.phases.filter_net`.
    path : where it came from, for the report.
    lines : what `zoo.caffe.lines.layer_lines` gave for its text.

    Raises
    ------
    NetError

    Examples
    --------
    >>> from zoo.caffe.read import parse_definition
    >>> text = 'input: "data" layers { name: "drop" type: DROPOUT include { phase: TRAIN } }'
    >>> prepared, report = prepare(parse_definition(text), lines={"drop": [1]})
    >>> [layer.type for layer in prepared.layer], report.left_out
    (['Input'], ['1 layer of other phases, levels or stages: drop (line 1).'])
    """
    current, upgraded = upgrade(definition)
    state = (phase, level, tuple(stages))
    belong = layers_of_state(current, *state)
    prepared = filter_net(current, *state)
    places = _lines_of_layers([layer.name for layer in current.layer], lines or {})
    report = LoadReport(
        definition=None if path is None else str(path),
        lines={
            layer.name: line
            for layer, line in compress(zip(current.layer, places, strict=True), belong)
            if line is not None
        },
        dialect=[
            f"{fork}, by {', '.join(types)}." for fork, types in dialects(prepared.layer).items()
        ],
        upgraded=upgraded,
    )
    others = [
        (layer.name, line)
        for layer, line, belongs in zip(current.layer, places, belong, strict=True)
        if not belongs
    ]
    if others:
        own_lines = {name: line for name, line in others if line is not None}
        report.left_out = [
            f"{len(others)} layer{'' if len(others) == 1 else 's'} of other phases, levels or"
            f" stages: {named_layers([name for name, _ in others], own_lines)}."
        ]
    return prepared, report


def _lines_of_layers(names: Sequence[str], lines: Mapping[str, Sequence[int]]) -> list[int | None]:
    """The line of each layer; those of one name follow each other as in the text."""
    left = {name: list(places) for name, places in lines.items()}
    return [left[name].pop(0) if left.get(name) else None for name in names]
