"""`zoo fetch`: bring models into the cache, verified."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.failure import attempt_each, error_facts
from zoo.cli.output import Output, printable, size_text
from zoo.cli.progress import transferring
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.registry.fetch import FetchResult
    from zoo.registry.lock_file import LockedModel
    from zoo.registry.plan import PlannedFile

__all__ = ["NAME", "add", "run"]

NAME = "fetch"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="bring models into the cache, verified, and print their directories",
        description="An address is a name, name@sha1:HEX, a gist, hf://owner/repo, s3://..., a"
        " folder, or the URL of weights. A model that is in the cache is not fetched again; a file"
        " whose hash is not the promised one is not kept. See docs/addresses.md.",
        example="zoo fetch squeezenet_v1.0 --source ../models\n"
        "zoo fetch bvlc_googlenet@sha1:405fc5ac --dry-run\n"
        "zoo fetch gist:034c6ac3865563b69e60\n"
        "zoo fetch hf://owner/repo@v1.0/folder\n"
        "zoo fetch https://host/x.caffemodel --sha256 HEX --prototxt https://host/x.prototxt",
    )
    parser.add_argument("names", nargs="*", metavar="ADDRESS", help="names or other addresses")
    add_sources(parser)
    parser.add_argument(
        "--locked",
        action="store_true",
        help="what zoo.lock in the current folder says, and nothing else (see `zoo lock`)",
    )
    parser.add_argument("--force", action="store_true", help="fetch again, and then replace")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be fetched, from where, how large, under which licence, and stop",
    )
    parser.add_argument("--sha1", metavar="HEX", help="what the weights have to be")
    parser.add_argument("--sha256", metavar="HEX", help="what the weights have to be")
    parser.add_argument(
        "--prototxt",
        action="append",
        default=[],
        metavar="URL",
        help="a definition for weights that lie alone; repeatable",
    )
    parser.add_argument("--member", default="", metavar="PATH", help="the weights in an archive")
    parser.add_argument(
        "--model", default="", metavar="NAME", help="which one, of a readme that describes several"
    )
    parser.add_argument(
        "--accept-license",
        action="store_true",
        help="accept a licence that restricts what the weights may be used for",
    )
    parser.add_argument(
        "--trust-first-use",
        action="store_true",
        help="take weights whose hash nobody gives, and hold later fetches to what comes now",
    )
    parser.add_argument("--offline", action="store_true", help="touch no network; as ZOO_OFFLINE=1")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import fetch
    from zoo.registry.lock_file import check_drift

    output = Output.of(args)
    _refuse_for_several(args)
    locked = _locked(args) if args.locked else {}
    names = list(locked) or args.names

    def fetch_one(name: str) -> FetchResult:
        lock = locked.get(name)
        address, places = lock.address if lock else (name, ())
        with transferring(output) as progress:
            result = fetch(
                address,
                [*args.source, *places],
                force=args.force,
                dry_run=args.dry_run,
                progress=progress,
                sha1=args.sha1,
                sha256=lock.weights_hash if lock else args.sha256,
                prototxt=args.prototxt,
                member=args.member,
                model=args.model,
                accept_license=args.accept_license or _asking(output),
                trust_first_use=args.trust_first_use,
            )
        if lock and not args.dry_run:
            check_drift(lock, result.model)
        _tell(result, output)
        return result

    with _offline(args.offline):
        results, errors, code = attempt_each(names, fetch_one, output, debug=args.debug)
    if output.as_json:
        facts = {name: _result_facts(result) for name, result in results.items()}
        facts |= {
            name: {"name": name, "error": error_facts(error)} for name, error in errors.items()
        }
        output.document([facts[name] for name in dict.fromkeys(names)])
    return code


def _refuse_for_several(args: argparse.Namespace) -> None:
    given = [option for option in ("sha1", "sha256", "prototxt", "member") if getattr(args, option)]
    if given and len(args.names) > 1:
        raise UsageError(f"--{given[0]} is of one model, and {len(args.names)} are asked for.")
    if given and args.locked:
        raise UsageError(f"--{given[0]} and --locked: zoo.lock says what the files have to be.")
    if not args.names and not args.locked:
        raise UsageError("zoo fetch: expected addresses of models, or --locked.")


def _locked(args: argparse.Namespace) -> dict[str, LockedModel]:
    """The models of zoo.lock that are asked for, all where none are named."""
    from zoo.registry.lock_file import locked_ones, read_lock

    return {model.name: model for model in locked_ones(read_lock(Path.cwd()), args.names)}


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """ZOO_OFFLINE for as long as the command runs."""
    before = os.environ.get("ZOO_OFFLINE")
    if wanted:
        os.environ["ZOO_OFFLINE"] = "1"
    try:
        yield
    finally:
        if wanted:
            os.environ.pop("ZOO_OFFLINE")
            os.environ |= {} if before is None else {"ZOO_OFFLINE": before}


def _asking(output: Output) -> bool | Callable[[str], bool]:
    """Who is asked for a licence: the person at the terminal; nobody in a script."""
    if output.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False

    def ask(text: str) -> bool:
        output.note(text)
        if output.display is not None:
            output.display.stop()
        print("Accept this and fetch the model? [y/N] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline().strip().lower()
        if output.display is not None:
            output.display.start()
        return answer in ("y", "yes")

    return ask


def _tell(result: FetchResult, output: Output) -> None:
    if not output.as_json:
        output.line(str(result.directory))
    if result.planned:
        _tell_plan(result, output)
    elif result.downloaded:
        output.note(
            f"{result.name}: fetched {len(result.files)} files,"
            f" {size_text(result.bytes)}, from {result.source}"
        )
    else:
        output.note(f"{result.name}: already in the cache")
    if result.verified:
        output.note(f"{result.name}: verified {', '.join(result.verified)}")
    if result.license is not None and (result.planned or result.license.kind != "permissive"):
        output.note(f"{result.name}: licence {result.license.summary}")
    if result.note:
        output.note(f"{result.name}: {result.note}")


def _tell_plan(result: FetchResult, output: Output) -> None:
    """What would be fetched: a line for each file, the sum, and what a script has to give."""
    for file in result.planned:
        size = "size not known" if file.size is None else size_text(file.size)
        output.note(f"  {file.name}, {size}, from {_origin(file, result)}")
    sizes = [file.size for file in result.planned]
    known = "" if None not in sizes else " and what is not known"
    output.note(
        f"{result.name}: would fetch {len(result.files)} files, {size_text(result.bytes)}{known},"
        f" from {result.source}"
    )
    if result.asks_for:
        output.note(f"{result.name}: a script has to give {' '.join(result.asks_for)}")


def _origin(file: PlannedFile, result: FetchResult) -> str:
    from zoo.registry.storage.trouble import shown

    addresses = [shown(url) for url in (*file.urls, *file.archives)]
    if not addresses:
        return result.source
    mirrors = len(addresses) - 1
    more = f" and {mirrors} mirror{'s' * (mirrors > 1)}" if mirrors else ""
    inside = f" ({file.member} in it)" if file.archives and not file.urls else ""
    return printable(f"{addresses[0]}{inside}{more}")


def _result_facts(result: FetchResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "directory": result.directory,
        "source": result.source,
        "files": list(result.files),
        "bytes": result.bytes,
        "downloaded": result.downloaded,
        "verified": list(result.verified),
        "license": result.license.stated or None if result.license else None,
        "license_class": result.license.kind if result.license else None,
        "planned": [_file_facts(file) for file in result.planned],
        "asks_for": list(result.asks_for),
        "note": result.note or None,
    }


def _file_facts(file: PlannedFile) -> dict[str, Any]:
    from zoo.registry.storage.trouble import shown

    return {
        "name": file.name,
        "bytes": file.size,
        "urls": [shown(url) for url in file.urls],
        "archives": [shown(url) for url in file.archives],
        "member": file.member or None,
        "hashes": [str(promise) for promise in file.expected],
        "optional": file.optional,
    }
