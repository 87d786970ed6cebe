"""zoo: from the readme of a Caffe model to a working, cited, fine-tuned model of your own.

The public names are resolved when they are first used, so that ``import zoo`` is quick and never
imports TensorFlow.

>>> import zoo
>>> zoo.Net.__name__
'Net'
"""

from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

# In a checkout the parts lie beside this folder; an installed package has them inside it.
_root = _Path(__file__).resolve().parent.parent
if (_root / "registry" / "__init__.py").is_file() and (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))

__version__ = "0.1.0"

if _TYPE_CHECKING:
    from zoo import surgery as surgery
    from zoo import visual as visual
    from zoo.api import LoadedModel as LoadedModel
    from zoo.api import classify as classify
    from zoo.api import fetch as fetch
    from zoo.api import load as load
    from zoo.api import run as run
    from zoo.build.check_gradient import check_gradients as check_gradients
    from zoo.build.gradients import gradients as gradients
    from zoo.build.model import to_keras as to_keras
    from zoo.comparison import compare as compare
    from zoo.conversion import convert as convert
    from zoo.errors import ZooError as ZooError
    from zoo.layers.kind import layer as layer
    from zoo.layers.plugins import load_plugin as load_plugin
    from zoo.net import Net as Net
    from zoo.publishing import publish as publish
    from zoo.registry.card import Card as Card
    from zoo.registry.cite import cite as cite
    from zoo.transfer.caffe_training import train as train
    from zoo.transfer.evaluate import evaluate as evaluate
    from zoo.transfer.extractor import FeatureExtractor as FeatureExtractor
    from zoo.transfer.features import extract_features as extract_features
    from zoo.transfer.find_rate import find_rate as find_rate
    from zoo.transfer.finetune import fine_tune as fine_tune

_HOMES = {
    "Card": "zoo.registry.card",
    "FeatureExtractor": "zoo.transfer.extractor",
    "LoadedModel": "zoo.api",
    "Net": "zoo.net",
    "ZooError": "zoo.errors",
    "check_gradients": "zoo.build.check_gradient",
    "cite": "zoo.registry.cite",
    "classify": "zoo.api",
    "compare": "zoo.comparison",
    "convert": "zoo.conversion",
    "extract_features": "zoo.transfer.features",
    "fetch": "zoo.api",
    "evaluate": "zoo.transfer.evaluate",
    "find_rate": "zoo.transfer.find_rate",
    "fine_tune": "zoo.transfer.finetune",
    "gradients": "zoo.build.gradients",
    "layer": "zoo.layers.kind",
    "load": "zoo.api",
    "load_plugin": "zoo.layers.plugins",
    "publish": "zoo.publishing",
    "run": "zoo.api",
    "to_keras": "zoo.build.model",
    "train": "zoo.transfer.caffe_training",
}

# Parts that are used by their own names: zoo.surgery.fold(net).
_PARTS = ("surgery", "visual")

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> _Any:
    if name in _PARTS:
        return _import_module(f"zoo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(_import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
