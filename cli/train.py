"""`zoo train`: a solver.prototxt of Caffe's, run as Caffe runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import waiting
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.transfer.caffe_training import CaffeSolver, Trained
    from zoo.transfer.run_report.training_record import TrainingRecord
    from zoo.transfer.solver.events import Event

__all__ = ["NAME", "add", "run"]

NAME = "train"
_EFFECTS = ("stop", "snapshot", "none")
_COLUMNS = (
    Column("layer"),
    Column("param", True),
    Column("shape"),
    Column("rate", True),
    Column("decay", True),
)


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="train as Caffe does, from its solver.prototxt",
        description="Paths are relative to the current folder, snapshots are Caffe's and named as"
        " Caffe names them. SIGINT (Ctrl-C) stops behind the iteration that runs, with a snapshot;"
        " SIGHUP makes a snapshot. Caffe's way to write options, -solver, works too.",
        example="zoo train --solver solver.prototxt\n"
        "zoo train --solver solver.prototxt --weights bvlc_reference_caffenet.caffemodel\n"
        "zoo train --solver solver.prototxt --snapshot snapshots/net_iter_1000.solverstate\n"
        "zoo train --solver solver.prototxt --dry-run",
    )
    _add_files(parser)
    parser.add_argument("--device", help="cpu or gpu:0; by default as the solver says")
    parser.add_argument("-gpu", dest="gpu", metavar="ID", help="Caffe's way to say --device gpu:ID")
    parser.add_argument("--level", "-level", type=int, help="level of the network to train")
    parser.add_argument(
        "--stage", "-stage", default="", metavar="A,B", help="stages of the network to train"
    )
    for name, default in (("sigint", "stop"), ("sighup", "snapshot")):
        parser.add_argument(
            f"--{name}-effect",
            f"-{name}_effect",
            choices=_EFFECTS,
            default=default,
            help=f"what {name.upper()} does ({default})",
        )
    parser.add_argument(
        "--caffe-log", action="store_true", help="tell everything in the lines of Caffe's log"
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        help="keep the record of the run there: log, curves, report.html (see `zoo report`)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="open and check everything, print what each param learns, and train nothing",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--solver", "-solver", required=True, metavar="FILE", help="the solver.prototxt"
    )
    parser.add_argument(
        "--weights",
        "-weights",
        default="",
        metavar="A,B",
        help="caffemodels to fine-tune: layers of the same name are copied, new names start fresh",
    )
    parser.add_argument(
        "--snapshot", "-snapshot", metavar="STATE", help="a .solverstate to go on from"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.caffe_training import CaffeSolver
    from zoo.transfer.solver.signals import obeying

    output = Output.of(args)
    record = _record(args)
    weights = [name.strip() for name in args.weights.split(",") if name.strip()]
    # Caffe's log is written past the display.
    with nullcontext() if args.caffe_log else waiting(output, "opening nets and data"):
        solver = CaffeSolver(
            args.solver,
            weights,
            args.snapshot,
            device=_device(args),
            level=args.level,
            stages=[stage for stage in args.stage.split(",") if stage],
            listen=_listener(args, output, record),
        )
    if args.dry_run:
        _tell_plan(solver, output)
        return 0
    if record is not None:
        record.begin(solver.param, solver.net, solver.iteration, [Path(name) for name in weights])
    with obeying(solver.request, args.sigint_effect, args.sighup_effect):
        trained = solver.solve()
    if record is not None:
        written, trouble = record.finish(trained.net)
        if trouble:
            output.warning(trouble)
        if written is not None:
            output.note(f"the report is {written.path}")
    if output.as_json:
        output.document(_facts(solver, trained))
    return 0


def _device(args: argparse.Namespace) -> str | None:
    if args.gpu is None:
        device: str | None = args.device
        return device
    if args.device is not None:
        raise UsageError("-gpu and --device say the same; give one of them")
    if not args.gpu.isdecimal():
        raise UsageError(f"-gpu {args.gpu}: training is on one device; give its number, as -gpu 0")
    return f"gpu:{args.gpu}"


def _record(args: argparse.Namespace) -> TrainingRecord | None:
    """What keeps the record of the run, if it is to be kept."""
    if args.run_dir is None or args.dry_run:
        return None
    from zoo.transfer.run_report.training_record import TrainingRecord

    return TrainingRecord(Path(args.run_dir), args.snapshot)


def _listener(
    args: argparse.Namespace, output: Output, record: TrainingRecord | None
) -> Callable[[Event], None]:
    from zoo.transfer.solver.events import Found, Message
    from zoo.transfer.solver.log import caffe_log_lines, plain_lines

    def listen(event: Event) -> None:
        if record is not None:
            record.listen(event)
        if args.caffe_log:
            # Where Caffe writes its log, and as it comes.
            print(*caffe_log_lines(event), sep="\n", file=sys.stderr, flush=True)
        elif isinstance(event, Found):
            output.warning(str(event.finding))
        elif isinstance(event, Message):
            (output.warning if event.kind == "warning" else output.note)(event.text)
        elif not output.as_json:
            output.line(*plain_lines(event))

    return listen


def _tell_plan(solver: CaffeSolver, output: Output) -> None:
    param, learned = solver.param, solver.learned
    if output.as_json:
        plan = [
            {
                "layer": each.owner[0],
                "param": each.owner[1],
                "shape": list(each.shape),
                "rate": param.base_lr * each.rate,
                "decay": param.weight_decay * each.decay,
            }
            for each in learned
        ]
        output.document({"solver": param.type, "max_iter": param.max_iter, "params": plan})
        return
    output.table(
        _COLUMNS,
        [
            [
                each.owner[0],
                str(each.owner[1]),
                "x".join(map(str, each.shape)),
                f"{param.base_lr * each.rate:g}" if each.rate else "frozen",
                f"{param.weight_decay * each.decay:g}",
            ]
            for each in learned
        ],
    )


def _facts(solver: CaffeSolver, trained: Trained) -> dict[str, Any]:
    return {
        "solver": solver.param.type,
        "iteration": trained.iteration,
        "stopped": trained.stopped,
        "losses": trained.losses.tolist(),
        "tests": [
            {
                "iteration": test.iteration,
                "net": test.number,
                "loss": test.loss,
                "outputs": [asdict(score) for score in test.outputs],
            }
            for test in trained.tests
        ],
        "snapshots": [str(each.state) for each in trained.snapshots],
    }
