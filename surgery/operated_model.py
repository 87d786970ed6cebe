"""What a recipe made of a model: definition, weights, recipe, labels and readme in a folder.

The readme names the source with the SHA-1 of its weights, and has the reports of all steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UnavailableError, UsageError
from zoo.input_spec import InputSpec
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.registry.card import Card
from zoo.registry.contents import weights_file
from zoo.registry.hashes import hash_file
from zoo.registry.publish_check import published_license
from zoo.scores import score_blob
from zoo.surgery.recipe import Applied, Recipe

__all__ = ["write_model"]

_DEFINITION, _WEIGHTS, _RECIPE, _LABELS = (
    "deploy.prototxt",
    "model.caffemodel",
    "recipe.yaml",
    "labels.txt",
)


def write_model(
    directory: Path,
    steps: Sequence[Applied],
    recipe: Recipe,
    source: LoadedModel,
    donors: Mapping[str, LoadedModel],
) -> list[str]:
    """Write the model directory of the net after the last step, whole or not at all.

    Parameters
    ----------
    directory : where; it does not exist, or is empty.
    steps : what was done.
    source, donors : where weights come from; the donors by the names that the recipe gives them.

    Returns
    -------
    What a user should know, in sentences.

    Raises
    ------
    UnavailableError
        When a file cannot be written.
    """
    unfinished = directory.with_name(f".{directory.name}.unfinished")
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
        notes = _fill(unfinished, steps, recipe, source, donors)
        if directory.exists():
            directory.rmdir()
        unfinished.rename(directory)
        return notes
    except OSError as error:
        raise UnavailableError(f"{error.filename}: {error.strerror}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _fill(
    directory: Path,
    steps: Sequence[Applied],
    recipe: Recipe,
    source: LoadedModel,
    donors: Mapping[str, LoadedModel],
) -> list[str]:
    net = steps[-1].after
    net.save(directory / _DEFINITION, directory / _WEIGHTS if net.param_shapes else None)
    (directory / _RECIPE).write_text(recipe.text, encoding="utf-8")
    labels, notes = _labels(net, source), []
    if labels:
        (directory / _LABELS).write_text("\n".join(labels) + "\n", encoding="utf-8")
    elif source.labels:
        notes.append(
            f"the {len(source.labels)} labels of {source.name} do not fit the new outputs and were"
            f" left out; write {_LABELS} with a line for each, and name it in the input section"
        )
    spec, more = _input(steps, source, bool(labels))
    _card(directory, steps, recipe, source, donors, spec).write(directory / "readme.md")
    if recipe.files:
        notes.append(f"{_RECIPE} also takes {', '.join(recipe.files)}, which the directory has not")
    return notes + more


def _labels(net: Net, source: LoadedModel) -> list[str] | None:
    """Those of the source, if there are as many scores as before."""
    try:
        shapes = [each.blobs[score_blob(each)[0]] for each in (source.net, net)]
    except UsageError:
        return None
    same = all(shape is not None for shape in shapes) and shapes[0][1] == shapes[1][1]  # type: ignore[index]
    return source.labels if same else None


def _input(
    steps: Sequence[Applied], source: LoadedModel, labels: bool
) -> tuple[InputSpec | None, list[str]]:
    """How a picture becomes the input now, and what has to be looked at by a person."""
    spec = source.spec
    if spec is None:
        return None, ["nothing said how a picture becomes the input, so the readme does not either"]
    spec = replace(spec, labels=_LABELS if labels else None)
    for applied in steps:
        arguments = applied.step.arguments
        if applied.step.operation == "swap_channels" and spec.channels != "GRAY":
            order = "RGB" if spec.channels == "BGR" else "BGR"
            spec = replace(spec, channels=order, mean=spec.mean[::-1])
        if applied.step.operation == "fold_preprocessing":
            spec = _without(spec, arguments.get("mean", 0.0), arguments.get("scale", 1.0))
    shape = next(iter(steps[-1].after.inputs.values()), ())
    if len(shape) != 4 or shape[1] != (1 if spec.channels == "GRAY" else 3):
        note = (
            f"the input has the shape {shape} now, which no picture of {spec.channels} fits; the"
            " readme has no input section"
        )
        return None, [note]
    if tuple(shape[2:]) != spec.size:
        return replace(spec, size=(shape[2], shape[3]), resize=None), []
    return spec, []


def _without(spec: InputSpec, mean: float | list[float], scale: float) -> InputSpec:
    """What is left to do to a picture when the net itself subtracts `mean` and then scales."""
    folded = np.broadcast_to(np.asarray(mean, np.float64), len(spec.mean))
    left = np.round(np.asarray(spec.mean) - folded * scale / spec.scale, 6)
    return replace(spec, mean=tuple(map(float, left)), scale=spec.scale / scale)


def _card(
    directory: Path,
    steps: Sequence[Applied],
    recipe: Recipe,
    source: LoadedModel,
    donors: Mapping[str, LoadedModel],
    spec: InputSpec | None,
) -> Card:
    license = published_license(source.card)
    title = recipe.name or f"{source.card.name or source.name}, changed"
    facts: dict[str, Any] = {
        "name": title,
        "task": source.card.value("task"),
        "license": license.id or license.stated or None,
        "license_url": source.card.value("license_url"),
        "derived_from": _one_or_all([_pinned(each) for each in (source, *donors.values())]),
        "recipe": _RECIPE,
        "input": spec.to_mapping() if spec else None,
    }
    if (directory / _WEIGHTS).exists():
        hashes = hash_file(directory / _WEIGHTS)
        facts |= {
            "caffemodel": _WEIGHTS,
            "sha1": hashes.sha1,
            "sha256": hashes.sha256,
            "size_bytes": str(hashes.size),
        }
    card = Card.parse(
        _text(steps, recipe, source, donors, license.sentence), directory / "readme.md"
    )
    return card.with_values(**{key: value for key, value in facts.items() if value is not None})


def _pinned(model: LoadedModel) -> str:
    """A model with the hash of its weights."""
    names = sorted(path.name for path in model.directory.iterdir() if path.is_file())
    weights = weights_file(names, model.card)
    return (
        f"{model.name}@sha1:{hash_file(model.directory / weights).sha1}" if weights else model.name
    )


def _read(files: Sequence[str]) -> str:
    """What a recipe reads beside models, as a paragraph."""
    paths = [(path, Path(path)) for path in files]
    told = [
        f"`{name}` (sha1:{hash_file(path).sha1})" if path.is_file() else f"the folder `{name}`"
        for name, path in paths
    ]
    return f"\nIt also takes {', '.join(told)}.\n" if told else ""


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _text(
    steps: Sequence[Applied],
    recipe: Recipe,
    source: LoadedModel,
    donors: Mapping[str, LoadedModel],
    license: str,
) -> str:
    reports = "\n".join(f"{applied.report}" for applied in steps)
    indented = "\n".join(f"    {line}" for line in reports.splitlines())
    others = f", with parts of {', '.join(donors)}" if donors else ""
    cite = source.card.citation or "The source states no citation."
    entries = "\n".join(f"    {line}".rstrip() for line in cite.splitlines())
    description = f"\n{recipe.description.strip()}\n" if recipe.description.strip() else ""
    return f"""---
name: model
---

Made from {source.name}{others} by `{_RECIPE}`; `zoo surgery apply {_RECIPE} {source.name} -o COPY`
makes it again.
{_read(recipe.files)}{description}
## What was done

{indented}

## License

{license[:1].upper() + license[1:].rstrip(".")}: the terms of {source.name}.

## Citation

{entries}
"""
