"""The parts of the report of a fine-tuning run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any
from xml.etree.ElementTree import Element

from zoo.transfer.evaluate import Evaluation
from zoo.transfer.run_report.page import Picture, element, facts, figure, section, table
from zoo.transfer.run_report.stored_run import StoredRun

__all__ = [
    "class_section",
    "mistake_section",
    "plan_section",
    "results_section",
    "run_section",
    "speed_section",
    "version_section",
]

_MOST_PAIRS = 10


def run_section(run: StoredRun) -> Element:
    """What was trained on what."""
    given, source = run.facts, run.facts.get("source", {})
    data = given.get("data", {})
    hashed = f"{source['weights']}, sha256 {source['sha256']}" if source.get("weights") else ""
    return section(
        "The run",
        facts(
            [
                ("state", "finished" if run.is_finished else "not finished"),
                ("source model", str(source.get("name", ""))),
                ("its weights", hashed),
                ("its licence", str(source.get("license") or "")),
                ("which means", str(source.get("license_meaning") or "")),
                ("classes", str(len(given.get("classes", ())) or "")),
                ("trained on", _data_text(data.get("train"))),
                ("chosen by", _data_text(data.get("validation"))),
                ("seed", str(given.get("seed", ""))),
                ("begun", ", ".join(each["begun"] for each in given.get("starts", ()))),
                ("again with", str(given.get("command", ""))),
            ]
        ),
        *(element("p", note) for note in given.get("notes", ())),
    )


def results_section(run: StoredRun) -> Element | None:
    """The accuracy that was reached, beside what it has to be compared with."""
    results, best = run.results, run.metrics.get("best")
    count = run.facts.get("data", {}).get("validation", {}).get("rows", 0)
    if not results or not count:
        return None
    cached = {stage for stage, rows in run.facts.get("plan", {}).items() if _is_solved(rows)}
    rows: list[tuple[str, ...]] = []
    kept: list[int] = []
    for name, value in results.items():
        meaning = {"chance": "always the most frequent class"}.get(name, "after this stage")
        if name in cached:
            meaning = "a linear probe: the classifier alone, on features of the source model"
        if name == best:
            kept.append(len(rows))
            meaning = f"{meaning}; kept"
        rows.append((name, f"{value:.1%}", _interval(value, count), meaning))
    for name, missing, command in (
        ("linear probe", not cached, "head"),
        ("from scratch", "scratch" not in results, "scratch"),
    ):
        if missing:
            rows.append((name, "", "", f"not measured; `zoo finetune ... --plan {command}` does"))
    return section(
        "Results beside baselines",
        table(
            ("what", "accuracy", "95 % interval", "what it is"), rows, numbers=(1, 2), marked=kept
        ),
        element(
            "p",
            f"Measured on {count} rows, {run.facts.get('evaluated', {}).get('crop', '')} crop. The"
            " weights were chosen by the same rows, so this is somewhat flattering.",
        ),
    )


def plan_section(run: StoredRun) -> Element | None:
    """What was trained at which rate."""
    plan = run.facts.get("plan", {})
    if not plan:
        return None
    rows = [
        (
            stage,
            str(row["group"]),
            f"{len(row['layers'])}: {_few(row['layers'])}",
            f"{row['parameters']:,}",
            _rate_text(row["rate"]),
            "frozen" if row["frozen"] else "",
        )
        for stage, groups in plan.items()
        for row in groups
    ]
    headings = ("stage", "group", "layers", "parameters", "rate", "")
    settings = run.facts.get("stages", "")
    return section(
        "The plan",
        table(headings, rows, numbers=(3, 4)),
        element("details", element("summary", "all settings"), element("pre", settings))
        if settings
        else None,
    )


def class_section(evaluation: Evaluation, confusion: Picture | None) -> Element:
    """Each class, what is mistaken for what, and the confusion matrix."""
    shown = [
        (index, each)
        for index, each in enumerate(evaluation.classes)
        if each.count or each.precision is not None
    ]
    rows = [
        (each.label, _share(each.precision), _share(each.recall), str(each.count))
        for _, each in shown
    ]
    pairs = sorted(_pairs(evaluation), key=lambda pair: -pair[2])[:_MOST_PAIRS]
    said = [(is_class, said, str(count)) for is_class, said, count in pairs]
    return section(
        "Classes",
        table(("class", "precision", "recall", "rows"), rows, numbers=(1, 2, 3)),
        element("h3", "Taken for another most often") if said else None,
        table(("is", "said", "rows"), said, numbers=(2,)) if said else None,
        figure(confusion) if confusion else None,
    )


def mistake_section(mistakes: Sequence[Mapping[str, Any]], pictures: Sequence[Picture]) -> Element:
    """The mistakes that the model was surest of."""
    if pictures:
        shown: Iterable[Element] = map(figure, pictures)
    else:
        rows = [
            (
                str(each["key"]),
                str(each["is_class"]),
                str(each["said"]),
                f"{each['confidence']:.1%}",
            )
            for each in mistakes
        ]
        shown = [table(("row", "is", "said", "confidence"), rows, numbers=(3,))]
    none = "The model made no mistake on these rows."
    return section(
        "Most confident mistakes",
        element("div", *shown, kind="small") if mistakes else element("p", none),
    )


def speed_section(run: StoredRun) -> Element | None:
    """How long it took, and how much of the time was spent waiting for data."""
    rows = list(_speed_rows(run.epochs))
    if not rows:
        return None
    headings = ("stage", "epochs", "seconds", "images a second", "waited for data", "bound by")
    return section(
        "Speed",
        table(headings, rows, numbers=(1, 2, 3, 4)),
        element(
            "p",
            "Images a second and waiting are of training alone, the median of a stage's epochs;"
            " seconds are of everything.",
        ),
    )


def version_section(run: StoredRun) -> Element | None:
    """What it was made with."""
    starts = run.facts.get("starts", ())
    if not starts:
        return None
    return section("Made with", facts(starts[-1].get("versions", {}).items()))


def _speed_rows(log: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for stage in dict.fromkeys(each["stage"] for each in log):
        records = [each for each in log if each["stage"] == stage]
        seconds = sum(each.get("seconds", 0.0) for each in records)
        pace = [each["images_per_second"] for each in records if "images_per_second" in each]
        waited = [each["waited"] for each in records if "waited" in each]
        share = median(waited) if waited else None
        bound = "" if share is None else "input" if share > 0.5 else "computation"
        yield (
            stage,
            str(len(records)),
            f"{seconds:.1f}",
            f"{median(pace):.0f}" if pace else "",
            "" if share is None else f"{share:.0%}",
            bound,
        )


def _interval(share: float, count: int) -> str:
    """Wilson's interval: where the accuracy on many rows of this kind lies, most probably."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) * z
    half /= 1 + z * z / count
    return f"{max(middle - half, 0):.1%} to {min(middle + half, 1):.1%}"


def _is_solved(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a stage is a linear classifier that was solved for, without a rate."""
    return any(row["rate"] is None for row in rows)


def _pairs(evaluation: Evaluation) -> Iterator[tuple[str, str, int]]:
    names = [each.label for each in evaluation.classes]
    for is_class, row in zip(names, evaluation.confusion, strict=True):
        for said, count in zip(names, row, strict=True):
            if count and said != is_class:
                yield is_class, said, count


def _data_text(data: Mapping[str, Any] | None) -> str:
    if not data:
        return ""
    return f"{data['name']}: {data['rows']} rows ({data['kind']}), sha256 {data['sha256']}"


def _few(layers: Sequence[str]) -> str:
    more = f" and {len(layers) - 4} more" if len(layers) > 4 else ""
    return ", ".join(layers[:4]) + more


def _rate_text(rate: float | None) -> str:
    return "solved" if rate is None else f"{rate:g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
