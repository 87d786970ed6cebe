"""What a step of a recipe changes in the numbers: the same probe before and after.

The probe is random, from a fixed seed. An operation after which a net wants other pictures says
what the old one has to be given (`InputReport.earlier_input`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from zoo.build.predict import predictor
from zoo.net import Net
from zoo.surgery.input_report import InputReport
from zoo.surgery.recipe import Applied
from zoo.surgery.report import SurgeryReport

__all__ = ["TOLERANCE", "StepCheck", "check_step", "difference"]

TOLERANCE = 1e-5
_SPREAD = 50.0


@dataclass(frozen=True)
class StepCheck:
    """How far outputs lie apart.

    Attributes
    ----------
    differences : output to the largest difference, as a share of the largest value before; of a
        Softmax that of the scores that it reads. None for one that cannot be compared, because it
        is new or of another shape.
    preserving : whether the operation promises that nothing changes.
    reason : why nothing could be compared, or "".
    """

    differences: dict[str, float | None]
    preserving: bool
    reason: str = ""

    @property
    def largest(self) -> float | None:
        """Of the outputs that could be compared."""
        known = [value for value in self.differences.values() if value is not None]
        return float(np.max(known)) if known else None

    @property
    def broken(self) -> bool:
        """Whether a promise was not kept."""
        return self.preserving and self.largest is not None and not self.largest <= TOLERANCE

    def __str__(self) -> str:
        if self.reason:
            return f"not compared: {self.reason}"
        parts = [
            f"{name} is new or of another shape" if value is None else f"{name} by {value:.1e}"
            for name, value in self.differences.items()
        ]
        promise = ", as promised" if self.preserving and not self.broken else ""
        return f"outputs differ: {'; '.join(parts)}{promise}"


def check_step(applied: Applied, seed: int = 0) -> StepCheck:
    """Run the nets before and after a step on the same pictures.

    Params without values are filled by their fillers, the same for both where the layer is the
    same.

    Examples
    --------
    >>> import zoo
    >>> from zoo.surgery.recipe import Step
    >>> net = zoo.load("lenet_digits").net
    >>> after, report = zoo.surgery.rename_layer(net, "ip2", "digits")
    >>> check_step(Applied(Step("rename_layer", {}, 1), net, after, report)).largest
    0.0
    """
    before, after, report = applied.before, applied.after, applied.report
    unknown = {**before.unsupported, **after.unsupported}
    if unknown:
        return StepCheck({}, report.preserving, f"{', '.join(unknown)} cannot be run")
    if any(layer not in net.params for net in (before, after) for layer in net.param_shapes):
        return StepCheck({}, report.preserving, "there are no weights")
    rng = np.random.default_rng(seed)
    probe = {
        name: rng.normal(0, _SPREAD, shape).astype(np.float32)
        for name, shape in after.inputs.items()
    }
    earlier = _earlier(before, report, probe)
    if isinstance(earlier, str):
        return StepCheck({}, report.preserving, earlier)
    old, new = _outputs(before, earlier), _outputs(after, probe)
    renamed = _renamed(old, new)
    return StepCheck(
        {name: difference(old.get(renamed.get(name, name)), new[name]) for name in new},
        report.preserving,
    )


def _outputs(net: Net, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs by name; of a Softmax what it reads, since 0 and 1 hide what differs."""
    makers = {top: layer for layer in net.layers for top in layer.tops}
    blobs = {
        name: makers[name].bottoms[0] if makers[name].type == "Softmax" else name
        for name in net.outputs
    }
    values = predictor(net, tuple(dict.fromkeys(blobs.values())))(inputs)
    return {name: values[blob] for name, blob in blobs.items()}


def _earlier(
    before: Net, report: SurgeryReport, probe: dict[str, np.ndarray]
) -> dict[str, np.ndarray] | str:
    """What the net before is given, or why nothing fits it."""
    given = dict(probe)
    if isinstance(report, InputReport):
        given[report.blob] = report.earlier_input(given[report.blob])
    wanted = before.inputs
    if len(given) == len(wanted) == 1:  # a renamed input
        given = dict(zip(wanted, given.values(), strict=True))
    fits = given.keys() == wanted.keys() and all(
        given[name].shape == shape for name, shape in wanted.items()
    )
    return given if fits else "the net after it reads other inputs"


def _renamed(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> dict[str, str]:
    """Outputs that have another name now, where it can only be one."""
    gone, come = [n for n in old if n not in new], [n for n in new if n not in old]
    return {come[0]: gone[0]} if len(gone) == len(come) == 1 else {}


def difference(before: np.ndarray | None, after: np.ndarray) -> float | None:
    """The largest difference as a share of the largest value; None for other shapes.

    What is no number has to be at the same places, or the difference is infinite.
    """
    if (
        before is None
        or before.size != after.size
        or before.squeeze().shape != after.squeeze().shape
    ):
        return None
    after = after.reshape(before.shape)
    known = np.isfinite(before)
    if not np.array_equal(known, np.isfinite(after)):
        return math.inf
    before, after = before[known], after[known]
    largest = float(np.abs(before).max(initial=0))
    apart = float(np.abs(after - before).max(initial=0))
    return apart / largest if largest else apart
