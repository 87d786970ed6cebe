"""`zoo inspect`: layers, shapes, cost and gaps of a network, without TensorFlow."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources
from zoo.cli.definition import (
    add_net_files,
    add_partial,
    add_shapes,
    check_one_of,
    check_shapes,
    definition_of,
)
from zoo.cli.output import Column, Output, count_text, size_text

if TYPE_CHECKING:
    from zoo.report import LoadReport

__all__ = ["NAME", "add", "run"]

NAME = "inspect"
_COLUMNS = (
    Column("layer"),
    Column("type"),
    Column("bottoms", piped_only=True),
    Column("tops", piped_only=True),
    Column("shape"),
    Column("weights", piped_only=True),
    Column("params", right=True),
    Column("MACs", right=True),
    Column("bytes", right=True),
    Column("field", right=True),
    Column("stride", right=True),
    Column("offset", right=True, piped_only=True),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show the layers, shapes and cost of a model or of a definition",
        description="MACs and bytes are for one picture. The field is how many pixels a value"
        " sees, the stride how far apart the fields of neighbours lie. Below stand the layers that"
        " zoo does not know, and what was upgraded, left out and ignored. With --weights it is"
        " checked that the weights fit.",
        example="zoo inspect lenet_digits\n"
        "zoo inspect --net deploy.prototxt --weights net.caffemodel\n"
        "zoo inspect --net train_val.prototxt --phase train --shape data=32,3,227,227",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a model, or its directory")
    add_net_files(parser)
    add_partial(parser)
    parser.add_argument("--phase", choices=("train", "test"), default="test")
    parser.add_argument("--level", type=int, default=0, help="level of Caffe's NetState")
    parser.add_argument(
        "--stage", action="append", default=[], help="a stage of Caffe's NetState; repeatable"
    )
    add_shapes(parser, also="--input")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import describe

    output = Output.of(args)
    check_one_of(args, args.name, "the name of a model")
    state = {"phase": args.phase, "level": args.level, "stages": tuple(args.stage)}
    net, place = definition_of(args, **state)
    check_shapes(args, net)
    facts = describe(net)
    if output.as_json:
        output.document(facts | {"definition": place, "weights": _weights_facts(net.report)})
        return 0
    output.table(_COLUMNS, [_row(layer, facts) for layer in facts["layers"]])
    if not output.quiet:
        output.line("")
    output.facts(_summary(facts, place).items())
    sections = net.report.sections()
    if sections:
        output.line("")
        output.facts((heading, text) for heading, texts in sections.items() for text in texts)
    return 0


def _row(layer: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    tops = ("(in place)" if top in layer["bottoms"] else top for top in layer["tops"])
    shapes = (_shape_text(facts["blobs"][top]) for top in dict.fromkeys(layer["tops"]))
    weights = (_shape_text(shape) for shape in layer["params"])
    return [
        layer["name"],
        layer["type"],
        ", ".join(layer["bottoms"]),
        ", ".join(tops),
        ", ".join(shapes),
        ", ".join(weights),
        f"{layer['param_count']:,}" if layer["params"] else "",
        count_text(layer["macs"]),
        count_text(layer["activation_bytes"]),
        *_field_cells(facts["receptive_fields"].get(next(iter(layer["tops"]), None))),
    ]


def _field_cells(field: Mapping[str, Any] | None) -> list[str]:
    """Size, stride and offset of a receptive field; axes that agree are written once."""
    if field is None:
        return ["", "", ""]
    if field["whole"]:
        return ["all", "", ""]
    return [_axes_text(field[name]) for name in ("size", "stride", "start")]


def _axes_text(values: list[float | None]) -> str:
    texts = ["" if value is None else f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else "x".join(texts)


def _summary(facts: Mapping[str, Any], place: str) -> dict[str, str]:
    summary = {
        "network": f"{facts['name'] or 'without a name'} ({facts['phase']})",
        "definition": place,
        "inputs": _blobs_text(facts["inputs"]),
        "outputs": _blobs_text({name: facts["blobs"][name] for name in facts["outputs"]}),
        "layers": str(len(facts["layers"])),
        "params": f"{facts['param_count']:,}",
        "multiply-accumulates": f"{facts['macs']:,}",
        "activations": size_text(facts["activation_bytes"]),
    }
    for kind in facts["unsupported"]:
        nearest = f"; nearest: {kind['nearest']}" if kind["nearest"] else ""
        layers = ", ".join(kind["layers"])
        summary[f"unsupported {kind['type']}"] = f"{len(kind['layers'])}: {layers}{nearest}"
    return summary


def _blobs_text(blobs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_shape_text(shape)}" for name, shape in blobs.items())


def _shape_text(shape: list[int] | None) -> str:
    from zoo.table import shape_text

    return shape_text(None if shape is None else tuple(shape))


def _weights_facts(report: LoadReport) -> dict[str, Any] | None:
    if report.path is None:
        return None
    return {
        "file": report.path,
        "copied": report.copied,
        "fresh": report.fresh,
        "unused": report.unused,
        "unfit": report.unfit,
    }
