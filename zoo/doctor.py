"""What of the environment zoo needs, whether it is there, and what to do if not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from zoo.errors import UnavailableError
from zoo.registry.cache import Cache
from zoo.tensorflow_import import import_tensorflow

__all__ = ["Check", "doctor"]

_NEEDED = ("tensorflow", "keras", "protobuf", "numpy", "pillow", "PyYAML", "requests", "rich")
_ENOUGH_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One finding: `ok` None is for a mere fact; `hint` says what to do when it is False."""

    name: str
    ok: bool | None
    value: str
    hint: str = ""


def doctor(cache: Cache | None = None) -> list[Check]:
    """Look at versions, the processor and GPU, the disk and the cache."""
    return list(_checks(cache or Cache()))


def _checks(cache: Cache) -> Iterator[Check]:
    yield Check(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "zoo needs Python 3.11 or newer",
    )
    yield Check("zoo", None, _version("model-zoo-kit") or "a checkout that is not installed")
    for name in _NEEDED:
        version = _version(name)
        yield Check(name, version is not None, version or "missing", f"pip install {name}")
    yield Check("processors", None, str(os.cpu_count()))
    yield from _gpu()
    facts = cache.describe()
    free = int(str(facts["free_bytes"]))
    yield Check(
        "cache",
        bool(facts["writable"]),
        f"{facts['home']}: {facts['models']} model(s), {int(str(facts['bytes'])) / 1e6:.1f} MB",
        "the folder cannot be written; set ZOO_HOME to one that can",
    )
    yield Check(
        "disk",
        free >= _ENOUGH_BYTES,
        f"{free / 1e9:.1f} GB free",
        "large models need 1 GB and more",
    )


def _gpu() -> Iterator[Check]:
    """The GPU that TensorFlow sees, or each thing on the way to it that is missing."""
    try:
        tf = import_tensorflow()
    except UnavailableError as error:
        yield Check("gpu", None, f"not looked for: {error}")
        return
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        names = [
            str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
            for gpu in gpus
        ]
        yield Check("gpu", True, ", ".join(names))
        return
    missing = [what for what, there in _looked_for(tf.test.is_built_with_cuda) if not there]
    yield Check("gpu", None, f"none, models run on the CPU; not found: {', '.join(missing)}")


def _looked_for(built_with_cuda: Callable[[], bool]) -> Iterator[tuple[str, bool]]:
    yield "an NVIDIA driver (/proc/driver/nvidia)", Path("/proc/driver/nvidia").exists()
    yield "nvidia-smi", shutil.which("nvidia-smi") is not None
    yield "a TensorFlow built with CUDA", built_with_cuda()
    yield (
        "CUDA libraries (pip install 'tensorflow[and-cuda]')",
        _version("nvidia-cuda-runtime-cu12") is not None,
    )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
