"""What a run leaves behind: a model directory that can be used, evaluated and published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.conversion import convert
from zoo.errors import UnavailableError, ZooError
from zoo.net import Net
from zoo.registry.card import Card
from zoo.registry.contents import weights_file
from zoo.registry.hashes import hash_file
from zoo.registry.publish_check import published_license
from zoo.transfer.data_rows import printable_name
from zoo.transfer.licence_files import copy_licence

if TYPE_CHECKING:
    from zoo.loaded import LoadedModel
    from zoo.transfer.evaluate import Evaluation

__all__ = ["Outcome", "write_model"]


@dataclass(frozen=True)
class Outcome:
    """What is told about a run.

    Attributes
    ----------
    source : the model that was tuned.
    data, validation : names of the data, and how many rows.
    classes : their names.
    plan : as YAML.
    results : accuracy on the validation rows by what reached it: chance, each stage.
    best : the stage whose weights these are.
    evaluation : of these weights on the validation rows.
    seed : of the run.
    frozen : for each stage a SHA-256 of every layer that was proven not to have changed.
    evidence : what the numbers were measured on and how: names and values.
    """

    source: LoadedModel
    data: tuple[str, int]
    validation: tuple[str, int]
    classes: Sequence[str]
    plan: str
    results: Mapping[str, float]
    best: str
    evaluation: Evaluation
    seed: int
    frozen: Mapping[str, Mapping[str, str]]
    evidence: Mapping[str, Any]


def write_model(directory: Path, net: Net, outcome: Outcome) -> list[str]:
    """Write definition, weights, .keras, labels, licence, readme, plan, metrics; returns notes."""
    notes: list[str] = []
    outcome = replace(outcome, data=_named(*outcome.data), validation=_named(*outcome.validation))
    net.save(directory / "deploy.prototxt", directory / "model.caffemodel")
    try:
        notes += convert(net, directory / "model.keras", force=True).notes
    except UnavailableError:
        raise
    except ZooError as error:
        notes.append(f"no .keras file was written: {error}")
    (directory / "labels.txt").write_text("\n".join(outcome.classes) + "\n", encoding="utf-8")
    (directory / "plan.yaml").write_text(outcome.plan, encoding="utf-8")
    metrics = {
        "results": dict(outcome.results),
        "best": outcome.best,
        "frozen": {stage: dict(layers) for stage, layers in outcome.frozen.items()},
        "validation": outcome.evaluation.to_dict(),
        "evidence": dict(outcome.evidence),
    }
    (directory / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    copy_licence(outcome.source.directory, directory)
    _card(directory, outcome).write(directory / "readme.md")
    return notes


def _named(name: str, rows: int) -> tuple[str, int]:
    """The name of some data as a readme can hold it, and how many rows it has."""
    return printable_name(name), rows


def _card(directory: Path, outcome: Outcome) -> Card:
    source = outcome.source
    hashes = hash_file(directory / "model.caffemodel")
    license = published_license(source.card)
    names = sorted(path.name for path in source.directory.iterdir() if path.is_file())
    weights = weights_file(names, source.card)
    sha1 = hash_file(source.directory / weights).sha1 if weights else ""
    title = source.card.name or source.name
    card = Card.parse(_text(outcome, title, license.sentence), directory / "readme.md")
    spec = replace(source.preprocess.spec, labels="labels.txt")
    percent = round(100 * outcome.evaluation.accuracy, 2)
    return card.with_values(
        name=f"{title}, tuned to {outcome.data[0]}",
        task="classification",
        caffemodel="model.caffemodel",
        license=license.id or license.stated or None,
        license_url=source.card.value("license_url"),
        sha1=hashes.sha1,
        sha256=hashes.sha256,
        size_bytes=str(hashes.size),
        derived_from=f"{source.name}@sha1:{sha1}" if sha1 else source.name,
        input=spec.to_mapping(),
        accuracy={"validation": percent},
        evidence={"percent": percent, **outcome.evidence, "weights_sha256": hashes.sha256},
    )


def _text(outcome: Outcome, title: str, license: str) -> str:
    found = outcome.evaluation
    results = "\n".join(f"| {name} | {value:.1%} |" for name, value in outcome.results.items())
    classes = "\n".join(
        f"| {each.label} | {_share(each.precision)} | {_share(each.recall)} | {each.count} |"
        for each in found.classes
    )
    cite = outcome.source.card.citation or "The source states no citation."
    entries = "\n".join(f"    {line}".rstrip() for line in cite.splitlines())
    return f"""---
name: model
---

{title}, fine-tuned from {outcome.source.name} to {len(outcome.classes)} classes of
{outcome.data[0]}: {outcome.data[1]} pictures for training, {outcome.validation[1]} of
{outcome.validation[0]} to choose by. Seed {outcome.seed}; the stages are in `plan.yaml`, each epoch
in `log.jsonl`, all numbers in `metrics.json`.

## Results

Accuracy on the {outcome.validation[1]} pictures that the weights were chosen by, so somewhat
flattering; these weights are those of {outcome.best!r}.

| | accuracy |
|---|---|
{results}

Loss {found.loss:.3f}, calibration error {found.calibration_error:.3f}.

| class | precision | recall | pictures |
|---|---|---|---|
{classes}

## License

{license[:1].upper() + license[1:].rstrip(".")}: the terms of {outcome.source.name}, whose weights
these began with. The terms of the training pictures count too.

## Citation

{entries}
"""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
