"""Features on their way to a file: appended batch by batch, so that a killed run goes on.

A folder beside the file that is to be made, `.NAME.partial`:

    state.json      what is computed: model, blobs, pool, preprocessing, data
    0.f32, 1.f32    the rows of each blob, raw float32, one after the other
    journal.jsonl   a line for each batch, written after its rows: {"rows": [indices],
                    "failures": [[index, reason]]}; what follows the last whole line is cut off
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from zoo.errors import UnavailableError
from zoo.transfer.feature_cache import Floats
from zoo.transfer.features import FeatureBatch

__all__ = ["FeatureRows"]


class FeatureRows:
    """The rows that are there so far; a context that keeps others out.

    Parameters
    ----------
    folder : where they are kept.
    state : what is computed; a folder of another state is begun anew.

    Attributes
    ----------
    indices : the rows that are there, by their index in the data.
    failures : (index, reason) of rows that could not be read.
    """

    def __init__(self, folder: Path, state: dict[str, Any]) -> None:
        self.folder, self.state = folder, state
        self.indices: list[int] = []
        self.failures: list[tuple[int, str]] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._lock = FileLock(f"{folder}.lock")

    @property
    def done(self) -> int:
        """How many rows of the data need not be looked at again."""
        return len(self.indices) + len(self.failures)

    def __enter__(self) -> FeatureRows:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UnavailableError(
                f"{self.folder} is written by another run; wait for it, or name another file."
            ) from None
        if not self._resume():
            self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def append(self, batch: FeatureBatch) -> None:
        """Keep a batch: its rows first, then the line that makes them count."""
        for position, blob in enumerate(self.state["blobs"]):
            if batch.indices:
                array = batch.arrays[blob]
                self._shapes[blob] = array.shape[1:]
                with self._data(position).open("ab") as file:
                    file.write(np.ascontiguousarray(array, "<f4").data)
        shapes = {blob: list(shape) for blob, shape in self._shapes.items()}
        line = {"rows": batch.indices, "failures": batch.failures, "shapes": shapes}
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.indices += batch.indices
        self.failures += batch.failures

    def arrays(self) -> dict[str, Floats]:
        """The rows of each blob, mapped from the disk."""
        return {
            blob: np.memmap(
                self._data(position), "<f4", "r", shape=(len(self.indices), *self._shapes[blob])
            )
            for position, blob in enumerate(self.state["blobs"])
            if self.indices
        }

    def remove(self) -> None:
        """Forget the rows; they are in a file now."""
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"

    def _data(self, position: int) -> Path:
        return self.folder / f"{position}.f32"

    def _begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self._journal.touch()
        for position in range(len(self.state["blobs"])):
            self._data(position).touch()
        (self.folder / "state.json").write_text(json.dumps(self.state), encoding="utf-8")

    def _resume(self) -> bool:
        """Take up what an earlier run of the same state left; False where there is none."""
        try:
            state = json.loads((self.folder / "state.json").read_bytes())
            if state != json.loads(json.dumps(self.state)):
                return False
            lines = self._journal.read_bytes().split(b"\n")[:-1]
            entries: Sequence[dict[str, Any]] = [json.loads(line) for line in lines]
        except (OSError, ValueError):
            return False
        for entry in entries:
            self.indices += entry["rows"]
            self.failures += [(index, reason) for index, reason in entry["failures"]]
            self._shapes = {blob: tuple(shape) for blob, shape in entry["shapes"].items()}
        with self._journal.open("r+b") as journal:
            journal.truncate(sum(len(line) + 1 for line in lines))
        return all(map(self._cut, range(len(self.state["blobs"]))))

    def _cut(self, position: int) -> bool:
        """Drop rows that no line of the journal counts; False where some are missing."""
        shape = self._shapes.get(self.state["blobs"][position], (0,))
        size = 4 * len(self.indices) * int(np.prod(shape))
        if not self._data(position).is_file() or self._data(position).stat().st_size < size:
            self.indices, self.failures, self._shapes = [], [], {}
            return False
        with self._data(position).open("r+b") as file:
            file.truncate(size)
        return True
