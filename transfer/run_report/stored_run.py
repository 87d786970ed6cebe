"""What lies in a run's directory, finished or not: facts, log, metrics, the list of mistakes.

run.json       what is trained, on what, with what; written before training begins
log.jsonl      a record for each epoch, test or finding
metrics.json   results and evaluation; only of a finished fine-tuning
pictures/      all pictures as PNG, and mistakes.json
events/        the same curves for TensorBoard
checkpoints/   the best weights of each stage
report.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ParseError, UnavailableError, UsageError
from zoo.registry.atomic import write_atomically
from zoo.transfer.evaluate import Evaluation
from zoo.transfer.run_report.history import History
from zoo.transfer.watch.finding import Finding

__all__ = [
    "CHECKPOINTS",
    "EVENTS",
    "FACTS",
    "LOG",
    "PICTURES",
    "StoredRun",
    "read_run",
    "write_json",
]

FACTS, LOG, METRICS = "run.json", "log.jsonl", "metrics.json"
PICTURES, EVENTS, CHECKPOINTS = "pictures", "events", "checkpoints"


@dataclass
class StoredRun:
    """A run as it lies on the disk.

    Attributes
    ----------
    directory : where.
    facts : run.json; "kind" is "finetune" or "train".
    log : the records, without the findings.
    findings : what was seen to go wrong.
    broken : how many lines of the log could not be read.
    metrics : metrics.json, empty while the run is not finished.
    evaluation : of the weights that were kept; None while the run is not finished.
    mistakes : those that the model was surest of.
    """

    directory: Path
    facts: dict[str, Any]
    log: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    broken: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    mistakes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The records of epochs."""
        return [each for each in self.log if "stage" in each and "epoch" in each]

    @property
    def results(self) -> dict[str, float]:
        """Accuracy on the validation rows by what reached it, of what is finished so far."""
        found: dict[str, float] = dict(self.metrics.get("results", {}))
        if not found:
            for each in self.epochs:
                best = max(found.get(each["stage"], 0.0), each.get("val_accuracy", 0.0))
                found[each["stage"]] = best
        return found

    @property
    def history(self) -> History:
        """The records of a training of Caffe's."""
        history = History(solver=self.facts.get("solver", ""))
        for record in self.log:
            history.take(record)
        return history

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        if self.facts.get("kind") == "train":
            return bool(self.history.ended)
        return self.evaluation is not None


def read_run(directory: str | Path) -> StoredRun:
    """Read a run's directory; that of an unfinished run is found by the name that it will have.

    Raises
    ------
    UsageError
        When there is no run; ParseError when run.json or metrics.json is damaged.
    """
    directory = Path(directory)
    unfinished = directory.with_name(f".{directory.name}.unfinished")
    if not directory.exists() and unfinished.is_dir():
        directory = unfinished
    if not directory.is_dir():
        raise UsageError(f"{directory}: there is no such directory; expected that of a run")
    if not (directory / LOG).is_file() and not (directory / FACTS).is_file():
        raise UsageError(
            f"{directory} is not the directory of a run: it has neither {FACTS} nor {LOG}. Expected"
            " what `zoo finetune -o DIR` or `zoo train --run-dir DIR` made."
        )
    run = StoredRun(directory, _json(directory / FACTS) or {})
    _read_log(run)
    run.metrics = _json(directory / METRICS) or {}
    if "validation" in run.metrics:
        run.evaluation = Evaluation.from_dict(run.metrics["validation"])
    run.mistakes = (_json(directory / PICTURES / "mistakes.json") or {}).get("mistakes", [])
    return run


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a document whole or not at all.

    Raises
    ------
    UnavailableError
        When it cannot be written.
    """
    text = json.dumps(value, indent=1) + "\n"
    try:
        write_atomically(path, text.encode("ascii"))
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from error


def _read_log(run: StoredRun) -> None:
    path = run.directory / LOG
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:  # the last line of a run that was killed
            record = None
        if not isinstance(record, dict):
            run.broken += 1
        elif "finding" in record:
            run.findings.append(Finding.from_record(record))
        else:
            run.log.append(record)


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ParseError(f"damaged, so that no report can be made of it: {error}", path) from None
    return value if isinstance(value, dict) else None
