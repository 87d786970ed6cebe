"""The registry from the command line: a model that is here already, and a list of ten thousand.

A time is that of a whole process, from the start of its interpreter to its end, in turns.

Fetching: `zoo fetch` of the model that ships with zoo and is in the cache, beside huggingface_hub
and pooch with a file of 1 MiB that they have already. huggingface_hub asks its server, here nginx
on this machine, whether the file is still the same; pooch hashes it. Listing: `zoo list` over a
source whose index.json has 10,000 models, from that nginx, beside a script that fetches and parses
the file with requests and json. No process may import TensorFlow.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.download import nginx, with_huggingface_hub, with_pooch, write_file
from benchmarks.processes import paired_ratio, run_fresh
from benchmarks.tables import mark, table

__all__ = ["rows", "section"]

MODELS, ROUNDS = 10_000, 7
AIMS = {"fetch": 0.5, "list": 1.0}
MODEL = "lenet_digits"
_CARD = "---\nname: A model\nlicense: Apache-2.0\ntask: classification\n---\n"


def zoo_fetch(here: Path, url: str, digest: str) -> None:
    command("fetch", MODEL, "--quiet")


def zoo_list(here: Path, url: str, digest: str) -> None:
    listed = command("list", "--source", f"{url}/models/")
    if listed.count("\n") < MODELS:
        raise RuntimeError(f"{listed.count(chr(10))} lines for {MODELS} models")


def pooch(here: Path, url: str, digest: str) -> None:
    import pooch as package

    package.get_logger().setLevel("ERROR")
    with_pooch(f"{url}/", here / "pooch", digest)


def huggingface_hub(here: Path, url: str, digest: str) -> None:
    with_huggingface_hub(f"{url}/", here / "hub", digest)


def requests(here: Path, url: str, digest: str) -> None:
    import requests as package

    index = package.get(f"{url}/models/index.json", timeout=60).json()
    if len([model["name"] for model in index["models"]]) != MODELS:
        raise RuntimeError("models are missing")


def command(*words: str) -> str:
    """What a command of zoo prints."""
    from zoo.cli.main import main

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(list(words))
    if code:
        raise RuntimeError(f"zoo {words[0]} ended with {code}")
    return printed.getvalue()


WAYS: dict[str, dict[str, Callable[[Path, str, str], None]]] = {
    "fetch": {"zoo": zoo_fetch, "huggingface_hub": huggingface_hub, "pooch": pooch},
    "list": {"zoo": zoo_list, "requests and json": requests},
}


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure every way, in turns.

    Returns
    -------
    One row a task ("fetch" or "list") and way: ``task``, ``way``, ``median_s``, ``min_s``, and
    ``ratio``, the time of zoo relative to this way's.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        digest = write_file(here / "root" / "weights.caffemodel", 1)
        write_models(here / "root" / "models")
        with nginx(here) as url:
            for task, ways in WAYS.items():
                times: dict[str, list[list[float]]] = {way: [] for way in ways}
                for number in range(rounds + 1):
                    for way, taken in times.items():
                        seconds = measured(task, way, folder, url, digest)
                        if number:  # the first one fetches
                            taken.append([seconds])
                found += [
                    {
                        "task": task,
                        "way": way,
                        "median_s": statistics.median(one for (one,) in taken),
                        "min_s": min(one for (one,) in taken),
                        "ratio": paired_ratio(times["zoo"], taken),
                    }
                    for way, taken in times.items()
                ]
    return found


def measured(task: str, way: str, *arguments: str) -> float:
    """The seconds of one process."""
    started = time.perf_counter()
    if run_fresh("benchmarks.registry", task, way, *arguments) != "light":
        raise RuntimeError(f"{task} by {way} imported TensorFlow")
    return time.perf_counter() - started


def write_models(folder: Path) -> None:
    """The index of a folder with so many models as `zoo index` writes it for one."""
    from zoo.registry.publish_index import write_index

    (folder / "model").mkdir(parents=True)
    (folder / "model" / "readme.md").write_text(_CARD)
    (folder / "model" / "deploy.prototxt").write_text('name: "model"')
    write_index(folder)
    index = json.loads((folder / "index.json").read_text())
    (entry,) = index["models"]
    index["models"] = [entry | {"name": f"model-{number:05}"} for number in range(MODELS)]
    (folder / "index.json").write_text(json.dumps(index))


def section() -> str:
    """A table a task."""
    what = {
        "fetch": "A model, or a file, that is in the cache already. Aim: less than 0.5 s.",
        "list": f"A source of {MODELS:,} models. Aim: less than 1 s.",
    }
    found = rows()
    parts = ["## Registry\n\nA whole process each; none imports TensorFlow."]
    for task, text in what.items():
        lines = [
            (
                f"zoo {task}" if row["way"] == "zoo" else row["way"],
                f"{row['median_s']:.2f} ({row['min_s']:.2f})"
                + (mark(row["median_s"] < AIMS[task]) if row["way"] == "zoo" else ""),
                f"{row['ratio']:.2f}",
            )
            for row in found
            if row["task"] == task
        ]
        parts.append(f"{text}\n\n" + table(("way", "s", "zoo / this"), lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    os.environ |= {"ZOO_HOME": f"{sys.argv[3]}/home", "ZOO_CONFIG": f"{sys.argv[3]}/config.toml"}
    WAYS[sys.argv[1]][sys.argv[2]](Path(sys.argv[3]), sys.argv[4], sys.argv[5])
    heavy = {"tensorflow", "keras"} & set(sys.modules)
    print(json.dumps("heavy" if heavy else "light"))
