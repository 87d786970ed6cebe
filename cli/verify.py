"""`zoo verify`: hash the files of the cache again, and fetch again what a disk has changed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.asking import agreed, may_ask
from zoo.cli.existing import existing_model
from zoo.cli.failure import attempt_each, error_facts
from zoo.cli.output import Column, Output, size_text
from zoo.cli.progress import transferring
from zoo.errors import UsageError, VerificationError, ZooError

if TYPE_CHECKING:
    from zoo.registry.cache import Cache
    from zoo.registry.hashes import Hashes

__all__ = ["NAME", "add", "add_refetch", "run", "verify_all"]

NAME = "verify"
_COLUMNS = (Column("name"), Column("result"), Column("files", True), Column("size", True))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="hash the files of cached models again and compare with what was fetched",
        description="Every damaged or missing file is named. On a terminal zoo offers to fetch the"
        " damaged models again; the exit code is 3 where one stays damaged.",
        example="zoo verify lenet_digits\nzoo verify --all --refetch",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of models")
    parser.add_argument("--all", action="store_true", help="everything in the cache")
    add_refetch(parser)
    add_sources(parser)


def add_refetch(parser: argparse.ArgumentParser) -> None:
    """`--refetch`, for the commands that verify."""
    parser.add_argument(
        "--refetch",
        action="store_true",
        help="fetch damaged models again from where they came, without asking",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if bool(args.names) == args.all:
        raise UsageError("expected either names of models or --all")
    return verify_all(args) if args.all else _verify(args, args.names, args.source)


def verify_all(args: argparse.Namespace) -> int:
    """Hash all models, and the blobs that no model has."""
    from zoo.registry.cache import Cache

    return _verify(args, [model.name for model in Cache().models()], (), loose=True)


def _verify(
    args: argparse.Namespace, names: Sequence[str], sources: Sequence[str], *, loose: bool = False
) -> int:
    from zoo.registry.cache import Cache
    from zoo.registry.cache_verify import Verification

    output, cache = Output.of(args), Cache()
    with transferring(output) as progress:
        verification = Verification(cache, progress)

        def verify_one(name: str) -> tuple[str, dict[str, Hashes]]:
            model = existing_model(name, sources, cache)
            return model.name, cache.verify(model.name, verification)

        results, errors, code = attempt_each(names, verify_one, output, debug=args.debug)
        bad_blobs = _bad_blobs(cache, verification, output) if loose else []
    damaged = [name for name, error in errors.items() if isinstance(error, VerificationError)]
    repaired = _repaired(damaged, cache, args.refetch, output, debug=args.debug)
    results |= repaired
    errors = {name: error for name, error in errors.items() if name not in repaired}
    if bad_blobs or set(damaged) - set(repaired):
        code = VerificationError.exit_code
    elif repaired:
        code = max((error.exit_code for error in errors.values()), default=0)
    _show(names, results, errors, set(repaired), bad_blobs, output)
    return code


def _show(
    names: Sequence[str],
    results: dict[str, tuple[str, dict[str, Hashes]]],
    errors: dict[str, ZooError],
    repaired: set[str],
    bad_blobs: Sequence[str],
    output: Output,
) -> None:
    names = list(dict.fromkeys(names))
    if output.as_json:
        facts = {name: _facts(*result, name in repaired) for name, result in results.items()}
        facts |= {name: _failed_facts(name, error_facts(error)) for name, error in errors.items()}
        blobs = [_failed_facts(f"blob {blob}", None) for blob in bad_blobs]
        output.document([*(facts[name] for name in names), *blobs])
    elif names:
        rows = [_row(name, results.get(name), name in repaired) for name in names]
        output.table(_COLUMNS, rows)
    else:
        output.note("the cache is empty")


def _bad_blobs(cache: Cache, verification: Any, output: Output) -> list[str]:
    """The blobs of no model that are not what their names say."""
    sizes = cache.blobs.sizes()
    loose = {digest: sizes[digest] for digest in cache.loose_blobs()}
    bad = [digest for digest, good in verification.loose(loose).items() if not good]
    for digest in bad:
        output.error(
            f"{cache.blobs.path(digest)} is damaged. No model has it; `zoo cache gc` removes it."
        )
    return bad


def _repaired(
    damaged: Sequence[str], cache: Cache, wanted: bool, output: Output, *, debug: bool
) -> dict[str, tuple[str, dict[str, Hashes]]]:
    """The damaged models that are whole again, fetched anew if the user wants that."""
    question = f"Fetch {', '.join(damaged)} again?"
    if not damaged or not (wanted or (may_ask(output) and agreed(question))):
        return {}
    from zoo.registry.refetch import refetch

    def repair(name: str) -> tuple[str, dict[str, Hashes]]:
        model = cache.existing(name)
        try:
            hashes = cache.verify(model.name)  # mended by one that has the same weights
        except VerificationError:
            with transferring(output) as progress:
                result = refetch(cache, model, progress)
            hashes = cache.verify(model.name)
            output.note(f"{model.name}: fetched again from {result.source}")
        return model.name, hashes

    repaired, _, _ = attempt_each(damaged, repair, output, debug=debug)
    return repaired


def _row(name: str, result: tuple[str, dict[str, Hashes]] | None, repaired: bool) -> list[str]:
    if result is None:
        return [name, "FAILED", "", ""]
    name, hashes = result
    size = sum(each.size for each in hashes.values())
    return [name, "repaired" if repaired else "ok", str(len(hashes)), size_text(size)]


def _facts(name: str, hashes: dict[str, Hashes], repaired: bool) -> dict[str, Any]:
    files = {
        file: {"sha1": each.sha1, "sha256": each.sha256, "size": each.size}
        for file, each in hashes.items()
    }
    return {"name": name, "ok": True, "repaired": repaired, "files": files, "error": None}


def _failed_facts(name: str, error: dict[str, Any] | None) -> dict[str, Any]:
    return {"name": name, "ok": False, "repaired": False, "files": None, "error": error}
