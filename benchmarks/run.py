"""Measures everything and writes RESULTS.md: `make bench`, twenty minutes.

With names of sections only those are measured anew: `python -m benchmarks.run pipeline registry`.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks import (
    cold,
    download,
    forward,
    load,
    pipeline,
    registry,
    stage_one,
    training,
    weights,
)

__all__ = ["main"]

HERE = Path(__file__).parent
PACKAGES = ("tensorflow", "keras", "opencv-python-headless", "onnxruntime", "numpy", "protobuf")
SECTIONS: dict[str, Callable[[], str]] = {
    "forward": forward.section,
    "load": load.section,
    "weights": weights.section,
    "cold": cold.section,
    "training": training.section,
    "pipeline": pipeline.section,
    "stage_one": stage_one.section,
    "download": download.section,
    "registry": registry.section,
}


def main(names: Sequence[str]) -> None:
    """Measure, and replace RESULTS.md, or the named sections of it, when all of it is there."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    console = Console(stderr=True)
    parts = []
    for name in names or SECTIONS:
        console.print(f"measuring: {name}")
        parts.append(SECTIONS[name]())
    target = HERE / "RESULTS.md"
    if names:
        text = target.read_text()
        for part in parts:
            text = replaced(text, part)
    else:
        reasons = (HERE / "where_the_time_goes.md").read_text().strip()
        text = "\n\n".join([introduction(), *parts, reasons]) + "\n"
    temporary = target.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(target)


def replaced(text: str, part: str) -> str:
    """The results with one section in the place of the one with the same heading, or as the last.

    >>> replaced("# A\\n\\n## B\\n\\nold\\n\\n## C\\n\\nc\\n", "## B\\n\\nnew")
    '# A\\n\\n## B\\n\\nnew\\n\\n## C\\n\\nc\\n'
    """
    sections = re.split(r"\n+(?=## )", text.rstrip("\n"))
    heading = part.partition("\n")[0]
    places = [place for place, each in enumerate(sections) if each.partition("\n")[0] == heading]
    # The last section, where the time goes, stays the last.
    place = places[0] if places else len(sections) - 1
    sections[place : place + len(places)] = [part]
    return "\n\n".join(sections) + "\n"


def introduction() -> str:
    """What was measured with."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        "# Results\n\n"
        "Written by `make bench`; README.md beside this file tells how each figure is taken."
        f" Measured with {os.cpu_count()} CPU cores ({platform.machine()}), Python"
        f" {platform.python_version()}, {versions}. Times change with the machine and the hour;"
        " ratios are of times taken in turns, in one run. An aim that is missed is marked, and the"
        " last section says where the time goes."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
