"""Pictures of digits that the embedded model has never seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

__all__ = ["write_digits"]


def write_digits(folder: Path, names: Sequence[str]) -> Path:
    """Ten pictures of each of the digits 5 to 9 to train on, and ten others, by these names."""
    digits = load_digits()
    pictures = np.clip(digits.images * 16, 0, 255).astype(np.uint8)
    rows = np.stack([np.flatnonzero(digits.target == label)[:20] for label in range(5, 10)])
    for name, part in (("train", rows[:, :10].ravel()), ("val", rows[:, 10:].ravel())):
        labels = np.array(names)[digits.target[part] - 5]
        np.savez(folder / f"{name}.npz", data=pictures[part], label=labels)
    return folder
