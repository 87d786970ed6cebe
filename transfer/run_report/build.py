"""The report of a run: one HTML file that needs nothing else, and its pictures as PNG files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from zoo.caffe.replacing import check_target
from zoo.errors import UnavailableError, UsageError
from zoo.registry.atomic import write_atomically
from zoo.transfer.run_report.charts import Chart, history_charts, stage_charts
from zoo.transfer.run_report.drawing import draw_calibration, draw_chart, draw_confusion
from zoo.transfer.run_report.finetune_sections import (
    class_section,
    mistake_section,
    plan_section,
    results_section,
    run_section,
    speed_section,
    version_section,
)
from zoo.transfer.run_report.history import History
from zoo.transfer.run_report.history_sections import (
    history_section,
    numbers_section,
    text_section,
)
from zoo.transfer.run_report.page import GENERATOR, Picture, element, figure, page, section
from zoo.transfer.run_report.stored_run import PICTURES, StoredRun, read_run
from zoo.transfer.watch.finding import Finding

__all__ = ["REPORT", "Report", "build_report", "history_page"]

REPORT = "report.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes
    ----------
    path : the page.
    pictures : the PNG files.
    run : what it was made of.
    findings : what is seen to be wrong with the run.
    """

    path: Path
    pictures: tuple[Path, ...]
    run: StoredRun
    findings: tuple[Finding, ...]


def build_report(
    directory: str | Path, output: str | Path | None = None, *, title: str = ""
) -> Report:
    """Make the report of a run from what lies in its directory, also of one that is not finished.

    Parameters
    ----------
    directory : that of a run of `zoo.fine_tune`, or of `zoo train --run-dir`.
    output : the page; by default ``report.html`` in the directory. A report is replaced, any other
        file is not.
    title : what is written over it; by default the name of the directory.

    Raises
    ------
    UsageError
        When there is no run, or the output is a file of another kind.
    UnavailableError
        When it cannot be written.

    Examples
    --------
    >>> build_report("clothes").path  # doctest: +SKIP
    PosixPath('clothes/report.html')
    """
    run = read_run(directory)
    path = Path(output) if output is not None else run.directory / REPORT
    _check_replaceable(path)
    pictures: list[Picture] = []
    name = run.directory.resolve().name.removeprefix(".").removesuffix(".unfinished")
    make = _training_sections if run.facts.get("kind") == "train" else _finetune_sections
    text = page(title or name, [part for part in make(run, pictures) if part is not None])
    try:
        written = _write_pictures(run.directory / PICTURES, pictures)
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise UnavailableError(
            f"the report cannot be written to {path}: {error.strerror or error}"
        ) from error
    return Report(path, written, run, tuple(_findings(run)))


def _findings(run: StoredRun) -> list[Finding]:
    """What was seen while it ran, or else what its numbers show."""
    return run.findings or run.history.findings()


def history_page(history: History, title: str) -> str:
    """The report of a log of Caffe's, as HTML."""
    pictures: list[Picture] = []
    parts = _history_parts(history, {}, history.findings(), pictures)
    return page(title, [part for part in parts if part is not None])


def _finetune_sections(run: StoredRun, pictures: list[Picture]) -> Iterator[Element | None]:
    yield run_section(run)
    yield _finding_section(run.findings, run.broken)
    yield results_section(run)
    yield plan_section(run)
    yield _chart_section(stage_charts(run.epochs, run.results), pictures)
    if run.evaluation is not None:
        confusion = Picture(
            "confusion",
            draw_confusion(run.evaluation),
            "Confusion matrix; the table of classes says the same.",
            "rows: the class; columns: what was said",
        )
        yield class_section(run.evaluation, confusion)
        yield mistake_section(run.mistakes, _mistakes(run))
        calibration = Picture(
            "calibration",
            draw_calibration(run.evaluation),
            f"Accuracy by confidence; error {run.evaluation.calibration_error:.3f}.",
            "Bars on the line: it is right as often as it says. Darker: more rows.",
        )
        error = f"{run.evaluation.calibration_error:.3f}"
        yield section(
            "Calibration",
            element("p", f"Confidence and accuracy differ by {error} on average (ECE, ten bins)."),
            figure(calibration),
        )
        pictures += [confusion, calibration]
    yield _filter_section(run)
    yield speed_section(run)
    yield version_section(run)


def _training_sections(run: StoredRun, pictures: list[Picture]) -> Iterator[Element | None]:
    yield from _history_parts(run.history, run.facts, _findings(run), pictures, run.broken)
    yield _filter_section(run)
    yield version_section(run)


def _history_parts(
    history: History,
    given: dict[str, object],
    findings: Sequence[Finding],
    pictures: list[Picture],
    broken: int = 0,
) -> Iterator[Element | None]:
    yield history_section(history, given)
    yield _finding_section(findings, broken)
    yield numbers_section(history)
    yield _chart_section(history_charts(history), pictures)
    yield text_section(history)


def _finding_section(findings: Sequence[Finding], broken: int) -> Element | None:
    parts: list[Element] = []
    for each in findings:
        steps = element("ol")
        steps.extend(element("li", remedy) for remedy in each.remedies)
        when = f"{each.stage}, iteration" if each.stage else "Iteration"
        place = f" ({each.where})" if each.where and each.where not in each.text else ""
        text = element("p", element("b", f"{when} {each.iteration}{place}: "), each.text)
        parts.append(element("div", text, steps if each.remedies else None, kind="finding"))
    if broken:
        lines = "1 line" if broken == 1 else f"{broken} lines"
        parts.append(element("p", f"{lines} of the run's log could not be read."))
    return section("Findings", *parts) if parts else None


def _chart_section(charts: Iterable[Chart], pictures: list[Picture]) -> Element | None:
    drawn = [Picture(chart.name, draw_chart(chart), chart.summary) for chart in charts]
    pictures += drawn
    return section("Learning curves", *map(figure, drawn)) if drawn else None


def _filter_section(run: StoredRun) -> Element | None:
    """The pictures of the filters, which were drawn when the weights were at hand."""
    found = [
        Picture(path.stem, path.read_bytes(), f"Filters of the first layer, {when}", when)
        for when in ("before", "after")
        if (path := run.directory / PICTURES / f"filters_{when}.png").is_file()
    ]
    if not found:
        return None
    return section("First-layer filters", element("div", *map(figure, found), kind="pixels"))


def _mistakes(run: StoredRun) -> list[Picture]:
    """The pictures of the mistakes, made when the data was at hand."""
    found = []
    for each in run.mistakes:
        path = run.directory / PICTURES / Path(str(each.get("picture") or "")).name
        if each.get("picture") and path.is_file():
            text = f"{each['is_class']}, said {each['said']}"
            caption = f"{text} ({each['confidence']:.1%}, {each['own']:.1%} for it): {each['key']}"
            found.append(Picture(path.stem, path.read_bytes(), text, caption))
    return found


def _write_pictures(folder: Path, pictures: Sequence[Picture]) -> tuple[Path, ...]:
    """Write them; returns all PNG files that are there."""
    if pictures:
        folder.mkdir(exist_ok=True)
    for picture in pictures:
        write_atomically(folder / f"{picture.name}.png", picture.png)
    return tuple(sorted(folder.glob("*.png"))) if folder.is_dir() else ()


def _check_replaceable(path: Path) -> None:
    check_target(path, (".html", ".htm"))
    if path.exists():
        with path.open("rb") as file:
            if GENERATOR.encode() not in file.read(2000):
                raise UsageError(
                    f"{path} is there, is no report, and was left as it was. Name another."
                )
