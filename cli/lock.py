"""`zoo lock`: write down what the files of a project's models are, for `zoo fetch --locked`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.existing import existing_model
from zoo.cli.output import Output
from zoo.errors import UsageError

__all__ = ["NAME", "add", "run"]

NAME = "lock"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="write the hashes of the models that a project uses to zoo.lock",
        description="Writes zoo.lock in the current folder: each model with its source and the"
        " sha256 of each of its files. Without names: those in zoo.lock already, and those that"
        " scripts in this folder have used. `zoo fetch --locked` brings them, or says what has"
        " changed.",
        example="zoo lock bvlc_googlenet squeezenet_v1.0\nzoo fetch --locked",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="models in the cache")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.cache import Cache
    from zoo.registry.lock_file import LOCK_FILE, LockedModel, names_to_lock, read_lock, write_lock

    output, cache, folder = Output.of(args), Cache(), Path.cwd()
    names = args.names or names_to_lock(folder, cache.home)
    if not names:
        raise UsageError(
            "no script in this folder has used a model yet: expected names, `zoo lock NAME...`"
        )
    here = [existing_model(name, args.source, cache) for name in names]
    models = {model.name: LockedModel.of(model) for model in here}
    before = read_lock(folder) if (folder / LOCK_FILE).exists() else {}
    path = write_lock(folder, {**before, **models}.values())
    for name, model in models.items():
        changes = before[name].drift(model) if name in before else []
        output.note(
            f"{name}: {len(model.files)} files" + "".join(f"\n  {line}" for line in changes)
        )
    if output.as_json:
        output.document({"path": path, "models": {n: dict(m.files) for n, m in models.items()}})
    else:
        output.line(str(path))
    return 0
