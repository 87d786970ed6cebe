"""`zoo advise`: which way of transfer suits this data?"""

from __future__ import annotations

import argparse
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.cli.arguments import add_command
from zoo.cli.output import Column, Output
from zoo.cli.progress import counting_parts
from zoo.cli.reading import add_model_and_data, add_reading, loaded, reading, tell_failures

if TYPE_CHECKING:
    from zoo.transfer.advise import Advice

__all__ = ["NAME", "add", "run"]

NAME = "advise"


def add(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = add_command(
        subparsers,
        NAME,
        run,
        help="measure data with a model and say how to transfer",
        description="The field's table (little or much data, similar or different data) with the"
        " numbers of this data in it, and the plan that follows.",
        example="zoo advise squeezenet_v1.0 photos/train",
    )
    add_model_and_data(parser)
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zoo.transfer.advise import advise
    from zoo.transfer.data import open_data

    output = Output.of(args)
    data = open_data(args.data)
    model = loaded(args, output)
    with counting_parts(output, "computing features") as told:
        advice = advise(
            model,
            data,
            progress=partial(told, "computing features"),
            fitting=partial(told, "fitting classifiers"),
            **reading(args),
        )
    commands = _commands(advice, args)
    if output.as_json:
        output.document(_facts(advice) | {"commands": commands})
    else:
        _show(advice, commands, output)
    return tell_failures(advice.probes.failures, output)


def _commands(advice: Advice, args: argparse.Namespace) -> list[str]:
    probes = advice.probes
    blob = probes.probes[-1].blob if advice.likeness == "similar" else probes.best.blob
    given = [args.model, args.data, *(f"--source={source}" for source in args.source)]
    return [
        shlex.join(["zoo", "probe", *given, "--blob", blob, "-o", "probe"]),
        shlex.join(["zoo", "finetune", *given, "-o", "tuned"]),
    ]


def _show(advice: Advice, commands: list[str], output: Output) -> None:
    from zoo.transfer.advise import TABLE

    probes = advice.probes
    rows = [
        [
            probe.blob,
            f"{probe.accuracy:.1%}",
            f"{probe.spread:.1%}",
            f"{advice.logme[probe.blob]:.3f}",
        ]
        for probe in probes.probes
    ]
    right = [Column(title, right=True) for title in ("accuracy", "±", "LogME")]
    output.table([Column("blob"), *right], rows)
    output.line("")
    facts = [
        ("rows", f"{probes.rows} of {len(probes.classes)} classes"),
        ("balance", f"{advice.balance:.2f} (smallest class / largest)"),
        ("chance", f"{probes.chance:.1%}"),
    ]
    if advice.leep is not None:
        facts.append(("LEEP", f"{advice.leep:.3f}"))
    output.facts(facts)
    output.line("", *advice.reasons, "")
    cells = {
        key: f"{'-> ' if key == (advice.amount, advice.likeness) else ''}{text}"
        for key, text in TABLE.items()
    }
    output.table(
        [Column(""), Column("similar data"), Column("different data")],
        [[f"{n} data", cells[n, "similar"], cells[n, "different"]] for n in ("little", "much")],
    )
    output.line("")
    steps = [[str(n), s.trained, s.rate, s.why] for n, s in enumerate(advice.plan, 1)]
    output.table([Column("step"), Column("trains"), Column("rate"), Column("because")], steps)
    output.line("", *commands)


def _facts(advice: Advice) -> dict[str, Any]:
    return {
        "amount": advice.amount,
        "likeness": advice.likeness,
        "method": advice.method,
        "reasons": advice.reasons,
        "rows": advice.probes.rows,
        "classes": dict(zip(advice.probes.classes, advice.probes.counts, strict=True)),
        "balance": advice.balance,
        "leep": advice.leep,
        "depths": [
            {
                "blob": probe.blob,
                "accuracy": probe.accuracy,
                "spread": probe.spread,
                "logme": advice.logme[probe.blob],
            }
            for probe in advice.probes.probes
        ],
        "plan": [vars(step) for step in advice.plan],
    }
