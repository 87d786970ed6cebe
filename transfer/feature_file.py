"""Files of features: HDF5, NPZ or Parquet, by the ending of the name.

Each holds the rows of every blob in the order of the data, the name and the label of each row, the
names of the classes, and where all that came from: the model and the SHA-256 of its weights, the
preprocessing, the way of pooling.

    HDF5      features/BLOB (n, ...), files, labels, classes; the rest as attributes
    NPZ       features/BLOB, files, labels, classes, and `about`, the rest as JSON
    Parquet   columns file, label, label_name and one for each blob; the rest in its metadata
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

import zoo
from zoo.errors import UnavailableError, UsageError, ZooError, did_you_mean
from zoo.loaded import LoadedModel
from zoo.registry.contents import weights_file
from zoo.registry.hashes import hash_file
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import nothing, stored_name
from zoo.transfer.feature_parquet import read_parquet, write_parquet
from zoo.transfer.feature_rows import FeatureRows
from zoo.transfer.features import Features, Progress, check_blobs, feature_batches

__all__ = ["ENDINGS", "Written", "read_features", "weights_sha256", "write_features"]

ENDINGS = (".h5", ".hdf5", ".npz", ".parquet")
_ROWS = 256
_AS_JSON = ("blobs", "preprocessing")  # attributes of HDF5; the others are text


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    rows : in all.
    resumed : rows that a killed run of the same file had left.
    computed : rows that went through the network now; the others were known from the cache.
    failures : rows that cannot be read.
    """

    path: Path
    rows: int
    resumed: int
    computed: int
    shapes: dict[str, tuple[int, ...]]
    failures: list[tuple[str, str]]


def write_features(
    model: LoadedModel,
    data: Dataset,
    blobs: Sequence[str],
    path: str | Path,
    pool: str = "avg",
    *,
    batch_size: int = 32,
    engine: str = "tensorflow",
    device: str | None = None,
    progress: Progress = nothing,
) -> Written:
    """Compute features and write them to a file; a run that was killed goes on where it was.

    Parameters
    ----------
    path : ends in .h5, .hdf5, .npz or .parquet; must not be there yet.

    The others are those of `zoo.extract_features`. Memory does not grow with the data.

    Raises
    ------
    UsageError
        When the file is there, its ending is not known, or no row can be read.
    UnavailableError
        When another run writes it, or Parquet is wanted and pyarrow is not installed.
    """
    path, blobs = Path(path), list(dict.fromkeys(blobs))
    check_blobs(model, blobs, pool)
    writer = _writer(path)
    if path.exists():
        raise UsageError(f"{path} is there already; remove it, or name another file.")
    about = _about(model, blobs, pool)
    state = about | {"engine": engine, "data": _identity(data)}
    with FeatureRows(path.with_name(f".{path.name}.partial"), state) as rows:
        resumed, computed = rows.done, 0
        for batch in feature_batches(
            model,
            data,
            blobs,
            pool,
            start=resumed,
            batch_size=batch_size,
            engine=engine,
            device=device,
        ):
            rows.append(batch)
            computed += batch.computed
            progress(rows.done, len(data))
        failures = [(data.keys[index], reason) for index, reason in rows.failures]
        if not rows.indices:
            rows.remove()
            raise UsageError(f"{data.path}: not one row can be read; {failures[0][1]}")
        features = Features(
            rows.arrays(),
            None if data.labels is None else data.labels[rows.indices],
            [data.keys[index] for index in rows.indices],
            data.classes,
            failures,
        )
        _replace(path, lambda temporary: writer(temporary, features, about))
        shapes = {blob: array.shape for blob, array in features.arrays.items()}
        rows.remove()
    return Written(path, len(features), resumed, computed, shapes, failures)


