"""What the commands that make pictures of a model have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_batch, add_device, add_sources
from zoo.cli.output import Output
from zoo.cli.progress import transferring

if TYPE_CHECKING:
    from zoo.loaded import LoadedModel
    from zoo.visual.place import Place

__all__ = [
    "add_blob",
    "add_class",
    "add_model",
    "add_running",
    "add_unit",
    "class_facts",
    "class_text",
    "loaded",
    "place_text",
]


def add_model(parser: argparse.ArgumentParser) -> None:
    """`MODEL`."""
    parser.add_argument("model", metavar="MODEL", help="a model, or its directory")


def add_blob(parser: argparse.ArgumentParser) -> None:
    """`--blob`, for commands that cannot choose one."""
    parser.add_argument(
        "--blob", required=True, metavar="BLOB", help="a blob, as `zoo inspect` lists them"
    )


def add_unit(parser: argparse.ArgumentParser) -> None:
    """`--blob` and `--unit`."""
    add_blob(parser)
    parser.add_argument(
        "--unit", required=True, type=int, metavar="N", help="a channel of it, from 0"
    )


def add_class(parser: argparse.ArgumentParser) -> None:
    """`MODEL IMAGE` and `--class`."""
    add_model(parser)
    parser.add_argument("image", metavar="IMAGE", help="a picture")
    parser.add_argument(
        "--class",
        dest="target",
        metavar="N|NAME",
        help="the class by number or label; by default the most probable one",
    )


def add_running(parser: argparse.ArgumentParser, *, batch: bool = False) -> None:
    """`-o`, `--device`, `--source`, and `--batch` where many pictures go through."""
    parser.add_argument("-o", "--output", required=True, metavar="PNG", help="the file to write")
    if batch:
        add_batch(parser)
    add_device(parser)
    add_sources(parser)


def loaded(args: argparse.Namespace, output: Output) -> LoadedModel:
    """The model of a command line, once it is clear that its pictures can be read and written."""
    from zoo.api import load
    from zoo.images import find_images, read_image
    from zoo.visual.picture_files import check_png

    check_png(args.output)
    if "image" in args:
        read_image(args.image)
    if "images" in args:
        find_images(args.images)
    with transferring(output) as progress:
        model = load(args.model, args.source, progress=progress)
    for note in model.notes:
        output.note(note)
    return model


def class_facts(found: Any) -> dict[str, Any]:
    """The class of a map for JSON."""
    return {"class": found.index, "label": found.label, "probability": found.probability}


def class_text(found: Any) -> str:
    """The class of a map in a title."""
    return f"{found.label or f'class {found.index}'} {found.probability:.2%}"


def place_text(place: Place | None) -> str:
    """Pixels as people write them."""
    if place is None:
        return "nowhere"
    return f"{place.width}x{place.height} pixels from {place.left},{place.top}"
