"""`zoo inspect`: layers, shapes, cost and gaps of a network, without TensorFlow."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command, add_sources, shape_argument
from zoo.cli.definition import add_net_files, add_partial, check_one_of, definition_of
from zoo.cli.output import Column, Output, size_text

if TYPE_CHECKING:
    from zoo.loading import LoadReport

__all__ = ["NAME", "add", "run"]

NAME = "inspect"
_COLUMNS = (
    Column("layer"),
    Column("type"),
    Column("bottoms"),
    Column("tops"),
    Column("shape"),
    Column("params", right=True),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="show the layers, shapes and cost of a model or of a definition",
        description="Layers that zoo does not know are listed. With --weights it is checked that"
        " the weights fit.",
        example="zoo inspect lenet_digits\n"
        "zoo inspect --net deploy.prototxt --weights net.caffemodel\n"
        "zoo inspect --net train_val.prototxt --phase train --input data=32,3,227,227",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a model, or its directory")
    add_net_files(parser)
    add_partial(parser)
    parser.add_argument("--phase", choices=("train", "test"), default="test")
    parser.add_argument("--level", type=int, default=0, help="level of Caffe's NetState")
    parser.add_argument(
        "--stage", action="append", default=[], help="a stage of Caffe's NetState; repeatable"
    )
    parser.add_argument(
        "--input",
        dest="shapes",
        action="append",
        default=[],
        type=shape_argument,
        metavar="NAME=DIMS",
        help="shape of a data source, such as data=32,3,227,227; repeatable",
    )
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.api import describe

    output = Output.of(args)
    check_one_of(args, args.name, "the name of a model")
    state = {"phase": args.phase, "level": args.level, "stages": tuple(args.stage)}
    net, place = definition_of(args, **state)
    facts = describe(net)
    report = net.report if args.weights else None
    if output.as_json:
        output.document(facts | {"definition": place, "weights": _report_facts(report)})
        return 0
    output.table(_COLUMNS, [_row(layer, facts["blobs"]) for layer in facts["layers"]])
    if not output.quiet:
        output.line("")
    output.facts(_summary(facts, place).items())
    if report is not None:
        output.line("", *str(report).splitlines())
    return 0


def _row(layer: Mapping[str, Any], blobs: Mapping[str, Any]) -> list[str]:
    tops = ("(in place)" if top in layer["bottoms"] else top for top in layer["tops"])
    shapes = (_shape_text(blobs[top]) for top in dict.fromkeys(layer["tops"]))
    params = (_shape_text(shape) for shape in layer["params"])
    return [
        layer["name"],
        layer["type"],
        ", ".join(layer["bottoms"]),
        ", ".join(tops),
        ", ".join(shapes),
        ", ".join(params),
    ]


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


def _report_facts(report: LoadReport | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {
        "file": report.path,
        "copied": report.copied,
        "fresh": report.fresh,
        "unused": report.unused,
        "unfit": report.unfit,
    }
