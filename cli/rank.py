"""`zoo rank`: which model suits this data best?"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import counting
from zoo.cli.reading import add_data, add_reading, reading
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.loaded import LoadedModel

__all__ = ["NAME", "add", "run"]

NAME = "rank"
_COLUMNS = (
    Column("model"),
    Column("LogME", right=True),
    Column("probe", right=True),
    Column("±", right=True),
    Column("blob"),
    Column("features", right=True),
    Column("rows/s", right=True),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="order models by how well their features suit some data",
        description="By LogME, a score that needs no training, with the accuracy of a linear probe"
        " beside it. Without models: those of the cache and of the sources; nothing of the"
        " catalogue is fetched. A model that does not take such data is told and left out.",
        example="zoo rank photos/train\nzoo rank photos/train squeezenet_v1.0 bvlc_alexnet",
    )
    add_data(parser)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="models, or their directories")
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import load
    from zoo.transfer.rank import rank

    output = Output.of(args)
    names = args.models or _known(args.source)

    def load_one(name: LoadedModel | str | Path) -> LoadedModel:
        return load(str(name), args.source)

    with counting(output, "computing features") as counted:
        results = rank(args.data, names, load=load_one, progress=counted, **reading(args))
    ranked = [result for result in results if not result.error]
    if output.as_json:
        output.document([asdict(result) for result in results])
    else:
        rows = [
            [
                result.model,
                f"{result.logme:.4f}",
                f"{result.accuracy:.1%}",
                f"{result.spread:.1%}",
                result.blob,
                str(result.size),
                "known" if math.isnan(result.rate) else f"{result.rate:.1f}",
            ]
            for result in ranked
        ]
        output.table(_COLUMNS, rows)
    for result in results:
        if result.error:
            output.error(f"{result.model}: {result.error}")
        elif result.failures:
            output.error(f"{result.model}: {result.failures} rows cannot be read")
    # What the user did not name may fail: not every model of a cache takes every data.
    failed = any(result.failures or (result.error and args.models) for result in results)
    return UsageError.exit_code if failed or not ranked else 0


def _known(sources: list[str]) -> list[str]:
    """The models that can be had without asking the catalogue."""
    from zoo.registry.catalogue import Registry

    entries = Registry(sources).list()
    return [entry.name for entry in entries if entry.cached or entry.source != "catalogue"]
