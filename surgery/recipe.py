"""Recipes: a YAML list of operations that can be applied again, and published beside a model.

    name: fc8 for twenty styles
    steps:
      - replace_head: {classes: 20, name: fc8_flickr}
      - set_parameter: {layer: drop7, field: dropout_ratio, value: 0.3}
      - fold

A step is the name of an operation of `zoo.surgery`, with its arguments behind it if it takes any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import NetError, ParseError, UsageError, ZooError, did_you_mean
from zoo.net import Net
from zoo.surgery.operations import arguments_of, operation
from zoo.surgery.report import SurgeryReport

__all__ = ["Applied", "Recipe", "Step", "is_definition", "perform", "read_recipe"]

_FIELDS = ("name", "description", "steps")
_LARGEST = 1_000_000
_DEEPEST = 50


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes
    ----------
    operation : its name.
    arguments : what it is called with, beside the net.
    line : of the file, from 1.
    """

    operation: str
    arguments: Mapping[str, Any]
    line: int

    @property
    def models(self) -> list[str]:
        """The names of the other models that it takes something from."""
        known = arguments_of(self.operation)
        given = [value for name, value in self.arguments.items() if known[name].models]
        return [text for value in given for text in _texts(value)]

    @property
    def files(self) -> list[str]:
        """The paths of what it reads that is no model: arrays, pictures, rules, definitions."""
        known = arguments_of(self.operation)
        given = [value for name, value in self.arguments.items() if known[name].files]
        paths = [value for value in given if isinstance(value, str) and Path(value).exists()]
        return paths + [name for name in self.models if is_definition(name)]


@dataclass(frozen=True)
class Recipe:
    """A list of operations.

    Attributes
    ----------
    path : the file.
    text : the file as it is, to be kept beside the result.
    name, description : for people.
    """

    path: Path
    text: str
    steps: tuple[Step, ...]
    name: str = ""
    description: str = ""

    @property
    def models(self) -> list[str]:
        """The names of all other models that it takes something from."""
        return list(dict.fromkeys(name for step in self.steps for name in step.models))

    @property
    def files(self) -> list[str]:
        """The paths of all other files that it reads."""
        return list(dict.fromkeys(path for step in self.steps for path in step.files))


@dataclass(frozen=True)
class Applied:
    """What a step did: the nets before and after it, and its report."""

    step: Step
    before: Net
    after: Net
    report: SurgeryReport


def is_definition(name: str) -> bool:
    """Whether a step means a definition alone, rather than a model."""
    return name.endswith(".prototxt")


