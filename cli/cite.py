"""`zoo cite`: what to cite for models, as BibTeX, in the style of the APA, or as a CITATION.cff."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.output import Output
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.registry.bibliography import Reference
    from zoo.registry.cite import Bibliography

__all__ = ["NAME", "add", "run"]

NAME = "cite"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="print what to cite for models and for what they derive from",
        description="Cited are a model's paper, those of the models and data sets that it was"
        " made from, and Caffe for models that were made with it.",
        example="zoo cite finetune_flickr_style > references.bib\n"
        "zoo cite vgg16 resnet50 --format apa\nzoo cite --project --format cff > CITATION.cff",
    )
    parser.add_argument("names", nargs="*", metavar="MODEL", help="models, or their directories")
    parser.add_argument(
        "--format", choices=("bibtex", "apa", "cff"), default="bibtex", help="bibtex by default"
    )
    parser.add_argument(
        "--project",
        action="store_true",
        help="all models that scripts used from this cache (docs/catalogue.md)",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.registry.cite import collect, collect_project

    if bool(args.names) == args.project:
        raise UsageError("zoo cite: expected models, or --project; not both.")
    output = Output.of(args)
    if args.project:
        found = collect_project(args.source)
        if not found.works:
            output.note("no script has used a model from this cache yet.")
    else:
        found = collect(args.names, args.source)
    if output.as_json:
        output.document(_facts(found))
    else:
        for line in found.text(args.format).splitlines():
            output.line(line)
    for note in found.notes:
        output.note(note)
    return 0


def _facts(found: Bibliography) -> list[dict[str, Any]]:
    def cited_for(reference: Reference) -> list[dict[str, str]]:
        works = [work for work in found.works if work.reference.is_same_work(reference)]
        return [{"model": work.model, "role": work.role} for work in works]

    return [
        {
            "key": reference.key,
            "title": reference.fields.get("title"),
            "bibtex": reference.text,
            "cited_for": cited_for(reference),
        }
        for reference in found.references
    ]
