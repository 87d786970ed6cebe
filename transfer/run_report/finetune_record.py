"""What a fine-tuning run leaves in its directory besides the model, while it runs and at its end.

See `zoo.transfer.run_report.stored_run` for what lies where. A picture or a curve that cannot be
written never ends a run: that is noted, and `zoo report` makes it later.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError
from zoo.net import Net
from zoo.registry.atomic import write_atomically
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import printable_name
from zoo.transfer.plan import Plan
from zoo.transfer.rates import RateRow
from zoo.transfer.run_report.build import build_report
from zoo.transfer.run_report.events_file import EventsFile
from zoo.transfer.run_report.filters import write_filters
from zoo.transfer.run_report.mistakes import thumbnail, worst_mistakes
from zoo.transfer.run_report.provenance import data_facts, how_started, source_facts
from zoo.transfer.run_report.stored_run import (
    CHECKPOINTS,
    EVENTS,
    FACTS,
    PICTURES,
    read_run,
    write_json,
)

if TYPE_CHECKING:
    from zoo.loaded import LoadedModel

__all__ = ["FinetuneRecord", "run_facts"]

Record = dict[str, Any]


def run_facts(
    source: LoadedModel,
    data: tuple[Dataset, Dataset],
    plan: Plan,
    tables: Mapping[str, Sequence[RateRow]],
    seed: int,
    notes: Sequence[str],
) -> dict[str, Any]:
    """What is known of a run before it begins: what run.json holds."""
    train, validation = data
    spec = source.preprocess.spec
    words = ["zoo finetune", source.name, printable_name(train.path.name)]
    if validation.path != train.path:
        words += ["--val", printable_name(validation.path.name)]
    return {
        "kind": "finetune",
        "source": source_facts(source),
        "data": {"train": data_facts(train), "validation": data_facts(validation)},
        "classes": list(train.classes),
        "seed": seed,
        "command": " ".join([*words, f"--stages plan.yaml --seed {seed} -o DIR"]),
        "evaluated": {"input": spec.to_mapping(), "crop": "centre"},
        "plan": {stage: [_row(row) for row in rows] for stage, rows in tables.items()},
        "stages": plan.to_yaml(),
        "notes": list(notes),
    }


class FinetuneRecord:
    """Keeps the record of one run.

    Parameters
    ----------
    folder : of the run while it is unfinished.
    facts : see `run_facts`.
    first : the net that training begins with.
    known : the records of the log that a run which goes on has.
    """

    def __init__(
        self, folder: Path, facts: Mapping[str, Any], first: Net, known: Sequence[Record]
    ) -> None:
        self._folder, self._first = folder, first
        self._notes: list[str] = []
        self._is_rgb = facts["evaluated"]["input"].get("channels") == "RGB"
        validation = facts["data"]["validation"]
        self.evidence = {
            "measure": "validation",
            "data": validation["name"],
            "data_sha256": validation["sha256"],
            "rows": validation["rows"],
            "crop": facts["evaluated"]["crop"],
            "seed": facts["seed"],
            "command": facts["command"],
        }
        """What binds the numbers of the run to what they were measured on."""
        before = read_run(folder).facts if (folder / FACTS).is_file() else {}
        starts = [*before.get("starts", ()), how_started()]
        write_json(folder / FACTS, {**facts, "starts": starts})
        shutil.rmtree(folder / EVENTS, ignore_errors=True)
        self._events: EventsFile | None = EventsFile(folder / EVENTS)
        for record in known:
            self._draw(record)

    def __enter__(self) -> FinetuneRecord:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def telling(self, told: Callable[[Record], None] | None) -> Callable[[Record], None]:
        """What to call with each record: adds it to the curves, and goes on to `told`."""

        def tell(record: Record) -> None:
            self._draw(record)
            if told is not None:
                told(record)

        return tell

    def keep_stage(self, name: str, net: Net) -> None:
        """Keep the best weights of a stage."""
        safe = "".join(each if each.isalnum() or each in "._-" else "_" for each in name)
        path = self._folder / CHECKPOINTS / f"{safe}.caffemodel"
        try:
            path.parent.mkdir(exist_ok=True)
            net.save(weights=path)
        except (OSError, ZooError) as error:  # the run's own checkpoint has them too
            self._notes.append(f"the weights of stage {name!r} were not kept: {error}")

    def finish(
        self,
        net: Net,
        probabilities: NDArray[np.floating[Any]],
        validation: Dataset,
        title: str,
    ) -> list[str]:
        """Draw what needs weights and data, then the report; returns what went wrong."""
        self.close()
        try:
            folder = self._folder / PICTURES
            folder.mkdir(exist_ok=True)
            write_filters(folder, self._first, net, is_rgb=self._is_rgb)
            _write_mistakes(folder, probabilities, validation)
            build_report(self._folder, title=title)
        except (OSError, ImportError, ZooError) as error:
            self._notes.append(f"the report is not complete: {error}")
        return self._notes

    def close(self) -> None:
        """End the file of events."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _draw(self, record: Record) -> None:
        if self._events is None or "epoch" not in record:
            return
        stage = record["stage"]
        values = {
            f"{stage}/{key}": value
            for key, value in record.items()
            if isinstance(value, float) and key != "seconds"
        }
        self._events.add(values, int(record["epoch"]))


def _write_mistakes(
    folder: Path, probabilities: NDArray[np.floating[Any]], validation: Dataset
) -> None:
    """The thumbnails of the worst mistakes, and the list of them."""
    labels = np.asarray(validation.labels)
    found = worst_mistakes(probabilities, labels, validation.classes, validation.keys)
    entries = []
    for number, mistake in enumerate(found, 1):
        png = thumbnail(validation, mistake.row)
        name = f"mistake_{number:02}.png" if png is not None else None
        if png is not None and name is not None:
            write_atomically(folder / name, png)
        entries.append({**mistake.to_dict(), "picture": name})
    write_json(folder / "mistakes.json", {"mistakes": entries})


def _row(row: RateRow) -> dict[str, Any]:
    return {
        "group": row.group,
        "layers": list(row.layers),
        "parameters": row.parameters,
        "rate": None if math.isnan(row.rate) else row.rate,
        "frozen": row.frozen,
    }
