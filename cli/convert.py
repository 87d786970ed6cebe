"""`zoo convert`: a network, a definition, a mean file or a solver state in another format."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.caffe.replacing import check_target
from zoo.cli.arguments import add_command, add_sources, shapes_of
from zoo.cli.definition import (
    add_net_files,
    add_partial,
    add_shapes,
    check_one_of,
    check_shapes,
    tell_partial,
)
from zoo.cli.output import Output
from zoo.cli.progress import transferring, waiting
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.net import Net
    from zoo.preprocess import Preprocessor

__all__ = ["NAME", "add", "run"]

NAME = "convert"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="write a network in another format, and run it before saying that it is done",
        description="What OUT is called says the format: .caffemodel, .caffemodel.h5, .keras,"
        " .tflite, .onnx, a .prototxt with its .caffemodel beside it, or a folder for both. The"
        " result is read again and compared with the source on a random input; only then it gets"
        " its name.",
        example="zoo convert squeezenet_v1.0 -o squeezenet.onnx\n"
        "zoo convert lenet_digits -o lenet.caffemodel.h5\n"
        "zoo convert --net old.prototxt --weights old.caffemodel -o new.caffemodel\n"
        "zoo convert --net deploy.prototxt --weights trained.keras -o trained.caffemodel\n"
        "zoo convert squeezenet_v1.0 -o app.tflite --with-preprocess\n"
        "zoo convert --net old.prototxt -o new.prototxt --definition-only\n"
        "zoo convert mean.binaryproto -o mean.npy\n"
        "zoo convert net_iter_5000.solverstate -o net_iter_5000.solverstate.h5",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="MODEL",
        help="a model, its directory, or a mean file, a solver state or a binary caffemodel",
    )
    add_net_files(parser)
    parser.require_one("MODEL or --net", "name", "net")
    add_partial(parser)
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="what to write")
    parser.add_argument(
        "--to",
        metavar="FORMAT",
        help="caffemodel, hdf5, caffe, keras, savedmodel, tflite or onnx, where OUT does not say",
    )
    parser.add_argument(
        "--definition-only",
        action="store_true",
        help="only rewrite the definition of --net in the current format, for every phase",
    )
    parser.add_argument(
        "--with-preprocess",
        action="store_true",
        help="make the model's preprocessing part of the graph: uint8 RGB pictures of any size in,"
        " probabilities out; not in Caffe's formats",
    )
    parser.add_argument("--phase", choices=("train", "test"), default="test")
    add_shapes(parser)
    parser.add_argument("--force", action="store_true", help="replace what is there")
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    output = Output.of(args)
    if args.definition_only:
        return _run_definition(args, output)
    if args.net is None and args.name is not None and Path(args.name).is_file():
        return _run_file(args, output)
    return _run_net(args, output)


def _run_net(args: argparse.Namespace, output: Output) -> int:
    from zoo.conversion import checked_format, convert

    check_one_of(args, args.name, "a model")
    checked_format(args.output, args.to)
    net, preprocess = _source(args, output)
    check_shapes(args, net)
    tell_partial(args, net.report, output)
    with waiting(output, f"writing and checking {args.output}"):
        done = convert(net, args.output, args.to, preprocess=preprocess, force=args.force)
    difference = {**asdict(done.difference), "relative": done.difference.relative}
    _tell(done.paths, done.format, [str(done), *done.notes], output, difference=difference)
    return 0


def _run_definition(args: argparse.Namespace, output: Output) -> int:
    from zoo.file_conversion import upgrade_definition

    source = args.net or args.name
    if source is None or args.weights is not None or args.to is not None:
        raise UsageError("--definition-only takes --net FILE and -o OUT, no weights and no --to")
    check_target(args.output)
    notes = upgrade_definition(source, args.output, force=args.force)
    _tell([Path(args.output)], "prototxt", notes or ["it was current already"], output)
    return 0


def _run_file(args: argparse.Namespace, output: Output) -> int:
    from zoo.file_conversion import convert_file

    if args.weights is not None or args.to is not None:
        raise UsageError(f"{args.name} is a file: it goes with -o OUT alone, whose name says how")
    check_target(args.output)
    kind, notes = convert_file(args.name, args.output, force=args.force)
    _tell([Path(args.output)], kind.name.lower(), notes, output)
    return 0


def _source(args: argparse.Namespace, output: Output) -> tuple[Net, Preprocessor | None]:
    """The network with its weights, and its preprocessing if that is wanted."""
    from zoo.api import load

    shapes = shapes_of(args.shapes)
    if args.net is not None:
        if args.with_preprocess:
            raise UsageError(
                "--with-preprocess takes a model, whose card says how pictures are prepared, not"
                " --net. Write a readme.md beside the definition and give the directory."
            )
        return _net_of_files(args, shapes), None
    with transferring(output) as progress:
        model = load(args.name, args.source, partial=args.partial, shapes=shapes, progress=progress)
    for note in model.notes:
        output.note(note)
    return model.net, model.preprocess if args.with_preprocess else None


def _net_of_files(args: argparse.Namespace, shapes: Mapping[str, Sequence[int]]) -> Net:
    """The definition with weights of Caffe's, or of a Keras model that was made from it."""
    from zoo.exports import weights_from_keras
    from zoo.net import Net

    if args.weights is not None and zipfile.is_zipfile(args.weights):
        return weights_from_keras(Net.read(args.net, phase=args.phase, shapes=shapes), args.weights)
    return Net.read(args.net, args.weights, args.phase, shapes=shapes, partial=args.partial)


def _tell(
    paths: Sequence[Path], format: str, texts: Sequence[str], output: Output, **facts: Any
) -> None:
    """The files on stdout, and about them on stderr."""
    if output.as_json:
        output.document({"paths": [*paths], "format": format, **facts, "notes": [*texts]})
        return
    output.line(*map(str, paths))
    for text in texts:
        output.note(text)