def read_recipe(path: str | Path) -> Recipe:
    """A recipe from a file.

    Raises
    ------
    ParseError
        When the file is no YAML; names the line.
    UsageError
        When an operation or an argument is not known, is missing, or has a value of another type:
        names the line, and what it may be.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > _LARGEST:
            raise UsageError(f"{path}: expected a recipe, received {len(text):,} characters")
        root = _composed(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ParseError("this is no text", path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "not closed"
        raise ParseError(f"this is no YAML: {reason}", path, mark and mark.line + 1) from None
    facts = dict(_header(path, root))
    steps = facts.pop("steps", None)
    if not isinstance(steps, yaml.SequenceNode) or not steps.value:
        raise UsageError(f"{path}: expected `steps:` with a list of operations")
    return Recipe(path, text, tuple(_step(path, node) for node in steps.value), **facts)


def perform(
    net: Net, recipe: Recipe, load_net: Callable[[str], Net] | None = None
) -> Iterator[Applied]:
    """Do one step after the other.

    Parameters
    ----------
    net : where to begin; it is not changed.
    load_net : gives the net of another model by its name, for steps that take something from one.

    Raises
    ------
    ZooError
        When a step does not apply to the net that it is given: the error of the operation, with the
        file, the line and the operation in front.
    """
    for step in recipe.steps:
        try:
            arguments = _with_nets(step, load_net)
            after, report = operation(step.operation)(net, **arguments)
        except ZooError as error:
            error.args = (f"{recipe.path}:{step.line}: {step.operation}: {error}",)
            if isinstance(error, NetError):
                error.layer = None  # the text names it already
            raise
        yield Applied(step, net, after, report)
        net = after


def _with_nets(step: Step, load_net: Callable[[str], Net] | None) -> dict[str, Any]:
    """The arguments, with nets in the place of the names of models."""
    if not step.models:
        return dict(step.arguments)
    if load_net is None:
        raise UsageError("takes something from another model, and none can be loaded here")
    known = arguments_of(step.operation)
    return {
        name: _loaded(value, load_net) if known[name].models else value
        for name, value in step.arguments.items()
    }


def _loaded(value: Any, load_net: Callable[[str], Net]) -> Any:
    if isinstance(value, str):
        return load_net(value)
    if isinstance(value, dict):
        return {key: _loaded(inner, load_net) for key, inner in value.items()}
    return [_loaded(inner, load_net) for inner in value]


def _header(path: Path, root: yaml.Node | None) -> Iterator[tuple[str, Any]]:
    """The fields of the file; `steps` as it was parsed, since its lines are needed."""
    if isinstance(root, yaml.SequenceNode):
        yield "steps", root
        return
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path}: expected `steps:` with a list of operations")
    for key, value in root.value:
        name = _plain(path, key)
        if name not in _FIELDS:
            hint = did_you_mean(str(name), _FIELDS)
            raise UsageError(
                f"{path}:{_line(key)}: field {name!r} is not known.{hint} The fields are"
                f" {', '.join(_FIELDS)}."
            )
        yield name, value if name == "steps" else _text(path, name, value)


def _text(path: Path, name: str, node: yaml.Node) -> str:
    """The name or the description."""
    value = _plain(path, node)
    if isinstance(value, dict | list):
        raise UsageError(f"{path}:{_line(node)}: {name}: expected a text, received {value!r:.80}")
    return "" if value is None else str(value)


def _step(path: Path, node: yaml.Node) -> Step:
    given = _plain(path, node)
    line = _line(node)
    if isinstance(given, str):
        given = {given: None}
    if not isinstance(given, dict) or len(given) != 1:
        raise UsageError(
            f"{path}:{line}: expected one operation, such as `- remove_layer: {{layer: norm1}}`,"
            f" received {given!r:.80}"
        )
    ((name, arguments),) = given.items()
    try:
        return Step(str(name), _checked(str(name), {} if arguments is None else arguments), line)
    except UsageError as error:
        raise UsageError(f"{path}:{line}: {error}") from None


def _checked(name: str, given: Any) -> dict[str, Any]:
    """The arguments of an operation, if it takes them."""
    known = arguments_of(name)
    takes = f" It takes {', '.join(known)}." if known else " It takes nothing."
    if not isinstance(given, dict):
        raise UsageError(f"{name}: expected arguments by name, received {given!r:.80}.{takes}")
    for argument, value in given.items():
        if argument not in known:
            hint = did_you_mean(str(argument), known)
            raise UsageError(f"{name}: there is no argument {argument!r}.{hint}{takes}")
        misfit = known[argument].misfit(value)
        if misfit:
            raise UsageError(f"{name}: {misfit}")
    missing = [each.name for each in known.values() if each.needed and each.name not in given]
    if missing:
        raise UsageError(f"{name}: {', '.join(missing)} is missing.{takes}")
    return given


def _composed(path: Path, text: str) -> yaml.Node | None:
    """The nodes of a YAML text. A few bytes of aliases can stand for values without end."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise ParseError("aliases (*) are not read; write the value again", path, line)
        if depth > _DEEPEST:
            raise ParseError(f"lists and mappings lie more than {_DEEPEST} deep", path, line)
    root = yaml.compose(text, yaml.SafeLoader)
    if root is not None:
        _check_keys(path, root)
    return root


def _check_keys(path: Path, node: yaml.Node) -> None:
    """Refuse a name that is written twice, of which YAML takes the last without a word."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    seen: set[str] = set()
    for key, _ in pairs:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise ParseError(f"{key.value!r} is there twice", path, _line(key))
        seen.add(str(key.value))
    inner = [each for pair in pairs for each in pair]
    for each in node.value if isinstance(node, yaml.SequenceNode) else inner:
        _check_keys(path, each)


def _plain(path: Path, node: yaml.Node) -> Any:
    """The value of a node."""
    try:
        return yaml.SafeLoader("").construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        raise ParseError(f"this is no YAML: {error}", path, _line(node)) from None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value
    return [text for each in inner for text in _texts(each)]
