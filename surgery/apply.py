"""A recipe applied to a model: a new model directory that says where it comes from.

    apply_recipe("recipe.yaml", "bvlc_reference_caffenet", "styles")

The recipe lies beside the result, and its readme names the source with the hash of its weights, so
that whoever has both can do it again and get the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.api import load
from zoo.errors import UsageError, VerificationError
from zoo.loaded import LoadedModel
from zoo.net import Net
from zoo.surgery.check import TOLERANCE, StepCheck, check_step
from zoo.surgery.operated_model import write_model
from zoo.surgery.recipe import Applied, Recipe, is_definition, perform, read_recipe

__all__ = ["Operated", "apply_recipe", "check_output"]


@dataclass
class Operated:
    """What a recipe made of a model.

    Attributes
    ----------
    directory : the new model.
    steps : what each step did.
    checks : what each changed in the numbers, where that was asked for.
    notes : what else a user should know, in sentences.
    """

    directory: Path
    steps: list[Applied] = field(default_factory=list)
    checks: list[StepCheck] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def net(self) -> Net:
        """The net after the last step."""
        return self.steps[-1].after


def apply_recipe(
    recipe: str | Path | Recipe,
    model: str | Path | LoadedModel,
    output: str | Path,
    *,
    check: bool = False,
    sources: Sequence[str] = (),
    told: Callable[[Applied, StepCheck | None], None] | None = None,
) -> Operated:
    """Apply a recipe to a model.

    Parameters
    ----------
    recipe : a file, see `zoo.surgery.recipe`.
    model : its name or directory, or what `zoo.load` gave.
    output : the model directory to make.
    check : run a probe input before and after each step, and make nothing where an operation that
        promises to change nothing does.
    sources : where to look for models by name.
    told : called with each step when it is done, and with its check.

    Raises
    ------
    UsageError
        When the output exists or a step does not apply; names file, line and layer.
    VerificationError
        When a check fails.
    UnavailableError
        When a file cannot be written.

    Examples
    --------
    >>> import zoo, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "recipe.yaml").write_text("steps: [fold, remove_layer: {layer: prob}]")
    >>> made = apply_recipe(folder / "recipe.yaml", "lenet_digits", folder / "logits", check=True)
    >>> zoo.load(folder / "logits").net.outputs
    ['ip2']
    """
    directory = check_output(output)
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    source = model if isinstance(model, LoadedModel) else load(model, sources)
    donors: dict[str, LoadedModel] = {}

    def load_net(name: str) -> Net:
        if is_definition(name):
            return Net.read(name)
        donors[name] = load(name, sources)
        return donors[name].net

    made = Operated(directory)
    for applied in perform(source.net, recipe, load_net):
        made.steps.append(applied)
        found = check_step(applied) if check else None
        if found is not None:
            made.checks.append(found)
        if told is not None:
            told(applied, found)
    _require_kept(recipe, made)
    made.notes += write_model(directory, made.steps, recipe, source, donors)
    return made


def check_output(output: str | Path) -> Path:
    """The model directory to make.

    Raises
    ------
    UsageError
        When something is there already.
    """
    directory = Path(output)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already, and is not replaced; name another output")
    if directory.resolve() == Path.cwd():
        raise UsageError(f"{directory} is the folder you are in; name a folder to be made")
    return directory


def _require_kept(recipe: Recipe, made: Operated) -> None:
    for applied, found in zip(made.steps, made.checks, strict=False):
        if found.broken:
            raise VerificationError(
                f"{recipe.path}:{applied.step.line}: {applied.step.operation} promises to change"
                f" nothing, but {found}; at most {TOLERANCE:g} was expected. Nothing was written."
            )
