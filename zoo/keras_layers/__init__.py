"""Keras layers for what Caffe does and Keras does not.

Importing this package registers all of them, so that Keras can load models that were saved with
them: ``import zoo.keras_layers``.
"""

from importlib import import_module as _import_module
from pkgutil import iter_modules as _iter_modules

for _module in _iter_modules(__path__, f"{__name__}."):
    _import_module(_module.name)
