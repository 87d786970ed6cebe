"""`zoo cache`: what is in the cache, whether it is sound, what could go, and carrying it away."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.asking import agreed, may_ask
from zoo.cli.output import Column, Output, size_text
from zoo.cli.progress import transferring
from zoo.cli.verify import add_refetch, verify_all
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.registry.cache_carry import Carried
    from zoo.registry.cache_gc import Waste

__all__ = ["NAME", "add", "run"]

NAME = "cache"
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_WASTE = (Column("kind"), Column("name"), Column("size", True), Column("why"))


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="look after the cache: info, verify, gc, export, import",
        description="info: how much there is. verify: hash everything again. gc: list what could"
        " go (weights that no model has, unfinished downloads, with --older-than models too), ask,"
        " and remove it. export: copy models into a folder or a tar that can be carried to a"
        " machine without internet. import: bring them in there, verified. See docs/cache.md.",
        example="zoo cache info\nzoo cache verify --refetch\nzoo cache gc --dry-run\n"
        "zoo cache gc --older-than 90d --keep bvlc_googlenet --yes\n"
        "zoo cache export /media/stick/models\nzoo cache export models.tar squeezenet_v1.0\n"
        "zoo cache import models.tar",
    )
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="DIR|FILE.tar [NAME]",
        help="for export and import: the place, and the models if not all",
    )
    add_refetch(parser)
    parser.add_argument("--dry-run", action="store_true", help="gc: list what could go, and stop")
    parser.add_argument("--yes", action="store_true", help="gc: do not ask")
    parser.add_argument(
        "--older-than", type=_age, metavar="AGE", help="gc: models not used for 12h, 30d, 8w, too"
    )
    parser.add_argument(
        "--keep", action="append", metavar="NAME", help="gc: a model that stays; repeatable"
    )
    parser.add_argument(
        "--force", action="store_true", help="export, import: replace what is there and differs"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    action, options = _ACTIONS[args.action]
    for option in ("refetch", "dry_run", "yes", "older_than", "keep", "force"):
        if getattr(args, option) and option not in options:
            flag = option.replace("_", "-")
            raise UsageError(f"--{flag} has no meaning for `zoo cache {args.action}`.")
    if args.words and args.action not in ("export", "import"):
        raise UsageError(f"`zoo cache {args.action}` takes no names, received {args.words[0]!r}.")
    return action(args)


def _age(text: str) -> timedelta:
    """A time as it is typed.

    >>> _age("30d").days, _age("2w").days
    (30, 14)
    """
    found = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected an age such as 12h, 30d or 8w, not {text!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _info(args: argparse.Namespace) -> int:
    from zoo.registry.cache import Cache
    from zoo.registry.cache_info import cache_facts

    output = Output.of(args)
    facts = cache_facts(Cache())
    if output.as_json:
        output.document(asdict(facts))
        return 0
    output.facts(
        [
            ("home", str(facts.home)),
            ("layout", "nothing written yet" if facts.layout is None else str(facts.layout)),
            ("models", str(facts.models)),
            ("blobs", str(facts.blobs)),
            ("size", size_text(facts.bytes)),
            ("saved by sharing", size_text(facts.bytes_shared)),
            ("unfinished", f"{facts.partials}, {size_text(facts.partial_bytes)}"),
            ("features", size_text(facts.feature_bytes)),
            ("gc would free", size_text(facts.waste_bytes)),
            ("free on the disk", size_text(facts.bytes_free)),
            ("writable", "yes" if facts.writable else "no"),
        ]
    )
    return 0


def _gc(args: argparse.Namespace) -> int:
    from zoo.registry.cache import Cache
    from zoo.registry.cache_gc import collect, find_waste

    output, cache = Output.of(args), Cache()
    if not (args.yes or args.dry_run or may_ask(output)):
        raise UsageError("there is no terminal to ask on; add --yes to remove without asking")
    if args.keep and args.older_than is None:
        raise UsageError("--keep has a meaning with --older-than only; else all models stay.")
    wastes = find_waste(cache, older_than=args.older_than, keep=args.keep or ())
    size = sum(waste.bytes for waste in wastes)
    if not output.as_json and wastes:
        output.table(_WASTE, [(w.kind, w.name, size_text(w.bytes), w.why) for w in wastes])
    question = f"Remove these {len(wastes)}, {size_text(size)}?"
    if args.dry_run or not wastes or not (args.yes or agreed(question)):
        output.note(f"{size_text(size)} could be freed" if wastes else "there is nothing to remove")
        _gc_document(output, wastes, wastes, size, 0)
        return 0
    freed, left = collect(cache, wastes)
    output.note(f"freed {size_text(freed)}")
    for waste in left:
        output.note(f"kept {waste.path}: somebody uses it now")
    _gc_document(output, wastes, left, size, freed)
    return 0


def _gc_document(
    output: Output, wastes: list[Waste], left: list[Waste], size: int, freed: int
) -> None:
    if output.as_json:
        facts = [{**asdict(waste), "removed": waste not in left} for waste in wastes]
        output.document({"bytes": size, "freed": freed, "waste": facts})


def _export(args: argparse.Namespace) -> int:
    from zoo.registry.cache import Cache
    from zoo.registry.cache_carry import export_models

    place, names = _place(args)
    output = Output.of(args)
    with transferring(output) as progress:
        carried = export_models(Cache(), place, names, force=args.force, progress=progress)
    _tell(carried, f"to {place}", output)
    if carried:
        output.note(f"`zoo cache import {place}` brings them in on the other machine")
    return 0


def _import(args: argparse.Namespace) -> int:
    from zoo.registry.cache import Cache
    from zoo.registry.cache_carry import import_models

    place, names = _place(args)
    output = Output.of(args)
    with transferring(output) as progress:
        carried = import_models(Cache(), place, names, force=args.force, progress=progress)
    _tell(carried, f"from {place}", output)
    _tell_licences([one.name for one in carried], output)
    return 0


def _place(args: argparse.Namespace) -> tuple[str, list[str]]:
    if not args.words:
        raise UsageError(f"expected `zoo cache {args.action} DIR|FILE.tar [NAME ...]`.")
    return args.words[0], args.words[1:]


def _tell(carried: list[Carried], where: str, output: Output) -> None:
    if output.as_json:
        output.document([asdict(one) for one in carried])
        return
    output.table(
        (Column("name"), Column("result"), Column("size", True)),
        [(one.name, one.how, size_text(one.bytes)) for one in carried],
    )
    total = sum(one.bytes for one in carried if one.how != "already there")
    output.note(f"copied {size_text(total)} {where}" if carried else "there are no models")


def _tell_licences(names: list[str], output: Output) -> None:
    """A licence that restricts is carried with the model, and who did not fetch it should know."""
    from zoo.registry.cache import Cache
    from zoo.registry.consent import license_of

    for name in names:
        licence = license_of(Cache().existing(name).card)
        if licence.kind != "permissive":
            output.note(f"{name}: licence {licence.summary}")


_ACTIONS: dict[str, tuple[Callable[[argparse.Namespace], int], tuple[str, ...]]] = {
    "info": (_info, ()),
    "verify": (verify_all, ("refetch",)),
    "gc": (_gc, ("dry_run", "yes", "older_than", "keep")),
    "export": (_export, ("force",)),
    "import": (_import, ("force",)),
}