def read_features(path: str | Path) -> Features:
    """Read a file that `write_features` wrote, or an HDF5 or NPZ like it with only the features.

    Raises
    ------
    UsageError
        When it is not there, or is no such file.
    """
    path = Path(path)
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*") if p.suffix.lower() in ENDINGS]
        raise UsageError(f"{path}: there is no such file.{did_you_mean(path.name, near)}")
    readers = {".npz": _read_npz, ".parquet": read_parquet}
    try:
        features = readers.get(path.suffix.lower(), _read_hdf5)(path)
        _check_rows(features)
    except ZooError:
        raise
    except (OSError, LookupError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        raise UsageError(f"{path}: no file of features: {error}") from error
    return features


def _check_rows(features: Features) -> None:
    columns: list[Sized] = [*features.arrays.values(), features.files]
    columns += [] if features.labels is None else [features.labels]
    counts = list(map(len, columns))
    if not features.arrays or len(set(counts)) > 1:
        raise ValueError(f"blobs, names and labels have {counts} rows")


def weights_sha256(model: LoadedModel) -> str:
    """What a model is known by: the SHA-256 of its file of weights."""
    names = sorted(path.name for path in model.directory.iterdir() if path.is_file())
    name = weights_file(names, model.card)
    return hash_file(model.directory / name).sha256 if name else ""


def _about(model: LoadedModel, blobs: Sequence[str], pool: str) -> dict[str, Any]:
    return {
        "model": model.name,
        "model_sha256": weights_sha256(model),
        "blobs": list(blobs),
        "pool": pool,
        "preprocessing": model.spec.to_mapping() if model.spec else None,
        "zoo_version": zoo.__version__,
    }


def _identity(data: Dataset) -> list[Any]:
    """What tells data from changed data without reading it: names, sizes and times of its files."""
    files = data.files or sorted(p for p in [data.path, *data.path.glob("*")] if p.is_file())
    times = [(status.st_size, status.st_mtime_ns) for status in map(os.stat, files)]
    return [str(data.path.resolve()), data.keys, data.indices.tolist(), times]


def _writer(path: Path) -> Callable[[Path, Features, dict[str, Any]], None]:
    ending = path.suffix.lower()
    if ending in (".h5", ".hdf5"):
        return _write_hdf5
    if ending == ".npz":
        return _write_npz
    if ending == ".parquet":
        return write_parquet
    raise UsageError(f"{path}: features are written to files ending in {', '.join(ENDINGS)}.")


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error}. The features are kept beside it; run the same"
            " command again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_hdf5(path: Path, features: Features, about: dict[str, Any]) -> None:
    import h5py

    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        for blob, array in features.arrays.items():
            try:
                rows = file.create_dataset(
                    f"features/{blob}", array.shape, "<f4", chunks=_chunk(array.shape)
                )
            except ValueError as error:
                raise UsageError(
                    f"{path.name}: HDF5 has no place for blob {blob!r} beside those of the other"
                    f" names ({error}); write an .npz, or another file for it."
                ) from error
            for start in range(0, len(array), _ROWS):
                rows[start : start + _ROWS] = array[start : start + _ROWS]
        file.create_dataset("files", data=list(map(stored_name, features.files)), dtype=text)
        file.create_dataset("classes", data=list(features.classes), dtype=text)
        if features.labels is not None:
            file["labels"] = features.labels
        for name, value in about.items():
            file.attrs[name] = value if isinstance(value, str) else json.dumps(value)


def _chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Whole rows, about 256 KiB of them."""
    rows = max(1, min(shape[0], 65_536 // max(1, int(np.prod(shape[1:])))))
    return (rows, *shape[1:])


def _read_hdf5(path: Path) -> Features:
    import h5py

    with h5py.File(path, "r") as file:
        about = {
            name: json.loads(value) if name in _AS_JSON else value
            for name, value in file.attrs.items()
        }
        blobs = about.get("blobs") or _datasets(file["features"])
        arrays = {blob: file[f"features/{blob}"][:] for blob in blobs}
        return Features(
            arrays,
            file["labels"][:] if "labels" in file else None,
            list(map(os.fsdecode, file["files"][:])) if "files" in file else _row_names(arrays),
            tuple(file["classes"].asstr()[:]) if "classes" in file else (),
            about=about,
        )


def _datasets(group: Any) -> list[str]:
    """Names of all datasets in an HDF5 group; those of blobs may have slashes."""
    names: list[str] = []
    group.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    return names


def _row_names(arrays: dict[str, Any]) -> list[str]:
    """For files that do not say what their rows are called."""
    return [f"row {row}" for row in range(max(map(len, arrays.values()), default=0))]


def _write_npz(path: Path, features: Features, about: dict[str, Any]) -> None:
    arrays = {f"features/{blob}": array for blob, array in features.arrays.items()}
    if features.labels is not None:
        arrays["labels"] = features.labels
    with path.open("xb") as file:
        np.savez(
            file,
            files=np.array(features.files),
            classes=np.array(features.classes, str),
            about=np.array(json.dumps(about)),
            **arrays,  # type: ignore[arg-type]
        )


def _read_npz(path: Path) -> Features:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        blobs = [name for name in file.files if name.startswith("features/")]
        arrays = {name.removeprefix("features/"): file[name] for name in blobs}
        return Features(
            arrays,
            file.get("labels"),
            file["files"].tolist() if "files" in file else _row_names(arrays),
            tuple(file["classes"].tolist()) if "classes" in file else (),
            about=json.loads(file["about"].item()) if "about" in file else {},
        )
